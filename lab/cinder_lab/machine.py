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

"""The machine of a lab: what runs it, what it holds, its saved states."""

import json
import os
import pathlib
import re
import socket

from cinder_lab import errors, qemu, uml
from cinder_lab import hypervisor as hypervisor_module
from cinder_lab import image as image_module
from cinder_lab import shape as shape_module

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f]")

_REACHED = "reached.json"
"""The states that a running machine has been in, if none can be saved."""


class Machine:
    """The one machine of a lab.

    :param folder: holds the disks, the saved states and the run files.
    """

    def __init__(
        self, folder: pathlib.Path, shape: shape_module.Shape | None = None
    ) -> None:
        self.folder = folder
        self.shape = shape or shape_module.Shape()
        self.console_log = folder / "console.log"
        self._qemu = qemu.Qemu(folder, self.shape)
        self._uml = uml.Uml(folder, self.shape)
        self._hypervisor: hypervisor_module.Hypervisor = (
            self._qemu if self._uml.pid() is None else self._uml
        )
        self._run_file = folder / "run.json"

    def use(self, accelerator: str) -> None:
        """Choose what runs the machine: User Mode Linux by 'uml', or QEMU.

        A machine that the other one runs is ended.
        """
        chosen = self._uml if accelerator == uml.ACCELERATOR else self._qemu
        if chosen is not self._hypervisor:
            self.stop()
            self._hypervisor = chosen

    @property
    def saves(self) -> bool:
        """Whether states can be saved and gone on from."""
        return self._hypervisor.saves

    @property
    def log(self) -> pathlib.Path:
        """What that says that runs the machine."""
        return self._hypervisor.log

    # The process

    def pid(self) -> int | None:
        """Return the process id of the running machine, or None."""
        return self._hypervisor.pid()

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
        """Start the machine and return once its process runs.

        :param accelerator: the one it was told to use.
        :param saved_state: the tag to go on from; None boots.
        :raises LabError: if it does not start.
        """
        ports = {name: _free_port() for name in self.shape.ports}
        self._run_file.write_text(
            json.dumps(
                {
                    "ports": ports,
                    "image": str(image.folder),
                    "accelerator": accelerator,
                }
            )
        )
        self._hypervisor.start(image, accelerator, ports, saved_state)

    def restart(self) -> None:
        """Start a machine again that ended because the guest restarts.

        :raises LabError: if it does not start.
        """
        if self._hypervisor.restarts or self.pid() is not None:
            return
        noted = json.loads(self._run_file.read_text())
        self._hypervisor.start(
            image_module.Image(pathlib.Path(noted["image"])),
            noted["accelerator"],
            noted["ports"],
        )

    def origin(self, image: image_module.Image, accelerator: str) -> str:
        """Return what runs the machine, and how, for keys of its states.

        :raises LabError: if it can't be told.
        """
        no_ports = dict.fromkeys(self.shape.ports, 0)
        argv = self._hypervisor.command(image, accelerator, no_ports)
        return " ".join([*argv, self._hypervisor.version()])

    def stop(self) -> bool:
        """End the machine at once; return whether it ran.

        What it held is given up: the next start goes on from a saved
        state or boots afresh.
        """
        pid = self.pid()
        if pid is not None:
            self._hypervisor.stop(pid)
        self._forget_process()
        return pid is not None

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
            self._hypervisor.pid_file,
            self._run_file,
            self.folder / "qmp.sock",
            self.folder / _REACHED,
        ):
            path.unlink(missing_ok=True)

    # The disks and the saved states

    def make_disks(self, image: image_module.Image) -> None:
        """Make empty disks over an image; all saved states are lost."""
        self._state_file.unlink(missing_ok=True)
        self._hypervisor.make_disks(image)

    def saved_states(self) -> dict[str, str]:
        """Return the keys of the saved states that are complete, by tag.

        Where none can be saved, they are those that the running machine has
        been in.
        """
        try:
            states: dict[str, str] = json.loads(self._state_file.read_text())
        except (OSError, ValueError):
            return {}
        return states

    def save(self, tag: str, key: str) -> None:
        """Save the running machine's state under a tag, or just note it.

        :param key: what the state was made from.
        :raises LabError: if that fails.
        """
        self.forget_state(tag)
        if self.saves:
            self._hypervisor.save(tag)
        self._write_states(self.saved_states() | {tag: key})

    def forget_state(self, tag: str) -> None:
        """Never start from this saved state again."""
        states = self.saved_states()
        if states.pop(tag, None) is not None:
            self._write_states(states)

    @property
    def _state_file(self) -> pathlib.Path:
        return self.folder / ("state.json" if self.saves else _REACHED)

    def _write_states(self, states: dict[str, str]) -> None:
        new = self._state_file.with_suffix(".new")
        new.write_text(json.dumps(states))
        os.replace(new, self._state_file)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
