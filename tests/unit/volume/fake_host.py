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

"""A storage host in memory: LVM and device-mapper at the command line.

It stands where ``cinder_promote.privsep.command.run`` starts a process, and
keeps what a kernel keeps: what is written to a device reaches the copies that
lie beneath it at that moment. A ``Crash`` can be set off before any command,
as a SIGKILL of the service would; the devices stay. A power cut drops them.
``meanwhile`` is called at each command, for users who do not stand still.
"""

import copy
import dataclasses
import json
import os
import re
import struct
import sys
import zlib

from oslo_concurrency import processutils

from cinder_promote.privsep import command, superblocks

OK, ERROR, HANG = 'ok', 'error', 'hang'
#: LVM sees a disk that works again, the kernel has given up its thin pool.
POOL_FAILED = 'pool failed'
#: Bytes that a thin pool hands out at once.
BLOCK = 64 << 10


def block_of(volume, key):
    """The block of a volume in which a key is."""
    return zlib.crc32(repr(key).encode()) % (volume.size // BLOCK)


class Crash(BaseException):
    """The service was killed."""


class SyncFailed(Exception):
    """What ``sync`` said."""


class BadDisk(Exception):
    """A write did not reach any copy."""


@dataclasses.dataclass
class Volume:
    group: 'Group' = dataclasses.field(compare=False, repr=False)
    name: str
    size: int
    minor: int
    tags: set = dataclasses.field(default_factory=set)
    data: dict = dataclasses.field(default_factory=dict)
    superblock: dict | None = None
    pool: str = ''
    active: bool = True
    #: Bytes from the start over which zeros were written since the last write.
    zeroed: int = 0
    #: Whether somebody has it open.
    opened: bool = False
    #: Where there is old data of others, from byte to byte.
    old_data: list = dataclasses.field(default_factory=list)
    origin: str = ''
    suspended: bool = False

    @property
    def device(self):
        return '%s-%s' % (self.group.name.replace('-', '--'),
                          self.name.replace('-', '--'))


@dataclasses.dataclass
class Group:
    name: str
    disk: str
    size: int = 6 << 30
    tags: set = dataclasses.field(default_factory=set)
    volumes: dict = dataclasses.field(default_factory=dict)
    state: str = OK
    #: Whether it writes down what it acknowledged when it is asked to.
    flushes: bool = True
    #: What removed thick volumes left on the disk; new ones begin with it.
    remains: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Mapped:
    name: str
    minor: int
    table: str
    inactive: str | None = None
    suspended: bool = False
    health: list = dataclasses.field(default_factory=list)
    action: str = 'idle'
    #: What was written, as its bitmap has it, and the part of that which all
    #: legs have.
    dirty: set = dataclasses.field(default_factory=set)
    clearable: set = dataclasses.field(default_factory=set)
    #: The size of a mirror to MD.
    synced: int = 0
    #: Whether long discards are split before they reach it.
    limited: bool = False


class FakeHost:
    """Groups with a disk each; ``run`` and ``execute`` take commands."""

    def __init__(self, *groups):
        self.groups = {name: Group(name, '/dev/mapper/disk-' + name[-1])
                       for name in groups}
        self.devices = {}
        self.minor = 0
        self.commands = []
        self.crash_before = None
        #: Called with each command before it is run.
        self.witness = None
        self.inflight = False
        self.meanwhile = None
        self.vanishing = 0
        self.gone = {}
        self.repaired = []
        self.hidden = set()
        #: Physical volumes that are in no group yet.
        self.unused_disks = []
        self.settings = 'use_devicesfile=0'
        self.metadata_snapshots = set()
        self.copied = 0
        #: Quarters of a mirror that the kernel has copied where it copies.
        self.synced_part = 1
        #: Whether nothing is done any more after a ``Crash``, not even what
        #: is cleaned up on the way out.
        self.dies = False
        self.dead = False
        #: The group where the next snapshot is given up half-way.
        self.stuck = None
        self.granularity = 64 << 10
        self.longest_discard = 16 << 20

    def snapshot(self):
        """All that ``restore`` needs to make it what it is now."""
        return copy.deepcopy(dict(vars(self), witness=None), {id(self): self})

    def restore(self, snapshot):
        """Become what it was."""
        vars(self).update(copy.deepcopy(snapshot, {id(self): self}))

    # Commands

    def execute(self, *argv, **kwargs):
        """As ``cinder.utils.execute``."""
        status, out, err = self.run(list(argv), None)
        if status:
            raise processutils.ProcessExecutionError(out, err, status,
                                                      ' '.join(argv))
        return out, err

    def run(self, argv, timeout, stdin=None):
        """As ``command.run``."""
        if argv[0] == 'env':
            argv = [word for word in argv[1:] if '=' not in word]
        self._begin(argv)
        words = list(argv[2:] if argv[0] == 'ionice' else argv)
        disks = self._seen(self._take_option(words, '--config'),
                           self._take_option(words, '--devices'))
        if (words[0] in ('lvm', 'env') or words[0].startswith(('lv', 'vg'))) \
                and words[1] != 'lvmconfig' and any(
                group.state == HANG and group.disk in disks
                for group in self.groups.values()):
            return command.TIMED_OUT, '', 'gave up'
        verb = {'dmsetup': 'dm_' + words[1]}.get(words[0], words[0])
        if verb == sys.executable:
            verb = os.path.basename(words[3]).removesuffix('.py')
        try:
            out = getattr(self, verb)(words, stdin if verb == 'blocks'
                                      else disks)
        except (KeyError, ValueError, BadDisk) as error:
            return 5, '', '%s failed: %r' % (argv, error)
        except SyncFailed as error:
            return 1, '', str(error)
        except TimeoutError:
            return command.TIMED_OUT, '', 'gave up'
        return 0, out or '', ''

    def _seen(self, settings, devices):
        """The disks that LVM looks at; --devices overrules any filter."""
        if devices:
            return devices[0].split(',')
        seen = [group.disk for group in self.groups.values()
                if group.disk not in self.hidden]
        for setting in settings:
            name, __, value = setting.partition('=')
            if name == 'devices/filter':
                rules = json.loads(value)
                seen = [disk for disk in seen if next(
                    rule[0] for rule in rules
                    if re.search(rule[2:-1], disk)) == 'a']
        return seen

    def _begin(self, argv):
        if self.dead or self.crash_before == len(self.commands):
            self.crash_before = None
            self.dead = self.dies
            raise Crash()
        if self.witness:
            self.witness(argv)
        self.commands.append(argv)
        if self.meanwhile:
            self.meanwhile()

    @staticmethod
    def _take_option(words, option):
        values = []
        while option in words:
            at = words.index(option)
            values.append(words[at + 1])
            del words[at:at + 2]
        return values

    def _readable(self, name):
        group = self.groups[name]
        if group.state != OK:
            raise KeyError('no group %s' % name)
        return group

    def _find(self, path):
        group, __, name = path.removeprefix('/dev/').partition('/')
        return self._readable(group).volumes[name]

    def _look_up(self, path):
        """As ``_find``, for what does not ask a thin pool."""
        group, __, name = path.removeprefix('/dev/').partition('/')
        group = self.groups[group]
        if group.state not in (OK, POOL_FAILED):
            raise KeyError('no group %s' % group.name)
        return group.volumes[name]

    def dd(self, words, disks):
        options = dict(word.split('=', 1) for word in words[1:])
        group, __, name = options['of'].removeprefix('/dev/').partition('/')
        start, length = int(options['seek']), int(options['count'])
        if group == 'mapper':
            return self._clear_mirror(self.devices[name], start, length)
        if self.groups[group].state == HANG:
            raise TimeoutError()
        volume = self._readable(group).volumes[name]
        if not volume.active or 'nocreat' not in options['conv']:
            raise KeyError(options['of'])
        for device in self.devices.values():
            if (volume in self._beneath(device) and
                    start < self._size(device)):
                raise AssertionError('%s was cleared in use' % name)
        if volume.origin and not volume.pool or self._thick_snapshots(volume):
            raise AssertionError('clearing %s fills a snapshot' % name)
        if start + length > volume.size:
            raise ValueError('No space left on device')
        self._zero(volume, start, length)
        return None

    @staticmethod
    def _size(device):
        return int(device.table.split()[1]) * 512

    def _clear_mirror(self, device, start, length):
        for other in self.devices.values():
            if device in self._beneath(other) and start < self._size(other):
                raise AssertionError('%s was cleared in use' % device.name)
        if start + length > self._size(device):
            raise ValueError('No space left on device')
        for leg, health in zip(self._legs(device), device.health,
                               strict=True):
            if health != 'D':
                if leg.group.state == HANG:
                    raise TimeoutError()
                if leg.group.state == OK:
                    self._zero(leg, start, length)

    @staticmethod
    def _zero(volume, start, length):
        end = start + length
        volume.old_data = [
            part for old_start, old_end in volume.old_data
            for part in ((old_start, min(old_end, start)),
                         (max(old_start, end), old_end))
            if part[0] < part[1]]
        if start <= volume.zeroed:
            volume.zeroed = max(volume.zeroed, end)
        volume.superblock = None
        if volume.zeroed == volume.size:
            volume.data.clear()

    def lvm(self, words, disks):
        if words[1] == 'lvmconfig':
            return self.settings
        if words[1] != 'fullreport':
            raise ValueError(words)
        unused = [{'pv': [{'pv_name': disk}]} for disk in self.unused_disks]
        return json.dumps({'report': unused + [{
            'vg': [{'vg_name': group.name, 'vg_size': str(group.size),
                    'vg_free': str(group.size),
                    'vg_tags': ','.join(sorted(group.tags))}],
            'pv': [{'pv_name': group.disk}],
            'lv': [{'lv_name': volume.name, 'lv_size': str(volume.size),
                    'lv_tags': ','.join(sorted(volume.tags)),
                    'data_percent': self._data_percent(volume),
                    'pool_lv': volume.pool,
                    'origin': volume.origin,
                    'lv_health_status': (
                        'failed' if group.state == POOL_FAILED and
                        volume.name == group.name + '-pool' else '')}
                   for volume in group.volumes.values()]}
            for group in self.groups.values()
            if group.state in (OK, POOL_FAILED) and
            group.disk in disks]})

    @staticmethod
    def _data_percent(volume):
        """As LVM writes it."""
        blocks = {block_of(volume, key) for key in volume.data}
        return volume.pool and '%.2f' % (
            100 * len(blocks) * BLOCK / volume.size)

    def thin_dump(self, words, disks):
        pool = words[-1].removesuffix('_tmeta')
        if pool not in self.metadata_snapshots:
            raise ValueError('no metadata snapshot')
        volume = next(volume for group in self.groups.values()
                      for volume in group.volumes.values()
                      if volume.minor == int(words[3]))
        self._readable(volume.group.name)
        blocks = sorted({block_of(volume, key) for key in volume.data})
        return ('<superblock data_block_size="%d"><device>%s</device>'
                '</superblock>' % (BLOCK // 512, ''.join(
                    '<single_mapping origin_block="%d" data_block="9"/>'
                    % block for block in blocks)))

    def blocks(self, words, stdin):
        """The script that copies blocks."""
        __, *paths = words[4:]
        volumes = []
        for path in paths:
            group, __, name = path.removeprefix('/dev/').partition('/')
            if self.groups[group].state == HANG:
                raise TimeoutError()
            volumes.append(self._readable(group).volumes[name])
        source, target = volumes
        if not target.active or any(target in self._beneath(device)
                                    for device in self.devices.values()):
            raise ValueError('Device or resource busy')
        for line in stdin.splitlines():
            start, length = map(int, line.split())
            self.copied += length
            for key, value in source.data.items():
                if start <= block_of(source, key) * BLOCK < start + length:
                    target.data[key] = value
        return ''

    def superblocks(self, words, disks):
        """The script that reads and writes superblocks."""
        verb, *words = words[4:]
        if verb == 'read':
            return '\n'.join(map(self._read_superblock, words))
        source = self._superblock_of(words[0]).superblock
        if source is None:
            raise ValueError('%s has no superblock' % words[0])
        legs, missing, *targets = words[2:] if verb == 'derive' else (
            words[2], '0', *words[3:])
        events = 0 if verb == 'join' else (
            source['events'] // superblocks.EPOCH + 1) * superblocks.EPOCH
        for path, position in zip(targets[::2], targets[1::2], strict=True):
            self._superblock_of(path).superblock = {
                **source, 'legs': int(legs), 'position': int(position),
                'events': events, 'dirty': set(source['dirty']),
                'failed': {leg for leg in range(int(legs))
                           if int(missing) >> leg & 1}}
        return ''

    def _superblock_of(self, path):
        group, __, name = path.removeprefix('/dev/').partition('/')
        if self.groups[group].state == HANG:
            raise TimeoutError()
        volume = self._readable(group).volumes[name]
        if not volume.active:
            raise KeyError(path)
        return volume

    def _read_superblock(self, path):
        try:
            superblock = self._superblock_of(path).superblock
        except KeyError:
            return '-'
        if superblock is None:
            return '00' * 4096
        return struct.pack(
            '<4sIIIQQQ', b'DmRd', 1, superblock['legs'],
            superblock['position'], superblock['events'],
            sum(1 << leg for leg in superblock['failed']),
            (1 << 64) - 1 if superblock['complete'] else 0).hex()

    def lvdisplay(self, words, disks):
        self._find(words[-1])
        return '  Vwi-a-tz--'

    def vgchange(self, words, disks):
        tags = self._take_option(words, '--addtag')
        self.groups[words[-1]].tags |= set(tags)

    def lvcreate(self, words, disks):
        if '-s' in words or '--snapshot' in words:
            return self._create_snapshot(words)
        tags = self._take_option(words, '--addtag')
        name = self._take_option(words, '-n')
        size = (self._take_option(words, '-V') or
                self._take_option(words, '-L') or
                self._take_option(words, '-l'))[0]
        group, __, pool = words[-1].partition('/')
        name = name[0] if name else pool
        group = self._readable(group)
        path = '/dev/%s/%s' % (group.name, name)
        if name in group.volumes or path in self.gone and any(
                self.gone[path] in self._beneath(device)
                for device in self.devices.values()):
            raise ValueError('%s exists' % name)
        if '-T' in words and name != pool and pool not in group.volumes:
            raise KeyError(pool)
        number, unit = re.fullmatch(r'(\d+)(b|g|%FREE)', size).groups()
        thin = '-T' in words
        self.minor += 1
        group.volumes[name] = Volume(
            group, name, int(number) * {'b': 1, 'g': 1 << 30,
                                        '%FREE': group.size // 100}[unit],
            self.minor, set(tags), {} if thin else dict(group.remains),
            pool=pool if thin and name != pool else '')

    def _create_snapshot(self, words):
        """LVM suspends what a snapshot is made of meanwhile."""
        tags = self._take_option(words, '--addtag')
        name = (self._take_option(words, '-n') or
                self._take_option(words, '--name'))[0]
        self._take_option(words, '-l')
        self._take_option(words, '-L')
        origin = self._find(words[-1])
        group = origin.group
        if name in group.volumes:
            raise ValueError('%s exists' % name)
        if self.stuck == group.name:
            self.stuck = None
            origin.suspended = True
            raise TimeoutError()
        if origin.origin and not origin.pool:
            raise ValueError('Snapshots of snapshots are not supported')
        self.minor += 1
        group.volumes[name] = Volume(
            group, name, origin.size, self.minor, set(tags),
            dict(origin.data), pool=origin.pool, origin=origin.name,
            active=not origin.pool, old_data=list(origin.old_data))

    @staticmethod
    def _thick_snapshots(volume):
        return [other for other in volume.group.volumes.values()
                if other.origin == volume.name and not other.pool]

    def lvconvert(self, words, disks):
        if '--splitsnapshot' not in words:
            raise ValueError(words)
        volume = self._find(words[-1])
        if volume.pool or not volume.origin:
            raise ValueError('%s is not a thick snapshot' % words[-1])
        volume.origin, volume.active = '', False

    def lvextend(self, words, disks):
        number, unit = re.fullmatch(
            r'(\d+)([bg])', self._take_option(words, '-L')[0]).groups()
        size = int(number) * {'b': 1, 'g': 1 << 30}[unit]
        volume = self._find(words[-1])
        if size <= volume.size:
            raise ValueError('New size matches existing size.')
        if self._thick_snapshots(volume) and volume.active:
            raise ValueError('Snapshot origin volumes can be resized only '
                             'while inactive')
        used = sum(other.size for other in volume.group.volumes.values()
                   if not other.pool)
        if not volume.pool:
            if used + size - volume.size > volume.group.size:
                raise ValueError('Insufficient free space')
            volume.old_data.append((volume.size, size))
        volume.size = size

    def lvrename(self, words, disks):
        group, old, new = words[1:]
        volumes = self._readable(group).volumes
        if new in volumes:
            raise ValueError('%s exists' % new)
        volumes[new] = volumes.pop(old)
        volumes[new].name = new

    def lvs(self, words, disks):
        volume = self._find(words[-1])
        if 'thin_id' in words:
            return '  %d\n' % volume.minor if volume.pool else '  \n'
        if 'lv_tags' in words:
            return '  %s\n' % ','.join(sorted(volume.tags))
        return '    open' if volume.opened or any(
            volume in self._beneath(device)
            for device in self.devices.values()) else '        '

    def lvremove(self, words, disks):
        for path in words[1:]:
            if path.startswith('-'):
                continue
            volume = self._find(path)
            for device in self.devices.values():
                if volume in self._beneath(device):
                    raise ValueError('%s is in use' % path)
            for each in [volume, *self._thick_snapshots(volume)]:
                if not each.pool:
                    each.group.remains.update(each.data)
                del each.group.volumes[each.name]
            for other in volume.group.volumes.values():
                if other.origin == volume.name:
                    other.origin = ''

    def lvchange(self, words, disks):
        add = self._take_option(words, '--addtag')
        delete = self._take_option(words, '--deltag')
        activate = '-ay' in words or self._take_option(words, '-a') == ['y']
        self._take_option(words, '-k')
        for path in words[1:]:
            if not path.startswith('-') and path != 'y':
                volume = self._look_up(path)
                if '-an' in words:
                    self._deactivate(volume)
                volume.tags = volume.tags - set(delete) | set(add)
                volume.active = volume.active or activate
                volume.suspended = volume.suspended and not activate

    def _deactivate(self, volume):
        in_use = volume.opened or any(
            other.active and other.pool == volume.name
            for other in volume.group.volumes.values())
        if in_use or any(volume in self._beneath(device)
                         for device in self.devices.values()):
            raise ValueError('%s is in use' % volume.name)
        volume.active = False
        if volume.name == volume.group.name + '-pool':
            volume.group.state = OK

    # Device-mapper

    def _target(self, word):
        """The volume or device that a word of a table names."""
        if word == '-':
            # A leg that is missing.
            return Volume(Group('-', '-', state=ERROR), '-', 0, 0)
        name = word.removeprefix('/dev/mapper/')
        if name in self.devices:
            device = self.devices[name]
            if device.table.endswith(' zero'):
                return Volume(Group('zero', '-'), name,
                              512 * int(device.table.split()[1]),
                              device.minor)
            return device
        group, __, name = word.removeprefix('/dev/').partition('/')
        return self.groups[group].volumes.get(name) or self.gone[word]

    def _open(self, table):
        for path in self._paths(table):
            target = self._target(path)
            if isinstance(target, Volume) and not target.active:
                raise KeyError(path)

    def _paths(self, table):
        return [word for word in table.split()
                if word.startswith('/dev/') or word == '-']

    def _metadata(self, device):
        if ' raid ' not in device.table:
            return []
        return [self._target(path) for path in self._paths(device.table)[::2]]

    def _legs(self, device):
        return [self._target(path)
                for path in self._paths(device.table)[1::2]]

    def _beneath(self, device):
        return [self._target(path) for table in
                (device.table, device.inactive) if table
                for path in self._paths(table)]

    def _activate(self, device, table):
        device.table = table
        if ' raid ' in table:
            self._start_mirror(device)

    def _start_mirror(self, device):
        legs, metadata = self._legs(device), self._metadata(device)
        words = device.table.split()
        for leg in legs:
            if leg.group.state == HANG:
                raise TimeoutError()
            if leg.name != '-' and leg.size < self._size(device):
                raise ValueError('Component device(s) too small')
        there = [meta for meta in metadata if meta.name != '-']
        new = all(meta.superblock is None for meta in there)
        rebuild = [int(words[at + 1]) for at, word in enumerate(words)
                   if word == 'rebuild']
        if not new and (rebuild or any(meta.superblock is None
                                       for meta in there)) or (
                new and len(there) < len(metadata)):
            raise ValueError('New device injected into existing raid set')
        if new:
            health = ['a' if index in rebuild else 'A'
                      for index in range(len(legs))]
            device.dirty = None
        else:
            # What the newest superblock does not list as missing is taken
            # for good, whatever is on it.
            newest = max((meta.superblock for meta in there),
                         key=lambda superblock: superblock['events'])
            for index, meta in enumerate(metadata):
                if meta.name != '-' and (len(metadata), index) != (
                        meta.superblock['legs'],
                        meta.superblock['position']):
                    raise ValueError('Number of or position of legs changed')
            health = ['-' if meta.name == '-' else
                      'A' if index not in newest['failed'] and
                      meta.superblock['complete'] else 'a'
                      for index, meta in enumerate(metadata)]
            device.dirty = set(newest['dirty'])
        # The copying may be done with a region at once: what is written past
        # the mirror from here on is lost to the other legs.
        source = legs[health.index('A')]
        for leg, state in zip(legs, health, strict=True):
            if state == 'a' and device.dirty is None:
                leg.data = dict(source.data)
                leg.old_data = list(source.old_data)
            elif state == 'a':
                for key in device.dirty:
                    self._put(leg, key, source.data.get(key))
        device.health = health
        device.dirty = device.dirty or set()
        device.action = 'recover' if 'a' in health else 'idle'
        self._resize_mirror(device, legs, health, new)
        # The bitmap is on the disks at once; that a leg is missing is not
        # before something changes.
        for meta in there:
            if meta.superblock:
                meta.superblock['dirty'] = device.dirty
        if new or 'a' in health:
            self._write_superblocks(device)

    def _resize_mirror(self, device, legs, health, new):
        """As the kernel does once the table has another size.

        A set that is being filled stays as it is, saying nothing.
        """
        size = self._size(device)
        before = max([0] + [meta.superblock['size']
                            for meta in self._metadata(device)
                            if meta.superblock])
        device.synced = size
        if new or before == size:
            return
        if 'a' in health:
            device.synced = before
        elif before < size:
            device.action = 'repair'
            for leg in legs[1:]:
                if leg.name != '-':
                    leg.old_data = list(legs[0].old_data)

    def _write_superblocks(self, device):
        metadata = self._metadata(device)
        events = 1 + max([meta.superblock['events'] for meta in metadata
                          if meta.superblock] or [0])
        for index, (meta, health) in enumerate(
                zip(metadata, device.health, strict=True)):
            if health in 'Aa':
                meta.superblock = {
                    'events': events, 'complete': health == 'A',
                    'legs': len(metadata), 'position': index,
                    'size': device.synced,
                    'dirty': device.dirty, 'failed': {
                        leg for leg, state in enumerate(device.health)
                        if state in 'D-'}}

    def _named(self, name):
        """A device, which may be that of a logical volume."""
        return self.devices.get(name) or next(
            (volume for group in self.groups.values()
             for volume in group.volumes.values()
             if volume.device == name and volume.active), None)

    def dm_info(self, words, disks):
        if words[-1] != 'name,suspended,major,minor':
            device = self._named(words[-1])
            if device is None:
                raise KeyError(words[-1])
            return 'Suspended' if device.suspended else 'Active'
        lines = ['%s %s 253 %d' % (
            volume.device, 'Suspended' if volume.suspended else 'Active',
            volume.minor) for group in self.groups.values()
            for volume in group.volumes.values()]
        lines += ['%s Active 253 %d' % (volume.device, volume.minor)
                  for volume in self.gone.values()]
        lines += ['%s %s 253 %d' % (
            device.name, 'Suspended' if device.suspended else 'Active',
            device.minor) for device in self.devices.values()]
        return '\n'.join(lines)

    def dm_table(self, words, disks):
        lines = []
        for device in self.devices.values():
            table = device.table
            for path in self._paths(table):
                if path == '-':
                    continue
                table = re.sub(re.escape(path) + r'(?!\S)', '253:%d' %
                               self._target(path).minor, table)
            lines.append('%s: %s' % (device.name, table))
        return '\n'.join(lines)

    def dm_status(self, words, disks):
        lines = []
        if self.vanishing:
            self.vanishing -= 1
            raise KeyError('Device does not exist.')
        for device in self.devices.values():
            if ' raid ' in device.table and words[-1] in ('raid',
                                                          device.name):
                table_size = int(device.table.split()[1])
                total = device.synced // 512
                prefix = '' if words[-1] == device.name else (
                    device.name + ': ')
                lines.append('%s0 %d raid raid1 %d %s %d/%d %s 0 0 -' % (
                    prefix, table_size, len(device.health),
                    ''.join(device.health),
                    total if 'a' not in device.health else
                    total * self.synced_part // 4,
                    total, device.action))
        return '\n'.join(lines)

    def dm_create(self, words, disks):
        name, __, table = words[2:]
        if name in self.devices:
            raise ValueError('%s exists' % name)
        self._open(table)
        self.minor += 1
        device = Mapped(name, self.minor, table)
        self._activate(device, table)
        self.devices[name] = device

    def dm_remove(self, words, disks):
        device = self.devices[words[2]]
        if any(device in self._beneath(other)
               for other in self.devices.values()):
            raise ValueError('%s is in use' % device.name)
        if ' raid ' in device.table and any(
                leg.group.state == HANG for leg in self._legs(device)):
            raise TimeoutError()
        if ' raid ' in device.table:
            self._write_superblocks(device)
        del self.devices[device.name]

    def dm_load(self, words, disks):
        name, __, table = words[2:]
        self._open(table)
        self.devices[name].inactive = table

    def dm_clear(self, words, disks):
        self._named(words[2]).inactive = None

    def dm_suspend(self, words, disks):
        device = self.devices[words[-1]]
        if self.inflight and any(
                volume.group.state == HANG for volume in self._all(device)):
            raise TimeoutError()
        device.suspended = True
        self._clear_bits(device)

    def _all(self, device):
        for below in self._beneath(device):
            if isinstance(below, Mapped):
                yield from self._all(below)
            else:
                yield below

    def dm_resume(self, words, disks):
        device = self._named(words[2])
        if device is None:
            raise KeyError(words[2])
        if isinstance(device, Mapped) and device.inactive:
            table, device.inactive = device.inactive, None
            device.limited = False
            self._activate(device, table)
        device.suspended = False

    def limit_discards(self, name):
        """As ``discards.limit``."""
        self._begin(['limit', name])
        self.devices[name].limited = True
        return 0, '', ''

    def dm_message(self, words, disks):
        if words[4].endswith('metadata_snap'):
            pool = words[2].removesuffix('-tpool')
            if (words[4] == 'reserve_metadata_snap') == (
                    pool in self.metadata_snapshots):
                raise ValueError('Device or resource busy')
            self.metadata_snapshots ^= {pool}
            return
        device = self.devices[words[2]]
        if words[3:] != ['0', 'repair']:
            raise ValueError(words)
        if device.action != 'idle':
            raise ValueError('Device or resource busy')
        legs = self._legs(device)
        self.repaired.append(device.name)
        for leg in legs[1:]:
            leg.data = dict(legs[0].data)

    def sync(self, words, disks):
        """As the one of coreutils, which goes on after an error."""
        failed = ''
        for path in words[1:]:
            group, __, name = path.removeprefix('/dev/').partition('/')
            group = self.groups[group]
            if group.state == HANG:
                raise TimeoutError()
            volume = group.volumes.get(name)
            if group.state != OK or not group.flushes or not (
                    volume and volume.active):
                failed += "sync: error syncing '%s': Input/output error\n" % (
                    path)
        if failed:
            raise SyncFailed(failed)

    def lsblk(self, words, disks):
        return '%12d %12d' % (self.granularity, self.longest_discard)

    def blkdiscard(self, words, disks):
        start, length = words[words.index('--offset') + 1], words[
            words.index('--length') + 1]
        target = self.devices[words[-1].removeprefix('/dev/mapper/')]
        size = int(target.table.split()[1]) << 9
        if not int(length) or int(start) + int(length) > size:
            raise ValueError('out of range')
        # Keys have no place: all are discarded with the last of them.
        if int(start) + int(length) == size:
            for key in self.read(target.name):
                self.write(target.name, key, None)

    def copy(self, source, destination, size_in_m, blocksize, execute=None,
             sparse=False):
        """As ``volume_utils.copy_volume``."""
        self._begin(['copy', source, destination])
        data = self.read(source.removeprefix('/dev/mapper/'))
        name = destination.removeprefix('/dev/mapper/')
        for key in [] if sparse else self.read(name):
            self.write(name, key, None)
        for key, value in data.items():
            self.write(name, key, value)

    # What a user of a device, and fate, do

    def write(self, name, key, value):
        """Write to a device; returns once it is acknowledged."""
        device = self._named(name)
        if device.suspended:
            raise AssertionError('%s is suspended' % name)
        self._write(device, key, value)

    def stands_still(self, name):
        """Whether a write to a device would have to wait."""
        device = self.devices[name]
        return device.suspended or any(
            self.stands_still(below.name) for below in self._beneath(device)
            if isinstance(below, Mapped))

    def _write(self, target, key, value):
        if isinstance(target, Mapped) and target.suspended:
            raise AssertionError('%s is suspended' % target.name)
        if isinstance(target, Volume):
            if target.group.state != OK:
                raise BadDisk(target.group.name)
            self._put(target, key, value)
        elif ' raid ' in target.table:
            self._write_mirror(target, key, value)
        else:
            self._write(self._target(self._paths(target.table)[0]),
                        key, value)

    @staticmethod
    def _put(volume, key, value):
        """None stands for zeros."""
        if volume.suspended:
            raise AssertionError('%s is suspended' % volume.device)
        volume.zeroed = 0
        if value is None:
            volume.data.pop(key, None)
        else:
            volume.data[key] = value

    def _write_mirror(self, device, key, value):
        done = False
        device.dirty.add(key)
        device.clearable.add(key)
        for index, leg in enumerate(self._legs(device)):
            if device.health[index] != 'A':
                device.clearable.discard(key)
            if device.health[index] in 'D-':
                continue
            if leg.group.state == ERROR:
                device.health[index] = 'D'
                device.clearable.discard(key)
                self._write_superblocks(device)
            else:
                self._put(leg, key, value)
                done = True
        if not done:
            raise BadDisk(device.name)

    def read(self, name):
        """What a device holds."""
        target = self._named(name)
        if target is None:
            raise BadDisk(name)
        if target.suspended:
            raise AssertionError('%s is suspended' % name)
        size = (self._size(target) if isinstance(target, Mapped)
                else target.size)
        while isinstance(target, Mapped):
            if target.suspended:
                raise AssertionError('%s is suspended' % target.name)
            if ' raid ' in target.table:
                target = next(
                    leg for leg, health in zip(self._legs(target),
                                               target.health, strict=True)
                    if health == 'A' and leg.group.state == OK)
            else:
                target = self._target(self._paths(target.table)[0])
        if target.group.state != OK:
            raise BadDisk(target.group.name)
        if size > target.size:
            raise AssertionError('%s is larger than %s' % (name, target.name))
        held = dict(target.data)
        if any(start < size for start, __ in target.old_data):
            held['old data of others'] = True
        return held

    def finish_recovery(self):
        """Let every mirror be done with filling its legs."""
        for device in self.devices.values():
            if device.action == 'repair':
                device.action = 'idle'
            if ' raid ' not in device.table or 'a' not in device.health:
                continue
            for index, leg in enumerate(self._legs(device)):
                if device.health[index] == 'a' and leg.group.state == OK:
                    device.health[index] = 'A'
            device.action = 'idle'
            if set(device.health) == {'A'}:
                device.dirty = set()
            self._write_superblocks(device)

    @staticmethod
    def _clear_bits(device):
        device.dirty -= device.clearable
        device.clearable.clear()

    def clear_bits(self):
        """Let bitmaps forget what all legs have, as they do after a while.

        They do so at once when a mirror is suspended.
        """
        for device in self.devices.values():
            self._clear_bits(device)

    def cut_power(self):
        """Start the host anew: copies stay, devices do not."""
        self.dead = False
        self.devices.clear()
        for group in self.groups.values():
            if group.state == POOL_FAILED:
                group.state = OK
            for volume in group.volumes.values():
                volume.active = volume.suspended = False

    def fail(self, group, lost=()):
        """Let a disk answer with errors.

        :param lost: keys that it has acknowledged, but not written down
        """
        self.groups[group].state = ERROR
        for volume in self.groups[group].volumes.values():
            for key in lost:
                volume.data.pop(key, None)

    def hang(self, group):
        """Let a disk not answer."""
        self.groups[group].state = HANG

    def replace(self, name):
        """Have an empty disk in place of a failed one.

        Devices that have its volumes open keep them.
        """
        old = self.groups[name]
        self.groups[name] = Group(name, old.disk)
        self.gone.update({'/dev/%s/%s' % (name, volume.name): volume
                          for volume in old.volumes.values()})

    def repair(self, name, pool_failed=True):
        """Let a disk answer again, with what was on it.

        :param pool_failed: whether its thin pool had anything to write
        """
        group = self.groups[name]
        failed = (pool_failed and group.state == ERROR and
                  name + '-pool' in group.volumes)
        group.state = POOL_FAILED if failed else OK
