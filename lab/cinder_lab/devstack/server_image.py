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

"""The image that Nova's servers boot: a kernel, an initramfs, a small system.

All of it comes out of the tree of DevStack's machine. It is busybox with an
SSH server; what it does is in the scripts below devstack/server.
"""

from collections.abc import Iterable
import pathlib
import shutil
import tarfile

from cinder_lab import chroot as chroot_module
from cinder_lab import commands, errors, host, layers, overlay
from cinder_lab import image as image_module
from cinder_lab.devstack import clouds

NAME = "lab-server"
"""The archive's name, by which DevStack calls the image in Glance."""

SIZE = "32M"
"""Of the root file system. A server makes it as large as its disk."""

LABEL = "server-root"
"""By which a server finds its root file system; its scripts know it."""

_SOURCES = clouds.FOLDER / "server"

_WORK = "tmp/server"
"""Where it is made, in the tree."""

_BUSYBOX = "bin/busybox"

_PROGRAMS = ("usr/sbin/dropbear", "sbin/resize2fs")

_MODULES = (
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio-rng",
    # the config drive
    "ata_piix",
    "sr_mod",
    "isofs",
)
"""Kernel modules that a server loads, with those that they need."""

_FOLDERS = ("dev", "mnt", "proc", "run", "sys", "tmp", "etc/dropbear")


def build(tree: pathlib.Path, folder: pathlib.Path, log: pathlib.Path) -> None:
    """Write the archive that DevStack uploads as three images.

    :param tree: a tree with a kernel, busybox and an SSH server.
    :param folder: where the archive goes.
    :raises LabError: if the tree lacks something, or a step fails.
    """
    builder = _Builder(tree, log)
    work = tree / _WORK
    try:
        builder.initramfs()
        builder.root()
        with tarfile.open(
            folder / f"{NAME}.tar.gz", "w:gz", compresslevel=1
        ) as archive:
            archive.add(builder.kernel, f"{NAME}-vmlinuz")
            archive.add(work / "initrd", f"{NAME}-initrd")
            archive.add(work / "root.img", f"{NAME}.img")
    finally:
        layers.remove(work)


def module_files(dependencies: str, names: Iterable[str]) -> list[str]:
    """Return the files of modules and of all they need, in loading order.

    :param dependencies: what is in modules.dep.
    :param names: of the modules.
    :raises LabError: if there is no such module.
    """
    needed = {}
    for line in dependencies.splitlines():
        file, _, others = line.partition(":")
        needed[file] = others.split()
    by_name = {pathlib.PurePath(file).stem: file for file in needed}
    files: list[str] = []
    for name in names:
        if name not in by_name:
            raise errors.LabError(f"the guest's kernel has no module {name}")
        # what a module needs is listed with the deepest last
        files += [*reversed(needed[by_name[name]]), by_name[name]]
    return list(dict.fromkeys(files))


class _Builder:
    def __init__(self, tree: pathlib.Path, log: pathlib.Path) -> None:
        self._tree = tree
        self._work = tree / _WORK
        self._log = log
        self.kernel = image_module.only(tree, "vmlinuz-*")
        version = self.kernel.name.removeprefix("vmlinuz-")
        self._modules = tree / "lib/modules" / version

    def initramfs(self) -> None:
        """What finds the root file system, with all modules.

        It is not compressed: reading it is less work than unpacking it.
        """
        root = self._work / "initramfs"
        overlay.install(_SOURCES / "initramfs", root, {})
        self._install(root, _BUSYBOX)
        for name in ("dev", "mnt", "modules", "proc", "sys"):
            (root / name).mkdir()
        files = module_files(
            (self._modules / "modules.dep").read_text(), _MODULES
        )
        for file in files:
            shutil.copy(self._modules / file, root / "modules")
        names = [pathlib.PurePath(file).name for file in files]
        (root / "modules/order").write_text("".join(f"{n}\n" for n in names))
        chroot_module.Chroot(self._tree, self._log).run(
            "sh",
            "-c",
            f"cd /{_WORK}/initramfs && "
            "find . | cpio --quiet -o -H newc >../initrd",
        )

    def root(self) -> None:
        """The root file system."""
        root = self._work / "root"
        overlay.install(_SOURCES / "root", root, {})
        for name in _FOLDERS:
            (root / name).mkdir(parents=True, exist_ok=True)
        (root / "root").mkdir(mode=0o700)
        (root / "tmp").chmod(0o1777)
        self._install(root, _BUSYBOX)
        for program in _PROGRAMS:
            self._install(root, program)
            for library in self._libraries(program):
                self._install(root, library)
        self._link_applets(root)
        commands.run(
            [
                "mke2fs",
                "-q",
                "-t",
                "ext4",
                "-L",
                LABEL,
                "-m",
                "0",
                "-d",
                str(root),
                str(self._work / "root.img"),
                SIZE,
            ],
            self._log,
            name="mke2fs",
            environment={"PATH": host.search_path()},
        )

    def _install(self, root: pathlib.Path, name: str) -> None:
        """Copy a file out of the tree, or what a link leads to."""
        source = self._tree / name
        if not source.exists():
            raise errors.LabError(f"there is no /{name} in the guest")
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)

    def _libraries(self, program: str) -> list[str]:
        said = commands.output_of(
            ["chroot", str(self._tree), "/usr/bin/ldd", f"/{program}"]
        )
        return [
            word.lstrip("/")
            for word in said.split()
            if word.startswith("/") and not word.endswith(":")
        ]

    def _link_applets(self, root: pathlib.Path) -> None:
        """Have busybox be every command that nothing else is."""
        listed = commands.output_of(
            ["chroot", str(root), f"/{_BUSYBOX}", "--list-full"]
        )
        for name in listed.split():
            link = root / name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists() and not link.is_symlink():
                link.symlink_to(f"/{_BUSYBOX}")
