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

"""The Python packages that DevStack installs, as wheels for the guest.

They are resolved and fetched by the guest's own pip, run on this machine and
as this machine has pip configured; none of that gets into the guest, whose
pip finds the wheels in a folder and asks no index.
"""

import configparser
import pathlib

from cinder_lab import commands, image_python, keys, layers
from cinder_lab import console as console_module
from cinder_lab import paths as paths_module
from cinder_lab.devstack import clouds
from cinder_lab.devstack import sources as sources_module

BUILD = ("pip", "setuptools[core]", "wheel", "pbr>=7.0.0")
"""What makes an installed package of a source tree."""

SERVICES = (
    "PyMySQL",
    "etcd3gw",
    "glance-store[cinder]",
    "keystonemiddleware",
    "os-testr",
    "python-memcached",
    "python-openstackclient",
    "tox!=2.8.0,<4.0.0",
)
"""What DevStack's functions install into the services' environment beside
the requirements of the services."""

BINDEP = "bindep"

OTHERS = ("requirements", "os-test-images")
"""Those whose requirements go into environments of their own."""

_FROM_GIT = ("cinder", "tempest")
_EXTRAS = ("server", "client", "runbook", "tempest")


def project_requirements(
    project: pathlib.Path = paths_module.PROJECT,
) -> list[str]:
    """Return what the project requires, but for what comes from git."""
    parser = configparser.ConfigParser()
    parser.read(project / "setup.cfg")
    lines = (project / "requirements.txt").read_text().splitlines()
    for extra in _EXTRAS:
        lines += parser.get("extras", extra, fallback="").splitlines()
    found = {line.partition("#")[0].strip() for line in lines} - {""}
    return sorted(
        line
        for line in found
        if not line.startswith(tuple(f"{name}>" for name in _FROM_GIT))
    )


class Wheelhouse:
    """A folder with a wheel of everything that a cloud needs.

    :param sources: what is deployed, cloned.
    """

    def __init__(
        self,
        paths: paths_module.Paths,
        sources: sources_module.Sources,
        cloud: clouds.Cloud,
    ) -> None:
        self._paths = paths
        self._name = f"{cloud.name}-wheels"
        self._requirements = "\n".join(
            [
                *BUILD,
                *SERVICES,
                *cloud.python_packages,
                BINDEP,
                *project_requirements(),
                *(
                    (sources.path(name) / "requirements.txt").read_text()
                    for name in (*cloud.deployed, *OTHERS)
                ),
            ]
        )
        self._upper = sources.path("requirements") / "upper-constraints.txt"
        self.key = keys.of_text(self._requirements, self._upper.read_text())

    @property
    def folder(self) -> pathlib.Path:
        """Where the wheels are, or will be."""
        return layers.path_of(self._paths.cache, self._name, self.key)

    def fetch(
        self, tree: pathlib.Path, console: console_module.Console
    ) -> None:
        """Have the wheels.

        :param tree: a tree with the guest's Python and pip.
        :raises LabError: if one of them can't be had.
        """
        layers.ensure(
            self._paths.cache,
            self._name,
            self.key,
            lambda target: self._fetch(tree, target, console),
        )

    def _fetch(
        self,
        tree: pathlib.Path,
        target: pathlib.Path,
        console: console_module.Console,
    ) -> None:
        target.mkdir()
        asked = self._paths.cache / f"{self._name}.txt"
        asked.write_text(self._requirements)
        with console.step("Python packages for DevStack"):
            commands.run(
                [
                    *image_python.command(tree),
                    "-m",
                    "pip",
                    "wheel",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--use-pep517",
                    f"--wheel-dir={target}",
                    f"--constraint={self._upper}",
                    f"--requirement={asked}",
                ],
                self._paths.logs / "devstack-wheels.log",
                console,
                "pip wheel",
                environment=image_python.environment(tree),
            )
