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

"""The first layer: a Debian tree, made natively by mmdebstrap."""

import pathlib

from cinder_lab import commands, debian, keys
from cinder_lab import console as console_module
from cinder_lab import paths as paths_module

_SOURCES = ("packages.txt", "cinder_lab/base_layer.py")

_NOT_NEEDED = ("doc", "man", "info", "locale")

_INITRAMFS_HOOK = (
    'mkdir -p "$1/etc/initramfs-tools/conf.d" && '
    'printf "MODULES=list\\nCOMPRESS=gzip\\n" '
    '>"$1/etc/initramfs-tools/conf.d/lab" && '
    'printf "virtio_pci\\nvirtio_blk\\next4\\n" '
    '>"$1/etc/initramfs-tools/modules"'
)
"""An initramfs with three modules: it unpacks in no time under TCG."""

_LEFT_OUT_OF_INITRAMFS = (
    "hooks/dmsetup",
    "hooks/lvm2",
    "hooks/thin-provisioning-tools",
    "scripts/local-block/lvm2",
    "scripts/local-top/lvm2",
)
"""What would activate volume groups before the lab's layers are there."""

_UML_MODULES_HOOK = 'ln -s -r "$1"/usr/lib/uml/modules/* "$1/usr/lib/modules/"'
"""The modules of User Mode Linux, where its own system looks for them."""


def key() -> str:
    """Return the key of the layer: the packages and how they get in."""
    return keys.of_text(
        debian.SUITE, keys.of_files(paths_module.LAB, _SOURCES)
    )


def packages() -> list[str]:
    """Return the names of the packages to install."""
    lines = (paths_module.LAB / "packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def command(target: pathlib.Path, debs: pathlib.Path) -> list[str]:
    """Return the mmdebstrap command that makes the tree.

    :param target: where the tree goes.
    :param debs: a cache of .deb files, read and added to.
    """
    argv = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        "--skip=download/empty",
        "--skip=essential/unlink",
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        "--dpkgopt=force-unsafe-io",
        *(f"--aptopt={option}" for option in debian.apt_options()),
        *(
            f"--dpkgopt=path-exclude=/usr/share/{folder}/*"
            for folder in _NOT_NEEDED
        ),
        *(
            f"--dpkgopt=path-exclude=/usr/share/initramfs-tools/{name}"
            for name in _LEFT_OUT_OF_INITRAMFS
        ),
        '--setup-hook=mkdir -p "$1/var/cache/apt/archives"',
        f'--setup-hook=sync-in "{debs}" /var/cache/apt/archives/',
        f"--essential-hook={_INITRAMFS_HOOK}",
        f'--customize-hook=sync-out /var/cache/apt/archives "{debs}"',
        f"--customize-hook={_UML_MODULES_HOOK}",
        '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_*',
        '--customize-hook=rm -f "$1"/etc/apt/sources.list',
        '--customize-hook=rm -f "$1"/etc/apt/sources.list.d/*',
        f"--include={','.join(packages())}",
        debian.SUITE,
        str(target),
    ]
    return argv + debian.mirrors()


def build(
    target: pathlib.Path,
    paths: paths_module.Paths,
    console: console_module.Console,
) -> None:
    """Make the tree.

    :raises LabError: if mmdebstrap fails.
    """
    with console.step("Debian packages"):
        commands.run(
            command(target, paths.debs),
            paths.logs / "base.log",
            console,
            "mmdebstrap",
        )
        (target / "etc/apt/apt.conf.d/99mmdebstrap").unlink(missing_ok=True)
