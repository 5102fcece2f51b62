#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""What the legs of a mirror know of it: dm-raid's superblocks."""

import dataclasses

from cinder_promote.privsep import superblocks

_FILLED = (1 << 64) - 1


@dataclasses.dataclass(frozen=True)
class Superblock:
    """The part of a superblock that tells which legs are complete.

    ``failed`` has a bit for each leg that is not there, of which ``position``
    is this one's; ``events`` grows with each change; ``filled`` tells how far
    this leg is.
    """

    legs: int
    position: int
    events: int
    failed: int
    filled: int

    @property
    def is_filled(self):
        """Whether nothing was to be copied to this leg any more."""
        return self.filled == _FILLED


def parse(line):
    """A superblock from hexadecimal digits, None if there is none."""
    fields = None if line == '-' else superblocks.parse(bytes.fromhex(line))
    return fields and Superblock(*fields)


def newest(found):
    """Which of a leg's metadata volumes is that of its last mirror.

    :param found: a ``Superblock`` or None for each
    :returns: its number, None if there is no mirror that it was a leg of
    """
    events = [each.events if each else -1 for each in found]
    return events.index(max(events)) if max(events) >= 0 else None


def complete(found):
    """The legs of a mirror that hold every acknowledged write.

    :param found: ``Superblock`` of each that can be seen, in a dictionary
    :returns: their keys
    """
    last = max(found.values(), key=lambda each: each.events, default=None)
    return {key for key, each in found.items()
            if each.legs == last.legs and each.is_filled and
            not last.failed >> each.position & 1}


def is_joinable(mirror, position):
    """Whether the kernel will fill a leg that joins a mirror.

    If its superblock does not say that the leg is missing, the kernel takes
    the data of the leg for good.

    :param mirror: superblock of a leg that the mirror has, None if it has none
    """
    return bool(mirror and mirror.failed >> position & 1)
