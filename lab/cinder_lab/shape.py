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

"""What a machine consists of, whatever runs it."""

from collections.abc import Mapping, Sequence
import dataclasses

DISKS = ("a", "b", "c")
DISK_SIZE = "6G"
MEMORY_MIB = 4096

GUEST_PORTS = {"ssh": 22, "identity": 5000, "volume": 8776, "image": 9292}
"""Ports of the guest that can be reached, from this machine only."""

ADDRESS = "10.0.2.15"
"""The guest's own, in a network that nobody else is in."""


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
