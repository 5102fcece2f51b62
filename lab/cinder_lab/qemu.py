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

"""QEMU, by KVM or by TCG: a machine whose state can be saved."""

from collections.abc import Mapping
import contextlib
import os
import signal
import subprocess
import time
from typing import ClassVar

from cinder_lab import accel, commands, errors, host, hypervisor, qmp
from cinder_lab import image as image_module
from cinder_lab import shape as shape_module

CPUS = 2

KERNEL_ARGUMENTS = (
    f"root=LABEL={image_module.ROOT_LABEL}",
    "rw",
    "console=ttyS0",
    "net.ifnames=0",
    "mitigations=off",
    "random.trust_cpu=on",
    "audit=0",
    "quiet",
    "systemd.show_status=1",
)


class Qemu(hypervisor.Hypervisor):
    """Runs the machine in QEMU, one process, with qcow2 disks."""

    name: ClassVar[str] = "qemu"
    program: ClassVar[str] = "qemu-system"
    saves: ClassVar[bool] = True
    restarts: ClassVar[bool] = True

    def version(self) -> str:
        """Return QEMU's own."""
        return version()

    def command(
        self,
        image: image_module.Image,
        accelerator: str,
        ports: Mapping[str, int],
        saved_state: str | None = None,
    ) -> list[str]:
        """Return QEMU's command line."""
        forwards = ",".join(
            f"hostfwd=tcp:127.0.0.1:{ports[name]}-{shape_module.ADDRESS}:{port}"
            for name, port in self.shape.ports.items()
        )
        argv = [
            "qemu-system-x86_64",
            "-name",
            "cinder-lab",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-machine",
            "q35,vmport=off",
            *accel.options(accelerator),
            "-smp",
            str(CPUS),
            "-m",
            str(self.shape.memory_mib),
            "-kernel",
            str(image.kernel),
            "-initrd",
            str(image.initrd),
            "-append",
            " ".join(
                [*KERNEL_ARGUMENTS, *accel.kernel_arguments(accelerator)]
            ),
            "-serial",
            f"file:{self.console_log.name}",
            "-qmp",
            "unix:qmp.sock,server=on,wait=off",
            "-pidfile",
            self.pid_file.name,
            "-device",
            "virtio-rng-pci",
            "-netdev",
            f"user,id=net,restrict=on,{forwards}",
            "-device",
            "virtio-net-pci,netdev=net,romfile=",
        ]
        for name in ("root", *self.shape.disks):
            argv += [
                "-drive",
                f"if=none,id={name},file={name}.qcow2,format=qcow2,"
                "cache=unsafe,discard=unmap,detect-zeroes=unmap",
                "-device",
                f"virtio-blk-pci,drive={name},serial=lab-{name}",
            ]
        if saved_state is not None:
            argv += ["-loadvm", saved_state]
        return argv

    def start(
        self,
        image: image_module.Image,
        accelerator: str,
        ports: Mapping[str, int],
        saved_state: str | None = None,
    ) -> None:
        """Start QEMU and return once its monitor answers."""
        argv = self.command(image, accelerator, ports, saved_state)
        with self.log.open("wb") as log:
            log.write(f"+ {' '.join(argv)}\n".encode())
            log.flush()
            process = subprocess.Popen(
                argv,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            with contextlib.suppress(errors.LabError):
                with self.monitor() as monitor:
                    monitor.execute("query-status")
                return
            time.sleep(0.05)
        process.kill()
        raise errors.LabError("QEMU did not start", self.log)

    def monitor(self) -> qmp.Monitor:
        """Return a connection to the running machine's monitor."""
        return qmp.Monitor(self.folder / "qmp.sock")

    def stop(self, pid: int) -> None:
        """Have QEMU quit, or kill it."""
        with contextlib.suppress(errors.LabError):
            with self.monitor() as monitor:
                monitor.execute("quit")
        deadline = time.monotonic() + 10
        while self.pid() == pid and time.monotonic() < deadline:
            time.sleep(0.05)
        if self.pid() == pid:
            os.kill(pid, signal.SIGKILL)
            while self.pid() == pid:
                time.sleep(0.05)

    def make_disks(self, image: image_module.Image) -> None:
        """Make empty disks, and one over the image's."""
        log = self.folder / "disks.log"
        environment = {"PATH": host.search_path()}
        backing = os.path.relpath(image.root, self.folder)
        commands.run(
            [
                "qemu-img",
                "create",
                "-q",
                "-f",
                "qcow2",
                "-F",
                "raw",
                "-b",
                backing,
                "root.qcow2",
                *([self.shape.root_size] if self.shape.root_size else []),
            ],
            log,
            environment=environment,
            cwd=self.folder,
        )
        for name in self.shape.disks:
            commands.run(
                [
                    "qemu-img",
                    "create",
                    "-q",
                    "-f",
                    "qcow2",
                    f"{name}.qcow2",
                    shape_module.DISK_SIZE,
                ],
                log,
                environment=environment,
                cwd=self.folder,
            )

    def save(self, tag: str) -> None:
        """Save the running machine's state under a tag."""
        with self.monitor() as monitor:
            monitor.save(tag)


def version() -> str:
    """Return the first line of what QEMU says about its version.

    :raises LabError: if it can't be run.
    """
    argv = ["qemu-system-x86_64", "--version"]
    return commands.output_of(argv).splitlines()[0]
