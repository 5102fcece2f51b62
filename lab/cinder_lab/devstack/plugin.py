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

"""The project as a git repository, for DevStack to find it cloned."""

import pathlib
import shutil
import tarfile
import tempfile

from cinder_lab import commands, keys
from cinder_lab import paths as paths_module

NAME = "cinder-promote"


def files(project: pathlib.Path = paths_module.PROJECT) -> list[str]:
    """Return the files of the work tree, without those that git ignores.

    :raises LabError: if it is no git work tree.
    """
    said = commands.output_of(
        [
            "git",
            "-C",
            str(project),
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]
    )
    return sorted(
        name
        for name in set(said.split("\0")) - {""}
        if (project / name).is_file()
    )


def key(project: pathlib.Path = paths_module.PROJECT) -> str:
    """Return the key of the project as it is in the work tree."""
    head = commands.output_of(["git", "-C", str(project), "rev-parse", "HEAD"])
    return keys.of_text(head, keys.of_files(project, files(project)))


def pack(
    target: pathlib.Path,
    log: pathlib.Path,
    project: pathlib.Path = paths_module.PROJECT,
) -> None:
    """Write a tar file with a clone of the project, as its work tree is.

    What is not committed is in it, but not committed there either.

    :raises LabError: if git fails.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        clone = pathlib.Path(scratch, NAME)
        commands.run(
            [
                "git",
                "clone",
                "--quiet",
                "--no-local",
                str(project),
                str(clone),
            ],
            log,
            name="git clone",
        )
        wanted = files(project)
        for name in files(clone):
            (clone / name).unlink()
        for name in wanted:
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(project / name, clone / name)
        with tarfile.open(target, "w") as archive:
            archive.add(clone, NAME)
