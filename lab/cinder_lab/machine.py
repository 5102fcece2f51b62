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

"""The virtual machine: one QEMU process, its disks, its saved states."""

from collections.abc import Mapping, Sequence
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from cinder_lab import accel, commands, errors, host, qmp
from cinder_lab import image as image_module

DISKS = ("a", "b", "c")
DISK_SIZE = "6G"
MEMORY_MIB = 4096
CPUS = 2

GUEST_PORTS = {"ssh": 22, "identity": 5000, "volume": 8776, "image": 9292}
"""Ports of the guest that can be reached, from this machine only."""

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


@dataclasses.dataclass(frozen=True)
class Shape:
    """What sets one kind of machine apart from another.

    :ivar disks: names of the empty disks that it has beside its root.
    :ivar ports: those of the guest that can be reached, by name.
    :ivar root_size: what the root disk is made to have, if not the image's.
    :ivar start: the command that starts such a machine.
    """

    disks: Sequence[str] = DISKS
    memory_mib: int = MEMORY_MIB
    ports: Mapping[str, int] = dataclasses.field(
        default_factory=lambda: GUEST_PORTS
    )
    root_size: str | None = None
    start: str = "lab up"


_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f]")


class Machine:
    """The one machine of a lab.

    :param folder: holds the disks, the saved states and the run files.
    """

    def __init__(
        self, folder: pathlib.Path, shape: Shape | None = None
    ) -> None:
        self.folder = folder
        self.shape = shape or Shape()
        self.console_log = folder / "console.log"
        self.qemu_log = folder / "qemu.log"
        self._pid_file = folder / "qemu.pid"
        self._run_file = folder / "run.json"
        self._state_file = folder / "state.json"

    # The process

    def pid(self) -> int | None:
        """Return the process id of the running machine, or None.

        A file left by a machine that is gone, even if its process id has
        been taken by another process, counts as none.
        """
        try:
            pid = int(self._pid_file.read_text())
            name = pathlib.Path(f"/proc/{pid}/comm").read_text()
            where = os.readlink(f"/proc/{pid}/cwd")
        except (OSError, ValueError):
            return None
        same = pathlib.Path(where) == self.folder.resolve()
        return pid if name.startswith("qemu-system") and same else None

    def port(self, name: str) -> int:
        """Return the local port that leads to a port of the guest.

        :param name: a key of the shape's ports.
        :raises LabError: if the machine does not run.
        """
        if self.pid() is None:
            raise errors.LabError(
                f"the machine is not running: {self.shape.start}"
            )
        return int(json.loads(self._run_file.read_text())["ports"][name])

    def holds(self) -> str | None:
        """Return the key of what the running machine holds, if known."""
        if self.pid() is None:
            return None
        key = json.loads(self._run_file.read_text()).get("holds")
        return None if key is None else str(key)

    def set_holds(self, key: str) -> None:
        """Note what the running machine holds from now on."""
        noted = json.loads(self._run_file.read_text())
        self._run_file.write_text(json.dumps(noted | {"holds": key}))

    def start(
        self,
        image: image_module.Image,
        accelerator: str,
        saved_state: str | None = None,
    ) -> None:
        """Start the machine and return once QEMU runs.

        :param accelerator: 'kvm' or 'tcg'.
        :param saved_state: the tag to go on from; None boots.
        :raises LabError: if QEMU does not start.
        """
        ports = {name: _free_port() for name in self.shape.ports}
        self._run_file.write_text(json.dumps({"ports": ports}))
        argv = self.command(image, accelerator, ports, saved_state)
        with self.qemu_log.open("wb") as log:
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
        raise errors.LabError("QEMU did not start", self.qemu_log)

    def command(
        self,
        image: image_module.Image,
        accelerator: str,
        ports: dict[str, int],
        saved_state: str | None = None,
    ) -> list[str]:
        """Return QEMU's command line; names are relative to the folder."""
        forwards = ",".join(
            f"hostfwd=tcp:127.0.0.1:{ports[name]}-10.0.2.15:{port}"
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
            self._pid_file.name,
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

    def monitor(self) -> qmp.Monitor:
        """Return a connection to the running machine's monitor."""
        return qmp.Monitor(self.folder / "qmp.sock")

    def stop(self) -> bool:
        """End the machine at once; return whether it ran.

        What it held is given up: the next start goes on from a saved
        state or boots afresh.
        """
        pid = self.pid()
        if pid is None:
            self._forget_process()
            return False
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
        self._forget_process()
        return True

    def last_words(self) -> str:
        """Return the last line on the machine's console, without colours."""
        lines = errors.last_lines(self.console_log, 5)
        plain = [_ESCAPES.sub("", line).strip() for line in lines]
        return next((line for line in reversed(plain) if line), "")

    def peak_memory(self) -> int:
        """Return the most memory the process has held, in bytes."""
        pid = self.pid()
        if pid is None:
            return 0
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0

    def _forget_process(self) -> None:
        for path in (
            self._pid_file,
            self._run_file,
            self.folder / "qmp.sock",
        ):
            path.unlink(missing_ok=True)

    # The disks and the saved states

    def make_disks(self, image: image_module.Image) -> None:
        """Make empty disks over an image; all saved states are lost."""
        self._state_file.unlink(missing_ok=True)
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
                    DISK_SIZE,
                ],
                log,
                environment=environment,
                cwd=self.folder,
            )

    def saved_states(self) -> dict[str, str]:
        """Return the keys of the saved states that are complete, by tag."""
        try:
            states: dict[str, str] = json.loads(self._state_file.read_text())
        except (OSError, ValueError):
            return {}
        return states

    def save(self, tag: str, key: str) -> None:
        """Save the running machine's state under a tag.

        :param key: what the state was made from.
        :raises LabError: if that fails.
        """
        self.forget_state(tag)
        with self.monitor() as monitor:
            monitor.save(tag)
        self._write_states(self.saved_states() | {tag: key})

    def forget_state(self, tag: str) -> None:
        """Never start from this saved state again."""
        states = self.saved_states()
        if states.pop(tag, None) is not None:
            self._write_states(states)

    def _write_states(self, states: dict[str, str]) -> None:
        new = self._state_file.with_suffix(".new")
        new.write_text(json.dumps(states))
        os.replace(new, self._state_file)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def qemu_version(argv: Sequence[str] = ("qemu-system-x86_64",)) -> str:
    """Return the first line of what QEMU says about its version.

    :raises LabError: if it can't be run.
    """
    return commands.output_of([*argv, "--version"]).splitlines()[0]
