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

"""User Mode Linux: the guest's kernel is a program of this machine.

Its processes run natively, one at a time. There is no saving its state: a
machine that is down is booted.
"""

from collections.abc import Mapping
import contextlib
import os
import pathlib
import signal
import subprocess
import time
from typing import ClassVar

from cinder_lab import commands, errors, hypervisor, slirp
from cinder_lab import image as image_module
from cinder_lab import shape as shape_module

ACCELERATOR = "uml"

SHARED_MEMORY = pathlib.Path("/dev/shm")

KERNEL_ARGUMENTS = (
    "root=/dev/ubda",
    "rootfstype=ext4",
    "rw",
    "net.ifnames=0",
    "audit=0",
    "quiet",
    "systemd.show_status=1",
    # its network would not outlive a restart
    "noreboot",
)

_MAC = "52:54:00:12:34:56"


class Uml(hypervisor.Hypervisor):
    """Runs the machine in the image's own program, with raw sparse disks."""

    name: ClassVar[str] = "uml"
    program: ClassVar[str] = "linux.uml"
    saves: ClassVar[bool] = False
    restarts: ClassVar[bool] = False

    def version(self) -> str:
        """Return nothing: it is in the image."""
        return ""

    def command(
        self,
        image: image_module.Image,
        accelerator: str,
        ports: Mapping[str, int],
        saved_state: str | None = None,
    ) -> list[str]:
        """Return the kernel's command line."""
        disks = [
            f"ubd{letter}={name}.img"
            for letter, name in zip(
                "abcdefgh", ("root", *self.shape.disks), strict=False
            )
        ]
        return [
            str(image.uml),
            f"mem={self.shape.memory_mib}M",
            "uml_dir=uml",
            "umid=lab",
            "con=null",
            "con0=null,fd:1",
            "ssl=null",
            *disks,
            f"vec0:transport=bess,dst={slirp.SOCKET},mac={_MAC},depth=128,"
            "gro=1",
            *KERNEL_ARGUMENTS,
        ]

    def start(
        self,
        image: image_module.Image,
        accelerator: str,
        ports: Mapping[str, int],
        saved_state: str | None = None,
    ) -> None:
        """Start the kernel and return once its ports can be reached."""
        argv = self.command(image, accelerator, ports)
        memory = memory_folder(self.folder, self.shape.memory_mib)
        # The console must not be a pipe, or the kernel stands still.
        with (
            self.log.open("wb") as log,
            self.console_log.open("wb") as console,
        ):
            log.write(f"+ TMPDIR={memory} {' '.join(argv)}\n".encode())
            log.flush()
            held = slirp.start(self.folder, log)
            try:
                process = subprocess.Popen(
                    argv,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=log,
                    env=dict(os.environ, TMPDIR=str(memory)),
                    pass_fds=(held,),
                    start_new_session=True,
                )
            except OSError as error:
                raise errors.LabError(
                    f"{argv[0]}: {error.strerror}"
                ) from error
            finally:
                os.close(held)
        self.pid_file.write_text(f"{process.pid}\n")
        try:
            slirp.forward(
                self.folder,
                {
                    ports[name]: guest
                    for name, guest in self.shape.ports.items()
                },
            )
        except errors.LabError as error:
            self.stop(process.pid)
            raise errors.LabError(
                f"User Mode Linux did not start: {error}", self.console_log
            ) from error

    def stop(self, pid: int) -> None:
        """Kill the kernel and its processes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        while self.pid() == pid:
            time.sleep(0.05)

    def make_disks(self, image: image_module.Image) -> None:
        """Make empty disks, and a copy of the image's."""
        root = self.folder / "root.img"
        root.unlink(missing_ok=True)
        commands.run(
            [
                "cp",
                "--sparse=always",
                "--reflink=auto",
                str(image.root),
                str(root),
            ],
            self.folder / "disks.log",
        )
        if self.shape.root_size:
            _enlarge(root, self.shape.root_size)
        for name in self.shape.disks:
            disk = self.folder / f"{name}.img"
            disk.unlink(missing_ok=True)
            disk.touch()
            _enlarge(disk, shape_module.DISK_SIZE)

    def save(self, tag: str) -> None:
        """Refuse.

        :raises LabError: always.
        """
        raise errors.LabError("User Mode Linux can't save a machine's state")


def memory_folder(folder: pathlib.Path, mib: int) -> pathlib.Path:
    """Return where the file goes that is the machine's memory.

    That is in this machine's memory, if that much may be there; else in the
    machine's folder. The file is removed as soon as it is open.
    """
    try:
        system = os.statvfs(SHARED_MEMORY)
    except OSError:
        return folder
    if system.f_bavail * system.f_frsize < mib << 20:
        return folder
    return SHARED_MEMORY


def _enlarge(disk: pathlib.Path, size: str) -> None:
    """Let a file have a size, like 6G."""
    os.truncate(disk, int(size.removesuffix("G")) << 30)
