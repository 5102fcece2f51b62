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

"""The device-mapper devices of replicated volumes.

A volume that is exported is its *front*: a linear device whose name never
changes. Beneath it lies either one copy or a *mirror*, a dm-raid raid1 set of
copies with a write-intent bitmap. Table formats are those of the kernel's
documentation, admin-guide/device-mapper/{linear,dm-raid}.rst.
"""

import collections
import dataclasses
import enum
import re

from cinder_promote.privsep import dmsetup, superblocks
from cinder_promote.volume import results

SECTOR = 512
#: Sectors that one bit of the write-intent bitmap stands for.
REGION_SECTORS = 1024
#: Seconds that a bit is kept at least after what it stands for was written.
#: ``flushes`` has the reason why that is so long.
BITMAP_DELAY = 300
QUERY_ATTEMPTS = 3
#: Bytes that raid1 writes or discards at once to a leg that is read last.
RAID1_PIECE = 1 << 20
#: What the names of the two logical volumes end with of which one has a leg's
#: superblock and bitmap. The other is for the mirror that takes the place of
#: the one that is there, which may not go away while a disk hangs.
SLOTS = ('.meta', '.meta2')
#: Bytes that one command discards.
DISCARD_STEP = 1 << 30


class Legs(enum.Enum):
    """What is known of the legs when a mirror is assembled."""

    #: All are equal, as new thin volumes are.
    EQUAL = 'nosync'
    #: The first is right, the others are to be filled from it.
    FIRST_IS_RIGHT = 'rebuild'
    #: Their own superblocks tell.
    KNOWN = 'known'


@dataclasses.dataclass(frozen=True)
class Mirror:
    """State of a raid1 set; legs in the order of its table.

    ``health`` has a character a leg: A in sync, a not yet, D dropped, - for
    one that its table does not name.
    ``action`` is 'recover' while legs are filled, 'resync' or 'repair' while
    complete legs are made equal in what was never acknowledged.
    """

    health: str
    synced_sectors: int
    total_sectors: int
    action: str

    def leg_complete(self, index):
        """Whether a leg holds every acknowledged write."""
        return self.health[index] == 'A' or (
            self.health[index] == 'a' and self.action == 'resync')

    @property
    def dropped(self):
        """Indices of the legs that were dropped."""
        return tuple(index for index, state in enumerate(self.health)
                     if state == 'D')

    def dropping(self, indices):
        """As it is once the kernel has dropped some legs."""
        return dataclasses.replace(self, health=''.join(
            'D' if index in indices else state
            for index, state in enumerate(self.health)))

    @property
    def has_room(self):
        """Whether there is a leg that its table does not name."""
        return '-' in self.health

    @property
    def in_sync(self):
        """Whether every leg holds every acknowledged write."""
        return set(self.health) == {'A'} and (
            self.synced_sectors == self.total_sectors or
            self.action == 'repair')

    @property
    def size(self):
        """Bytes of the set, which its table may be larger than."""
        return self.total_sectors * SECTOR

    @property
    def synced(self):
        """Bytes of the set that are in sync, or were found to be."""
        return self.synced_sectors * SECTOR

    @property
    def equal(self):
        """Whether complete legs hold the same, also if never acknowledged."""
        return self.action not in ('resync', 'repair')

    @property
    def percent(self):
        """How much of the set is in sync."""
        return 100.0 * self.synced_sectors / self.total_sectors


@dataclasses.dataclass(frozen=True)
class Device:
    """One device-mapper device.

    ``uses`` are the names of the device-mapper devices in its table, in the
    table's order; of a mirror those of its legs, None for one that is not
    there. ``slot`` tells which of the metadata volumes a mirror uses.
    ``size`` is in bytes. ``whole`` is whether legs of a mirror are filled as
    a whole, not by its bitmap.
    """

    name: str
    suspended: bool
    uses: tuple
    mirror: Mirror | None = None
    size: int = 0
    slot: int = 0
    whole: bool = False


def front_name(volume_name):
    """Name of the device that is exported for a volume."""
    return 'promote-' + volume_name


def front_path(volume_name):
    """Path of the device that is exported for a volume."""
    return '/dev/mapper/' + front_name(volume_name)


def mirror_prefix(volume_name):
    """What the names of a volume's mirrors begin with."""
    return 'promote-mirror-%s-' % volume_name


def mirror_name(volume_name, generation):
    """Name of a volume's mirror; a new set of legs means a new one."""
    return '%s%d' % (mirror_prefix(volume_name), generation)


def metadata_name(volume_name, slot=0):
    """Name of a logical volume for a leg's superblock and bitmap."""
    return volume_name + SLOTS[slot]


def metadata_names(volume_name):
    """Names of both logical volumes for a leg's superblock and bitmap."""
    return [volume_name + end for end in SLOTS]


