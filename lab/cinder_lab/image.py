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

"""The disk image and the kernel that the virtual machine starts from."""

import dataclasses
import os
import pathlib
import shutil

from cinder_lab import commands, errors, host

ROOT_SIZE = "8G"
ROOT_LABEL = "lab-root"


@dataclasses.dataclass(frozen=True)
class Image:
    """A folder with a bootable system.

    :ivar folder: it holds the files below.
    """

    folder: pathlib.Path

    @property
    def root(self) -> pathlib.Path:
        """The root file system, raw and sparse."""
        return self.folder / "root.img"

    @property
    def kernel(self) -> pathlib.Path:
        """The kernel."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> pathlib.Path:
        """The kernel's initramfs."""
        return self.folder / "initrd"

    @property
    def uml(self) -> pathlib.Path:
        """The kernel that is a program of this machine, User Mode Linux."""
        return self.folder / "linux.uml"


def build(tree: pathlib.Path, target: pathlib.Path, log: pathlib.Path) -> None:
    """Make an image folder of a tree; nothing is mounted for it.

    :raises LabError: if that fails.
    """
    image = Image(target)
    target.mkdir()
    shutil.copyfile(only(tree, "vmlinuz-*"), image.kernel)
    shutil.copyfile(only(tree, "initrd.img-*"), image.initrd)
    shutil.copy(tree / "usr/bin/linux.uml", image.uml)
    with image.root.open("wb") as root:
        root.truncate(0)
    commands.run(
        [
            "mke2fs",
            "-q",
            "-t",
            "ext4",
            "-L",
            ROOT_LABEL,
            "-E",
            "lazy_itable_init=1,lazy_journal_init=1",
            "-J",
            "size=32",
            "-d",
            str(tree),
            str(image.root),
            ROOT_SIZE,
        ],
        log,
        name="mke2fs",
        environment={"PATH": host.search_path()},
    )


def hand_over(folder: pathlib.Path) -> None:
    """Give what root built to the user who called sudo, if anybody did."""
    uid = os.environ.get("SUDO_UID")
    gid = os.environ.get("SUDO_GID")
    if uid is None or gid is None or os.geteuid() != 0:
        return
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, int(uid), int(gid), follow_symlinks=False)


def only(tree: pathlib.Path, pattern: str) -> pathlib.Path:
    """Return the file in a tree's /boot that has a name of this pattern.

    :raises LabError: if there is not exactly one.
    """
    found = list((tree / "boot").glob(pattern))
    if len(found) != 1:
        raise errors.LabError(
            f"expected one /boot/{pattern} in the guest, found {len(found)}"
        )
    return found[0]
