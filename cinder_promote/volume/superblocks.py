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

"""What the legs of a mirror know of it: dm-raid's superblocks.

The layout is that of ``struct dm_raid_superblock`` in the kernel's
drivers/md/dm-raid.c.
"""

import dataclasses
import struct

from cinder_promote.volume import results

LENGTH = 4096
_LAYOUT = struct.Struct('<4sIIIQQ')
_MAGIC = b'DmRd'


@dataclasses.dataclass(frozen=True)
class Superblock:
    """The part of a superblock that tells which leg is newer.

    ``failed`` has a bit for each leg that is not there, of which ``position``
    is this one's; ``events`` grows with each change.
    """

    legs: int
    position: int
    events: int
    failed: int


def parse(text, what):
    """Read a superblock.

    :param text: hexadecimal digits
    :param what: what was read, for the message
    :raises CommandFailed: there is none
    """
    try:
        magic, __, *fields = _LAYOUT.unpack_from(bytes.fromhex(text))
    except (ValueError, struct.error):
        magic = None
    if magic != _MAGIC:
        raise results.CommandFailed(data='%s: there is no superblock' % what)
    return Superblock(*fields)


def check_joinable(name, mirror, joining):
    """Make sure that the kernel will fill legs that join a mirror.

    If the superblock of a leg were as new as the mirror's, the kernel would
    take its data for good.

    :param name: of the volume
    :param mirror: superblock of the leg that the mirror has
    :param joining: those of the others, in the mirror's order
    :raises CommandFailed: some would not be filled
    """
    for position, leg in enumerate(joining, start=1):
        if (leg.legs, leg.position) != (mirror.legs, position):
            problem = 'is not of that mirror'
        elif not mirror.failed >> position & 1:
            problem = 'is not known to be missing'
        elif leg.events >= mirror.events:
            problem = 'is as new as the mirror'
        else:
            continue
        raise results.CommandFailed(
            data='leg %d of the mirror of volume %s %s'
            % (position, name, problem))
