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

from collections.abc import Iterable
import pathlib

from cinder_lab import base_layer, commands, debian, errors, keys
from cinder_lab import chroot as chroot_module
from cinder_lab import console as console_module
from cinder_lab import paths as paths_module
from cinder_lab.devstack import clouds

_SOURCES = (
    "devstack/package-names",
    "devstack/packages.txt",
    "cinder_lab/devstack/system_layer.py",
)

_LOCALE = ("localedef", "-i", "en_US", "-f", "UTF-8", "en_US.UTF-8")
"""DevStack runs in this one."""


_BACKPORTS = f"{debian.SUITE}-backports"

_PINS = "etc/apt/preferences.d/lab"
"""Where the tree's apt reads which packages come from there."""


def package_names(
    devstack: pathlib.Path, plugin: pathlib.Path, cloud: clouds.Cloud
) -> list[str]:
    """Return the Debian packages that stack.sh would install.

    They are those of DevStack's own lists, the plugin's, and those of
    packages.txt, here and in the cloud's folder.

    :param devstack: DevStack's sources.
    :param plugin: those of the project.
    :raises LabError: if DevStack's functions can't be used.
    """
    lists = ("general", *cloud.services, *cloud.package_lists)
    listed = commands.output_of(
        [
            str(clouds.FOLDER / "package-names"),
            str(devstack),
            str(plugin),
            ",".join(lists),
        ]
    ).split()
    own = (clouds.FOLDER / "packages.txt").read_text()
    own += cloud.text("packages.txt")
    named = [
        line for line in own.splitlines() if line and not line.startswith("#")
    ]
    if not listed:
        raise errors.LabError(f"{devstack} names no Debian packages")
    return sorted({*listed, *named})


def key(packages: list[str], cloud: clouds.Cloud) -> str:
    """Return the key of the layer."""
    return keys.of_text(
        base_layer.key(),
        " ".join(packages),
        " ".join(cloud.backports),
        keys.of_files(paths_module.LAB, _SOURCES),
    )


def with_backports(
    argv: list[str], packages: Iterable[str], mirrors: list[str]
) -> list[str]:
    """Return an mmdebstrap command that takes packages from backports.

    :param argv: the command without.
    :param packages: patterns of their names.
    :param mirrors: the apt source lines that it has.
    :raises LabError: if they name no archive.
    """
    if not mirrors:
        raise errors.LabError(
            f"packages of this cloud come from {_BACKPORTS}: name a Debian "
            "archive in $LAB_DEBIAN_MIRROR"
        )
    archive = mirrors[0].split()[1]
    pins = f"Package: {' '.join(packages)}\\nPin: release n={_BACKPORTS}"
    write = (
        f'mkdir -p "$1/{pathlib.Path(_PINS).parent}" && '
        f"printf '{pins}\\nPin-Priority: 990\\n' >\"$1/{_PINS}\""
    )
    program, *others = argv
    return [
        program,
        f"--setup-hook={write}",
        *others,
        f"deb {archive} {_BACKPORTS} main",
    ]


def build(
    target: pathlib.Path,
    packages: list[str],
    cloud: clouds.Cloud,
    paths: paths_module.Paths,
    console: console_module.Console,
) -> None:
    """Make the tree: that of the lab's base, and more packages.

    :raises LabError: if that fails.
    """
    argv = base_layer.command(target, paths.debs)
    argv.insert(1, f"--include={','.join(packages)}")
    if cloud.backports:
        argv = with_backports(argv, cloud.backports, debian.mirrors())
    log = paths.logs / "devstack-system.log"
    with console.step("Debian packages for DevStack"):
        commands.run(argv, log, console, "mmdebstrap")
        for name in ("etc/apt/apt.conf.d/99mmdebstrap", _PINS):
            (target / name).unlink(missing_ok=True)
        chroot_module.Chroot(target, log).run(*_LOCALE)