def metadata_length(size):
    """Bytes of a metadata volume that the mirror of a volume uses.

    :param size: of the volume, in bytes
    """
    regions = -(-size // (REGION_SECTORS * SECTOR))
    return 2 * superblocks.BITMAP + -(-regions // 8)


def _copy_path(volume_group, name):
    return '/dev/%s/%s' % (volume_group, name)


def _linear_table(size, path):
    return '0 %d linear %s 0' % (size // SECTOR, path)


def front_over_copy(size, volume_group, volume_name):
    """Table of a front over one copy, of a size in bytes."""
    return _linear_table(size, _copy_path(volume_group, volume_name))


def front_over_mirror(size, mirror):
    """Table of a front over a mirror, of a size in bytes."""
    return _linear_table(size, '/dev/mapper/' + mirror)


def mirror_table(size, volume_name, volume_groups, legs, slot=0, data=None):
    """Table of a mirror of the copies in some volume groups.

    None stands for a leg that is not there now.

    :param slot: which of the metadata volumes it uses
    :param data: paths of other devices to take for the copies
    """
    parameters = ['0', 'region_size', str(REGION_SECTORS),
                  'daemon_sleep', str(BITMAP_DELAY * 1000)]
    if legs is Legs.EQUAL:
        parameters.append('nosync')
    elif legs is Legs.FIRST_IS_RIGHT:
        for index in range(1, len(volume_groups)):
            parameters += ['rebuild', str(index)]
    # Reads go to the primary, so that a read after a crash does not change
    # its answer until the legs are made equal again.
    for index in range(1, len(volume_groups)):
        parameters += ['write_mostly', str(index)]
    data = data or [_copy_path(group, volume_name) for group in volume_groups]
    paths = []
    for group, copy in zip(volume_groups, data, strict=True):
        paths += ([_copy_path(group, metadata_name(volume_name, slot)), copy]
                  if group else ['-', '-'])
    return '0 %d raid raid1 %d %s %d %s' % (
        size // SECTOR, len(parameters), ' '.join(parameters),
        len(volume_groups), ' '.join(paths))


def _parse_mirrors(status):
    mirrors = {}
    for line in status.splitlines():
        match = re.match(r'(\S+): \d+ \d+ raid raid1 \d+ ([AaD-]+) '
                         r'(\d+)/(\d+) (\S+)', line)
        if match:
            name, health, synced, total, action = match.groups()
            mirrors[name] = Mirror(health, int(synced), int(total), action)
    return mirrors


def parse(info, table, status):
    """Devices by name, from what dmsetup printed of all of them."""
    suspended = {}
    by_number = {}
    for line in info.splitlines():
        name, state, major, minor = line.split()
        suspended[name] = state == 'Suspended'
        by_number['%s:%s' % (major, minor)] = name
    uses = {}
    slots = {}
    whole = set()
    sizes: dict[str, int] = collections.defaultdict(int)
    for line in table.splitlines():
        name, __, rest = line.partition(': ')
        words = rest.split()
        if not words:
            # Somebody is about to load its first table.
            continue
        sizes[name] += int(words[1]) * SECTOR
        if ' raid ' in rest:
            # Each leg is a pair, its metadata device before its data, with
            # dashes for one that is not there.
            legs = [word for word in words if word in by_number or word == '-']
            uses[name] = tuple(map(by_number.get, legs[1::2]))
            slots[name] = int(any(
                by_number.get(leg, '').endswith(SLOTS[1])
                for leg in legs[::2]))
            if 'rebuild' in words:
                whole.add(name)
        else:
            uses[name] = tuple(by_number[word] for word in words
                               if word in by_number)
    mirrors = _parse_mirrors(status)
    return {name: Device(name, suspended[name], uses.get(name, ()),
                         mirrors.get(name), sizes[name],
                         slots.get(name, 0), name in whole)
            for name in suspended}


@dataclasses.dataclass(frozen=True)
class Insertion:
    """A mirror that is to be put beneath a front.

    ``table`` is the mirror's, ``size`` the volume's in bytes, ``derive`` the
    arguments of ``metadata.derive_command`` if its metadata are to be made
    of those of the mirror beneath the front.
    """

    front: str
    mirror: str
    table: str
    size: int
    derive: tuple | None = None


def _failures(done):
    """``CommandFailed`` by name, of names, results and what was tried."""
    failures = {}
    for name, result, what in done:
        try:
            results.output(result, what)
        except results.CommandFailed as error:
            failures[name] = error
    return failures


class DeviceMapper:
    """The device-mapper of this host.

    :param timeout: seconds that each command may take
    """

    def __init__(self, timeout):
        self._timeout = timeout

    def devices(self):
        """All devices by name.

        :raises CommandFailed: dmsetup failed or was given up
        """
        for __ in range(QUERY_ATTEMPTS):
            info, table, status = dmsetup.query(self._timeout)
            if info[1].startswith('No devices found'):
                return {}
            # A device of somebody else that goes away meanwhile is an error
            # to dmsetup.
            if 0 == info[0] == table[0] == status[0]:
                break
        return parse(results.output(info, 'dmsetup info'),
                     results.output(table, 'dmsetup table'),
                     results.output(status, 'dmsetup status'))

    def create(self, name, table):
        """Create a device.

        :raises CommandFailed: it was not created
        """
        results.output(dmsetup.create(name, table, self._timeout),
                       'creating device %s' % name)

    def remove(self, name):
        """Remove a device.

        :raises CommandFailed: it is there still, perhaps in use
        """
        results.output(dmsetup.remove(name, self._timeout),
                       'removing device %s' % name)

    def prepare_legs(self, size, volume_name, volume_groups, missing=False):
        """Have superblocks written, and a bitmap that knows of no writes.

        The metadata volumes must have been cleared. A mirror that is new to
        the kernel has all bits set, which it keeps for long.

        :param size: of the volume, in bytes
        :param missing: whether the superblock of the first leg is to say that
            the others are missing, and to be newer than theirs, so that they
            are filled, by its bitmap, once they are there
        :raises CommandFailed: they are not all written
        """
        mirror = mirror_prefix(volume_name) + 'new'
        legs = ['%s-%d' % (mirror, number)
                 for number in range(len(volume_groups))]
        paths = ['/dev/mapper/' + leg for leg in legs]
        alone = [volume_groups[0]] + [None] * (len(volume_groups) - 1)
        tables = [mirror_table(size, volume_name, volume_groups, Legs.EQUAL,
                               data=paths)]
        if missing:
            tables.append(mirror_table(size, volume_name, alone, Legs.KNOWN,
                                       data=paths))
        results.output(
            dmsetup.write_superblocks(mirror, legs, size // SECTOR, tables,
                                      self._timeout),
            'preparing the legs of %s' % volume_name)

    def limit_discards(self, name):
        """Limit how much of a mirror is discarded at once.

        :raises CommandFailed: a long discard may stop the kernel
        """
        results.output(dmsetup.limit_discards(name),
                       'limiting the discards of mirror %s' % name)

    def repair(self, name):
        """Begin to make the legs of a mirror equal, after the first.

        dm-raid does not do that by itself for what was being written when the
        host stopped, in spite of its bitmap.

        :raises CommandFailed: it was not begun
        """
        results.output(dmsetup.repair(name, self._timeout),
                       'repairing mirror %s' % name)

    def clear(self, name, start, length, priority):
        """Write zeros over a part of a device, in bytes.

        :param priority: an argument for ionice, or None
        :raises CommandFailed: not all of it is zeros
        """
        results.output(
            dmsetup.clear(name, start, length, priority, self._timeout),
            'clearing %s' % name)

    def discard(self, name, size):
        """Have a device read as zeros by discarding all that is in it.

        :param size: in bytes
        :returns: whether it does; a device may not be able to
        :raises CommandFailed: it is not sure what it holds
        """
        granularity, longest = map(int, results.output(
            dmsetup.discards_of(name, self._timeout),
            'asking how %s discards' % name).split())
        # Leaves alone what does not fill a whole block, also of the pieces
        # that raid1 makes of it.
        if not longest or RAID1_PIECE % granularity or size % granularity:
            return False
        for start in range(0, size, DISCARD_STEP):
            results.output(
                dmsetup.discard(name, start, min(DISCARD_STEP, size - start),
                                self._timeout),
                'discarding what is in %s' % name)
        return True

    def resume(self, name):
        """Let the I/O of a suspended device go on.

        :raises CommandFailed: it is suspended still
        """
        results.output(dmsetup.resume(name, self._timeout),
                       'resuming device %s' % name)

    def back_out(self, name):
        """Let the I/O of a suspended device go on, over its old table.

        :raises CommandFailed: it is suspended still
        """
        results.output(dmsetup.back_out(name, self._timeout),
                       'resuming device %s' % name)

    def replace_table(self, name, table, timeout=None):
        """Swap what lies beneath a device that may be in use.

        :param timeout: seconds that each command may take, if not as ever
        :raises CommandFailed: it has its old table
        """
        for error in self.replace_tables({name: table}, timeout).values():
            raise error

    def replace_tables(self, tables, timeout=None):
        """Swap what lies beneath devices that may be in use, all at once.

        :param tables: the new table of each, by name
        :param timeout: seconds that each command may take, if not as ever
        :returns: ``CommandFailed`` by name for those with their old tables
        """
        done = dmsetup.replace_tables(list(tables.items()),
                                      timeout or self._timeout)
        return _failures((name, result, 'changing device %s' % name)
                         for name, result in zip(tables, done, strict=True))

    def insert_mirror(self, insertion):
        """Create a mirror and put it beneath a front that may be in use.

        :param insertion: ``Insertion``
        :raises CommandFailed: the front has its old table
        """
        for error in self.insert_mirrors([insertion]).values():
            raise error

    def insert_mirrors(self, insertions, timeout=None):
        """Create mirrors and put them beneath fronts, all at once.

        :param insertions: list of ``Insertion``
        :param timeout: seconds that each command may take, if not as ever
        :returns: ``CommandFailed`` by front for those with their old tables
        """
        done = dmsetup.insert_mirrors(
            [(each.front, each.mirror, each.table,
              front_over_mirror(each.size, each.mirror), each.derive)
             for each in insertions], timeout or self._timeout)
        return _failures(
            (each.front, result, 'putting mirror %s beneath %s'
             % (each.mirror, each.front))
            for each, result in zip(insertions, done, strict=True))
