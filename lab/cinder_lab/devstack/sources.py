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

"""The repositories that DevStack deploys: cloned once, renewed on demand."""

from collections.abc import Mapping
import os
import pathlib

from cinder_lab import commands, errors
from cinder_lab import console as console_module
from cinder_lab import paths as paths_module
from cinder_lab.devstack import clouds

GIT_BASE = "https://opendev.org"
"""Where repositories are fetched from when nothing else is said."""

BRANCH = "master"

TOOLS = ("devstack", "requirements", "os-test-images")
"""Repositories that every cloud needs beside what it deploys."""

BRANCHLESS = ("tempest", "os-test-images")
"""These have no stable branches: DevStack takes master of them."""


def git_base(
    given: str | None, environment: Mapping[str, str] | None = None
) -> str:
    """Return where to fetch from: as given, $GIT_BASE or the default.

    A folder is made absolute.
    """
    known = os.environ if environment is None else environment
    base = given or known.get("GIT_BASE") or GIT_BASE
    return base if "://" in base else str(pathlib.Path(base).absolute())


class Sources:
    """The clones of one branch, as full as DevStack makes them.

    :param base: a URL or folder with openstack/NAME.git below it.
    :param cloud: what is deployed out of them.
    :ivar branch: of those repositories that have branches.
    """

    def __init__(
        self,
        paths: paths_module.Paths,
        base: str,
        branch: str,
        cloud: clouds.Cloud,
    ) -> None:
        self._base = base
        self.branch = branch
        self._names = (*TOOLS, *cloud.deployed)
        self._log = paths.logs / "devstack-git.log"
        slug = branch.replace("/", "-")
        self._folder = paths.cache / "devstack-git" / slug

    def path(self, name: str) -> pathlib.Path:
        """Return the clone of a repository, checked out."""
        return self._folder / name

    def url(self, name: str) -> str:
        """Return where a repository is fetched from."""
        return f"{self._base}/openstack/{name}.git"

    def fetch(self, console: console_module.Console, renew: bool) -> None:
        """Clone what is not there yet.

        :param renew: fetch what is there anew, too.
        :raises LabError: if git fails.
        """
        wanted = [
            (name, BRANCH if name in BRANCHLESS else self.branch)
            for name in self._names
            if renew or not self.path(name).exists()
        ]
        if not wanted:
            return
        with console.step(f"Clone from {self._base}"):
            self._folder.mkdir(parents=True, exist_ok=True)
            for name, branch in wanted:
                self._clone(name, branch, console)

    def commits(self) -> dict[str, str]:
        """Return the commit of each repository that the cloud needs.

        :raises LabError: if git fails, or one has not been cloned.
        """
        return {name: self._commit(name) for name in self._names}

    def _commit(self, name: str) -> str:
        if not self.path(name).exists():
            raise errors.LabError(f"{name} has not been cloned yet")
        return commands.output_of(
            ["git", "-C", str(self.path(name)), "rev-parse", "HEAD"]
        ).strip()

    def _clone(
        self, name: str, branch: str, console: console_module.Console
    ) -> None:
        def git(*words: str) -> None:
            commands.run(["git", *words], self._log, console, f"git {name}")

        target = self.path(name)
        if target.exists():
            here = ("-C", str(target))
            git(*here, "fetch", "--quiet", "--tags", self.url(name), branch)
            git(*here, "checkout", "--quiet", "-B", branch, "FETCH_HEAD")
            return
        new = target.with_name(f"{name}.new")
        commands.run(["rm", "-rf", str(new)], self._log)
        git(
            "clone",
            "--quiet",
            "--no-local",
            "--single-branch",
            f"--branch={branch}",
            self.url(name),
            str(new),
        )
        new.rename(target)
