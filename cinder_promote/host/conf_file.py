# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Read and edit an oslo.config file without touching what is not edited.

The grammar is that of ``oslo_config.iniparser``, line for line, so that this
module sees the same options as Cinder does. Unlike that parser it remembers
where each option stands, and it writes back every other byte as it was.
"""

import dataclasses
import re
from typing import NoReturn

from cinder_promote.host import errors

# Python's universal newlines, which oslo.config reads with. str.splitlines
# splits on more than these.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_ASSIGNMENT = re.compile(
    r"(?P<head>(?P<key>[^=:]*)[=:]\s*)(?P<value>.*?)(?P<tail>\s*)\Z",
    re.DOTALL,
)


def normalize(section: str) -> str:
    """Return the name under which oslo.config looks a section up."""
    return section if section == "DEFAULT" else section.lower()


@dataclasses.dataclass(frozen=True)
class Option:
    """One assignment in the file.

    ``first`` and ``last`` are line indices from 0, equal unless the value has
    continuation lines, which are joined by newlines in ``value``.
    """

    section: str
    key: str
    value: str
    first: int
    last: int

    @property
    def is_multi_line(self) -> bool:
        return self.first != self.last


class ConfFile:
    """The text of a configuration file.

    :param content: the file's bytes
    :param name: what to call the file in an error
    :raises HostError: a line is not what oslo.config can read
    """

    def __init__(self, content: bytes, name: str) -> None:
        self.name = name
        text = content.decode("utf-8", "surrogateescape")
        self._lines: list[str] = _LINE.findall(text)
        self._headers: list[str] = []
        self._options: list[Option] = []
        self._parse()

    def to_bytes(self) -> bytes:
        return "".join(self._lines).encode("utf-8", "surrogateescape")

    def count_sections(self, section: str) -> int:
        """Return how many headers open this section."""
        wanted = normalize(section)
        return sum(normalize(name) == wanted for name in self._headers)

    def options(self, section: str, key: str) -> list[Option]:
        """Return the assignments of one option, in the file's order."""
        wanted = normalize(section)
        return [
            option
            for option in self._options
            if option.key == key and normalize(option.section) == wanted
        ]

    def all_options(self) -> list[tuple[str, str, str]]:
        """Return every (section, key, value) in the file's order."""
        return [(o.section, o.key, o.value) for o in self._options]

    def set_option(self, option: Option, value: str) -> None:
        """Give one assignment another value, on its own line.

        Spacing, separator, quotes and line end stay as they are.
        """
        body, end = self._split_end(self._lines[option.first])
        match = _ASSIGNMENT.match(body)
        if match is None or option.is_multi_line:
            raise ValueError(option)
        old = match["value"]
        quote = old[0] if _is_quoted(old) else ""
        self._lines[option.first] = (
            f"{match['head']}{quote}{value}{quote}{match['tail']}{end}"
        )
        self._parse()

    def set_options(
        self, after: Option, key: str, values: list[str]
    ) -> None:
        """Make the repeated assignments of one option these values.

        Present lines are reused; more are added below the last one, or below
        ``after`` if there is none; those too many are removed.

        :param after: an option of the section; the spacing and line end of
            added lines are copied from the line above
        :param key: the option to set
        :param values: the wanted values in order
        """
        options = self.options(after.section, key)
        common = min(len(options), len(values))
        for option, value in zip(
            options[:common], values[:common], strict=True
        ):
            self.set_option(option, value)
        if len(values) > common:
            model = options[-1] if options else after
            self._insert(model, key, values[common:])
        for option in reversed(options[common:]):
            del self._lines[option.first : option.last + 1]
        self._parse()

    def _insert(self, model: Option, key: str, values: list[str]) -> None:
        body, end = self._split_end(self._lines[model.first])
        match = _ASSIGNMENT.match(body)
        if match is None:
            raise ValueError(model)
        head = match["head"].replace(match["key"].strip(), key, 1)
        newline = end or self._newline()
        lines = [f"{head}{value}" for value in values]
        self._lines[model.last] = body + newline
        self._lines[model.last + 1 : model.last + 1] = [
            line + newline for line in lines[:-1]
        ] + [lines[-1] + end]

    def _newline(self) -> str:
        """Return the file's line end, for a last line that has none."""
        return next(
            (end for _, end in map(self._split_end, self._lines) if end), "\n"
        )

    @staticmethod
    def _split_end(line: str) -> tuple[str, str]:
        body = line.rstrip("\r\n")
        return body, line[len(body) :]

    def _refuse(self, index: int, reason: str) -> NoReturn:
        raise errors.HostError(f"{self.name}: line {index + 1} {reason}.")

    def _parse(self) -> None:
        self._headers = []
        self._options = []
        section = ""
        current: Option | None = None
        for index, raw in enumerate(self._lines):
            line = raw.rstrip()
            if not line:
                current = None
            elif line.startswith((" ", "\t")):
                if current is None:
                    self._refuse(
                        index,
                        "is indented, but there is no option that it could "
                        "continue",
                    )
                current = self._continue(index, line)
            elif line.startswith("["):
                if not line.endswith("]") or len(line) <= 2:
                    self._refuse(index, "is not a section's name")
                current = None
                section = line[1:-1]
                self._headers.append(section)
            elif line.startswith(("#", ";")):
                current = None
            else:
                current = self._assign(index, line, section)

    def _continue(self, index: int, line: str) -> Option:
        last = self._options[-1]
        self._options[-1] = dataclasses.replace(
            last, value=f"{last.value}\n{line.lstrip()}", last=index
        )
        return self._options[-1]

    def _assign(self, index: int, line: str, section: str) -> Option:
        match = _ASSIGNMENT.match(line)
        if match is None:
            self._refuse(index, "has neither '=' nor ':'")
        key = match["key"].strip()
        if not key:
            self._refuse(index, "has no option's name")
        if not section:
            self._refuse(index, "is an option outside of any section")
        value = match["value"]
        if _is_quoted(value):
            value = value[1:-1]
        option = Option(section, key, value, index, index)
        self._options.append(option)
        return option


def _is_quoted(value: str) -> bool:
    return value[:1] == value[-1:] and value.startswith(("\"", "'"))
