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

"""The files of a repository, from its work tree or from git."""

import pathlib
import subprocess
from typing import Protocol

ROOTS = ("zuul.d", "zuul.yaml", ".zuul.d", ".zuul.yaml")


class RepositoryError(Exception):
    """A repository can't be read."""


class Repository(Protocol):
    """Where files are read from; their names start at the repository's top."""

    def files(self, *below: str) -> list[str]:
        """Return the names of the files at or below these names."""
        ...

    def read(self, name: str) -> str:
        """Return a file's text."""
        ...


class WorkTree:
    """The files as they are on disk, committed or not."""

    def __init__(self, top: pathlib.Path) -> None:
        if not top.is_dir():
            raise RepositoryError(f"{top} is not a directory.")
        self.top = top

    def files(self, *below: str) -> list[str]:
        found = []
        for name in below:
            path = self.top / name
            paths = path.rglob("*") if path.is_dir() else [path]
            found += [
                str(p.relative_to(self.top)) for p in paths if p.is_file()
            ]
        return sorted(found)

    def read(self, name: str) -> str:
        return (self.top / name).read_text(encoding="utf-8")


class Commit:
    """The files of the commit that a git repository has checked out.

    :param path: a work tree, or a git directory without one
    :raises RepositoryError: if there is no git repository or no commit
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        if not path.is_dir():
            raise RepositoryError(f"{path} is not a directory.")
        self.id = self._git("rev-parse", "--verify", "HEAD").strip()

    def files(self, *below: str) -> list[str]:
        names = self._git(
            *("ls-tree", "-r", "-z", "--name-only", "--full-tree"),
            *("HEAD", "--", *below),
        )
        return [name for name in names.split("\0") if name]

    def read(self, name: str) -> str:
        return self._git("show", f"HEAD:{name}")

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", self.path, *arguments],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RepositoryError(
                f"{self.path} can't be read with git:"
                f" {done.stderr.strip() or 'no reason given'}"
            )
        return done.stdout


def configuration(repository: Repository) -> dict[str, str]:
    """Return the text of the files that Zuul reads, by name."""
    return {
        name: repository.read(name)
        for name in repository.files(*ROOTS)
        if name.endswith(".yaml")
    }
