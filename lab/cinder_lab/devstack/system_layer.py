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

"""The first layer: a Debian tree with all that DevStack would install."""

import pathlib

from cinder_lab import base_layer, commands, errors, keys
from cinder_lab import chroot as chroot_module
from cinder_lab import console as console_module
from cinder_lab import paths as paths_module

FOLDER = paths_module.LAB / "devstack"
"""Files of this way to deploy, below the lab's sources."""

SERVICES = (
    "mysql",
    "rabbit",
    "key",
    "g-api",
    "c-api",
    "c-sch",
    "c-vol",
    "tempest",
    "openstack-cli-server",
)
"""What is deployed, by DevStack's names."""

_SOURCES = (
    "devstack/package-names",
    "devstack/packages.txt",
    "cinder_lab/devstack/system_layer.py",
)

_LOCALE = ("localedef", "-i", "en_US", "-f", "UTF-8", "en_US.UTF-8")
"""DevStack runs in this one."""


def package_names(devstack: pathlib.Path, plugin: pathlib.Path) -> list[str]:
    """Return the Debian packages that stack.sh would install.

    They are those of DevStack's own lists, the plugin's, and those of
    packages.txt, which DevStack's functions name themselves.

    :param devstack: DevStack's sources.
    :param plugin: those of the project.
    :raises LabError: if DevStack's functions can't be used.
    """
    listed = commands.output_of(
        [
            str(FOLDER / "package-names"),
            str(devstack),
            str(plugin),
            ",".join(("general", *SERVICES)),
        ]
    ).split()
    own = (FOLDER / "packages.txt").read_text().splitlines()
    own = [line for line in own if line and not line.startswith("#")]
    if not listed:
        raise errors.LabError(f"{devstack} names no Debian packages")
    return sorted({*listed, *own})


def key(packages: list[str]) -> str:
    """Return the key of the layer."""
    return keys.of_text(
        base_layer.key(),
        " ".join(packages),
        keys.of_files(paths_module.LAB, _SOURCES),
    )


def build(
    target: pathlib.Path,
    packages: list[str],
    paths: paths_module.Paths,
    console: console_module.Console,
) -> None:
    """Make the tree: that of the lab's base, and more packages.

    :raises LabError: if that fails.
    """
    program, *options = base_layer.command(target, paths.debs)
    log = paths.logs / "devstack-system.log"
    with console.step("Debian packages for DevStack"):
        commands.run(
            [program, f"--include={','.join(packages)}", *options],
            log,
            console,
            "mmdebstrap",
        )
        (target / "etc/apt/apt.conf.d/99mmdebstrap").unlink(missing_ok=True)
        chroot_module.Chroot(target, log).run(*_LOCALE)
