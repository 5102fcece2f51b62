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

"""The lab's own files for the guest: copied, or filled in and copied."""

from collections.abc import Mapping
import pathlib
import re
import shutil

from cinder_lab import errors

SUFFIX = ".in"
"""What ends the name of a file to be filled in; the copy goes without."""

_NAME = re.compile("@([A-Z][A-Z0-9_]*)@")


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """Replace each @NAME@ in a text.

    :raises LabError: if a name has no value.
    """
    try:
        return _NAME.sub(lambda match: values[match[1]], text)
    except KeyError as error:
        raise errors.LabError(f"no value for @{error.args[0]}@") from error


def install(
    source: pathlib.Path, tree: pathlib.Path, values: Mapping[str, str]
) -> None:
    """Copy the files below a folder into a tree, filling in templates.

    Files are root's and keep their execute permission; whatever else they
    need is set afterwards.

    :raises LabError: if a template names a value that is not given.
    """
    for path in sorted(source.rglob("*")):
        if not path.is_file():
            continue
        target = tree / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.name.endswith(SUFFIX):
            target = target.with_name(path.name.removesuffix(SUFFIX))
            target.unlink(missing_ok=True)
            target.write_text(fill_in(path.read_text(), values))
        else:
            target.unlink(missing_ok=True)
            shutil.copyfile(path, target)
        target.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
