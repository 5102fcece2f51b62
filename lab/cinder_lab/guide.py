# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The command lines of the admin guide, in the order in which they stand.

In a page of the guide, what is to be typed stands in console blocks::

    .. code-block:: console

       $ typed by the operator, with an administrator's credentials
       what it prints
       # typed by root on the storage host \\
           and going on here

Whatever a block shows below a command is all that the command prints, once
what was waited for has come true: such a command only looks, and is repeated
until it prints that.
"""

from collections.abc import Iterator
import dataclasses
import pathlib

from cinder_lab import errors
from cinder_lab import paths as paths_module

FOLDER = paths_module.PROJECT / "doc/source/admin"

PAGES = ("by-hand", "runbook", "offline")
"""The pages that lead from a healthy A to a protected B, each by itself."""

OPERATOR = "operator"
STORAGE_HOST = "storage host"

_DIRECTIVE = ".. code-block:: console"
_PROMPTS = {"$ ": OPERATOR, "# ": STORAGE_HOST}


@dataclasses.dataclass(frozen=True)
class Command:
    """A command line, for a shell.

    :param text: the line, without its prompt and in one piece.
    :param place: where it is typed, OPERATOR or STORAGE_HOST.
    :param output: the lines that it prints in the end; without any, nothing
        is said of what it prints, and it is to be run once.
    :param source: file and number of the line.
    """

    text: str
    place: str
    output: tuple[str, ...]
    source: str


def commands(page: pathlib.Path) -> list[Command]:
    """Return the command lines of a page, in order.

    :raises LabError: if a console block begins with something else than a
        prompt, or has a line that goes on nowhere.
    """
    found: list[Command] = []
    in_command = ""
    for number, text, first in _console_lines(page):
        source = f"{page.name}:{number}"
        place = _PROMPTS.get(text[:2])
        if in_command:
            last = found.pop()
            begun = last.text.removesuffix("\\").rstrip()
            found.append(
                dataclasses.replace(last, text=f"{begun} {text.strip()}")
            )
        elif place:
            found.append(Command(text[2:], place, (), source))
        elif first:
            raise errors.LabError(
                f"{source}: a console block begins with a prompt, and this "
                f"one with: {text}"
            )
        else:
            last = found.pop()
            found.append(
                dataclasses.replace(last, output=(*last.output, text))
            )
        in_command = source if text.endswith("\\") else ""
    if in_command:
        raise errors.LabError(f"{in_command}: the command goes on nowhere")
    return found


def _console_lines(page: pathlib.Path) -> Iterator[tuple[int, str, bool]]:
    """Yield number, text and whether it is a block's first, of each line."""
    indent: int | None = None
    start = None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        depth = len(line) - len(line.lstrip())
        if line.strip() == _DIRECTIVE:
            indent, start = depth, None
        elif indent is not None and line.strip():
            if depth <= indent:
                indent = None
                continue
            first = start is None
            start = depth if start is None else start
            yield number, line[start:].rstrip(), first
