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

"""What runs a machine: a program of this machine, QEMU or another."""

import abc
from collections.abc import Mapping
import os
import pathlib
from typing import ClassVar

from cinder_lab import image as image_module
from cinder_lab import shape as shape_module


class Hypervisor(abc.ABC):
    """Runs the machine in a folder, as one process that others may help.

    :cvar name: begins the names of its files.
    :cvar program: what the name of its process begins with.
    :cvar saves: whether a running machine's state can be saved and gone on
        from; if not, it is booted each time.
    :cvar restarts: whether it goes on when the guest restarts itself; if
        not, it ends.
    :ivar log: what the program says.
    """

    name: ClassVar[str]
    program: ClassVar[str]
    saves: ClassVar[bool]
    restarts: ClassVar[bool]

    def __init__(
        self, folder: pathlib.Path, shape: shape_module.Shape
    ) -> None:
        self.folder = folder
        self.shape = shape
        self.log = folder / f"{self.name}.log"
        self.pid_file = folder / f"{self.name}.pid"
        self.console_log = folder / "console.log"

    def pid(self) -> int | None:
        """Return the process id of the running machine, or None.

        A file left by a machine that is gone, even if its process id has
        been taken by another process, counts as none.
        """
        try:
            pid = int(self.pid_file.read_text())
            name = pathlib.Path(f"/proc/{pid}/comm").read_text()
            where = os.readlink(f"/proc/{pid}/cwd")
        except (OSError, ValueError):
            return None
        same = pathlib.Path(where) == self.folder.resolve()
        return pid if name.startswith(self.program) and same else None

    @abc.abstractmethod
    def version(self) -> str:
        """Return what it is, beside what the image says of it.

        :raises LabError: if it can't be told.
        """

    @abc.abstractmethod
    def command(
        self,
        image: image_module.Image,
        accelerator: str,
        ports: Mapping[str, int],
        saved_state: str | None = None,
    ) -> list[str]:
        """Return its command line; names are relative to the folder."""

    @abc.abstractmethod
    def start(
        self,
        image: image_module.Image,
        accelerator: str,
        ports: Mapping[str, int],
        saved_state: str | None = None,
    ) -> None:
        """Start the machine and return once its process runs.

        :param ports: those of this machine that lead to the guest's.
        :param saved_state: the tag to go on from; None boots.
        :raises LabError: if it does not start.
        """

    @abc.abstractmethod
    def stop(self, pid: int) -> None:
        """End the machine's process, and return when it is gone."""

    @abc.abstractmethod
    def make_disks(self, image: image_module.Image) -> None:
        """Make empty disks, and a root disk as the image has it.

        :raises LabError: if they can't be made.
        """

    @abc.abstractmethod
    def save(self, tag: str) -> None:
        """Save the running machine's state under a tag, if it can.

        :raises LabError: if that fails.
        """
