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

"""The volume groups that a backend uses, and the copies in them."""

import collections
import dataclasses
import errno
import functools
import glob
import json
import os
import re
import threading
import time

from oslo_log import log as logging

from cinder_promote.privsep import command, contents, lvm, metadata, snapshots
from cinder_promote.volume import copies, devices, results, superblocks

LOG = logging.getLogger(__name__)

#: Size of a leg's metadata volume: superblock and a bitmap for 16 TiB.
METADATA_SIZE = 4 << 20
#: Seconds that one disk gets to answer once looking at all at once hung.
ONE_DISK_TIMEOUT = 5
#: Seconds after which a disk that hung is asked again.
HUNG_DISK_RETRY = 300
#: Bytes that are cleared by one command, which a disk that answers at all
#: writes in far less time than a command may take.
CLEAR_STEP = 64 << 20
#: What commands say of a disk, or a thin pool, that failed.
EIO = os.strerror(errno.EIO)


@dataclasses.dataclass(frozen=True)
class Clearing:
    """How thick volumes are cleared when they are removed.

    ``size`` is how many bytes from the start, 0 for all; ``priority`` an
    argument for ionice.
    """

    wanted: bool
    size: int
    priority: str | None

    @classmethod
    def from_options(cls, options):
        """What Cinder's options ``volume_clear...`` ask for."""
        return cls(options.volume_clear != 'none',
                   options.volume_clear_size << 20,
                   options.volume_clear_ionice)


@dataclasses.dataclass(frozen=True)
class LogicalVolume:
    """A logical volume, sizes in bytes.

    ``data_percent`` is that of a thin pool or volume, ``pool`` the name of
    the one that a thin volume is in, ``origin`` that of what a snapshot was
    made of, ``failed`` whether the kernel gave up a thin pool.
    """

    name: str
    size: int
    tags: frozenset
    data_percent: float
    pool: str
    origin: str = ''
    failed: bool = False

    @property
    def used(self):
        """Bytes that copying it takes, of a thin one as LVM rounds them."""
        return (round(self.size * self.data_percent / 100) if self.pool else
                self.size)


@dataclasses.dataclass(frozen=True)
class VolumeGroup:
    """A volume group; sizes in bytes."""

    name: str
    size: int
    free: int
    tags: frozenset
    disks: tuple
    volumes: dict


class Seen(dict):
    """What a scan found, by name.

    :param kind: what it is, for the error of asking for what is not there: a
        disk may fail between two scans
    :param found: a dict
    """

    def __init__(self, kind, found):
        super().__init__(found)
        self._kind = kind

    def __missing__(self, name):
        raise results.CommandFailed(
            data='%s %s can not be seen' % (self._kind, name))


def derivation(source, old, new, legs, volume_name, size):
    """Arguments of ``metadata.derive_command`` for a volume.

    :param source: volume group of a complete leg of the mirror that is there
    :param old: which metadata volumes it uses
    :param new: which those are of the one that is made of it
    :param legs: volume groups of the new one, in its order, None where
        nothing is
    """
    name = devices.metadata_name(volume_name, new)
    missing = sum(1 << position for position, group in enumerate(legs)
                  if group is None)
    # The first leg is read from: what it does not know of is not there yet.
    return ((source, devices.metadata_name(volume_name, old)),
            devices.metadata_length(size), len(legs), missing,
            [(group, name, position)
             for position, group in reversed(list(enumerate(legs))) if group])


def pool_name(volume_group):
    """Name of the thin pool of a volume group, that of Cinder's driver."""
    return volume_group + '-pool'


def _tags(text):
    return frozenset(tag for tag in text.split(',') if tag)


def parse(text):
    """Volume groups by name, from LVM's full report in JSON."""
    groups = {}
    for report in json.loads(text)['report']:
        # a disk that is in no group has a report of its own
        for row in report.get('vg', ()):
            volumes = [LogicalVolume(
                volume['lv_name'], int(volume['lv_size']),
                _tags(volume['lv_tags']),
                float(volume['data_percent'] or 0), volume['pool_lv'],
                volume['origin'], volume['lv_health_status'] == 'failed')
                for volume in report['lv']]
            groups[row['vg_name']] = VolumeGroup(
                row['vg_name'], int(row['vg_size']), int(row['vg_free']),
                _tags(row['vg_tags']),
                tuple(disk['pv_name'] for disk in report['pv']
                      if disk['pv_name'].startswith('/')),
                Seen('in volume group %s logical volume' % row['vg_name'],
                     {volume.name: volume for volume in volumes}))
    return Seen('volume group', groups)


def _candidate_disks():
    """Block devices that may be physical volumes."""
    found = []
    for path in sorted(glob.glob('/sys/class/block/*')):
        name = os.path.basename(path)
        mapped = os.path.join(path, 'dm')
        if os.path.isdir(mapped):
            with open(os.path.join(mapped, 'uuid')) as uuid:
                if uuid.read().startswith('LVM-'):
                    continue
            with open(os.path.join(mapped, 'name')) as alias:
                name = 'mapper/' + alias.read().strip()
        if not name.startswith(('loop', 'ram', 'mapper/promote-')):
            found.append('/dev/' + name)
    return found


class VolumeGroups:
    """The volume groups of this host as one backend uses them.

    :param host: the backend, host@name
    :param timeout: seconds that each command may take
    :param clearing: ``Clearing``
    """

    def __init__(self, host, timeout, clearing):
        self._host_tag = copies.host_tag(host)
        self._timeout = timeout
        self._clearing = clearing
        self._clear_turn = threading.Lock()
        self._disks = {}
        self._hung = {}
        self._thin = True

    @property
    def timeout(self):
        """Seconds that each command may take."""
        return self._timeout

    def use_thin(self, thin):
        """Whether copies are thin volumes in the pool of their group."""
        self._thin = thin

    def _answering_disks(self):
        """Ask each disk by itself; one that hangs is left alone for a while.

        Each command that hangs leaves a process behind.
        """
        good = []
        for disk in lvm.not_hidden(_candidate_disks(), self._timeout):
            if self._hung.get(disk, 0) > time.monotonic():
                continue
            self._hung.pop(disk, None)
            status = lvm.report((disk,), ONE_DISK_TIMEOUT)[0]
            if status == command.TIMED_OUT:
                LOG.error('Disk %s hangs.', disk)
                self._hung[disk] = time.monotonic() + HUNG_DISK_RETRY
            elif status == 0:
                good.append(disk)
        return good

    @property
    def new_copies_are_equal(self):
        """Whether copies hold the same, zeros, when they are created."""
        return self._thin

    def scan(self):
        """Look at all disks that answer.

        :returns: ``VolumeGroup`` by name
        :raises CommandFailed: LVM failed
        """
        result = (command.TIMED_OUT, '', '')
        if not self._hung:
            result = lvm.report((), self._timeout)
        if result[0] == command.TIMED_OUT:
            disks = self._answering_disks()
            if disks:
                result = lvm.report(disks, self._timeout)
        # An erroring disk beside good ones makes LVM exit with a status too.
        if result[0] == command.TIMED_OUT or not result[1].strip():
            results.output(result, 'lvm fullreport')
        groups = parse(result[1])
        self._disks.update({name: group.disks
                            for name, group in groups.items()})
        return groups

    def look_for(self, groups, volume_group):
        """Ask the disks of a volume group that a scan did not find again.

        They have a command's whole time, which a scan gives none by itself:
        on a host that is busy, a disk in good health may seem to hang.

        :param groups: the scan
        :returns: the scan with the group, if it is there
        :raises CommandFailed: its disks hang
        """
        disks = self._only(volume_group)
        if volume_group in groups or not disks:
            return groups
        found = parse(results.output(lvm.report(disks, self._timeout),
                                     'looking for %s' % volume_group))
        for disk in disks:
            self._hung.pop(disk, None)
        return Seen('volume group', {**groups, **found})

    def _only(self, volume_group):
        """The disks that a command on a volume group may look at."""
        return self._disks.get(volume_group, ())

    def ensure_pool(self, groups, volume_group):
        """Create the thin pool of a volume group if it has none.

        It gets what Cinder's LVM driver gives it; the rest is for metadata.

        :raises CommandFailed: there is no pool
        """
        pool = pool_name(volume_group)
        if pool in groups[volume_group].volumes:
            return
        result = lvm.create_pool(volume_group, pool,
                                 self._only(volume_group),
                                 self._timeout)
        # Another backend of this host may have been quicker.
        if result[0] == 0 or pool not in self.scan()[volume_group].volumes:
            results.output(result, 'creating pool %s' % pool)

    def copies(self, groups, volume_name):
        """This backend's copies of a volume that can be seen, by group."""
        found = {}
        for group in groups.values():
            volume = group.volumes.get(volume_name)
            if volume and self._host_tag in volume.tags:
                found[group.name] = copies.Copy(
                    group.name, volume_name, volume.size,
                    copies.generation_of(volume.tags),
                    copies.since_tags(volume.tags))
        return found

    def create_copy(self, volume_group, volume_name, size, generation):
        """Create a copy with its metadata volumes, empty.

        :param size: in bytes
        :raises CommandFailed: it could not be created
        """
        self._create_metadata(volume_group, volume_name)
        self._create(volume_group, volume_name, size,
                     [copies.generation_tag(generation)])
        self.clear_metadata(volume_group, volume_name)

    def complete_copy(self, groups, volume_group, volume_name, size):
        """Make a snapshot that is named like a volume a copy of it.

        :param groups: a scan that has the snapshot
        :param size: in bytes, at least that of the snapshot
        :raises CommandFailed: it is not one
        """
        self.extend_copy(groups, volume_group, volume_name, size)
        self._create_metadata(volume_group, volume_name)
        self.activate(volume_group, volume_name)
        self.clear_metadata(volume_group, volume_name)

    def _create_metadata(self, volume_group, volume_name, present=()):
        for name in devices.metadata_names(volume_name):
            if name not in present:
                self._create(volume_group, name, METADATA_SIZE, [])

    def complete_metadata(self, groups, volume_name):
        """Create the metadata volumes that copies made long ago lack.

        :param groups: a scan
        :raises CommandFailed: they lack them still
        """
        for group in self.copies(groups, volume_name):
            present = groups[group].volumes
            self._create_metadata(group, volume_name, present)
            for name in devices.metadata_names(volume_name):
                if name not in present:
                    self.clear(group, name, 0, METADATA_SIZE)

    def _create(self, volume_group, name, size, tags):
        results.output(
            lvm.create(volume_group,
                       pool_name(volume_group) if self._thin else None, name,
                       size, [self._host_tag, *tags],
                       self._only(volume_group), self._timeout),
            'creating %s/%s' % (volume_group, name))

    def renew_copy(self, groups, volume_group, volume_name, size):
        """Have a copy that is to be filled, in place of the old one if any.

        An old one that is thick is used again: filling it writes over all of
        it, so that it need not be cleared.

        :param size: in bytes
        :raises CommandFailed: there is none that can be filled
        """
        present = groups[volume_group].volumes
        old = present.get(volume_name)
        if old is None or old.pool or old.size < size:
            self.remove_copy(groups, volume_group, volume_name)
            self.create_copy(volume_group, volume_name, size,
                             copies.INCOMPLETE)
            return
        self.set_generation(groups, volume_group,
                            {volume_name: copies.INCOMPLETE})
        self._create_metadata(volume_group, volume_name, present)
        self.activate(volume_group, volume_name)
        self.clear_metadata(volume_group, volume_name)

    def extend_copy(self, groups, volume_group, volume_name, size):
        """Extend a logical volume that is smaller than a size in bytes.

        :raises CommandFailed: it is smaller still
        """
        if groups[volume_group].volumes[volume_name].size < size:
            results.output(
                lvm.extend(volume_group, volume_name, size,
                           self._only(volume_group), self._timeout),
                'extending %s/%s' % (volume_group, volume_name))

    def is_open(self, volume_group, name):
        """Whether something uses a logical volume.

        :raises CommandFailed: it can't be told
        """
        return bool(results.output(
            lvm.is_open(volume_group, name, self._only(volume_group),
                        self._timeout),
            'looking at %s/%s' % (volume_group, name)).strip())

    def adopt(self, groups, volume_group, volume_name, generation):
        """Make a plain logical volume the copy of a replicated volume.

        :raises CommandFailed: it is not wholly one
        """
        self._create_metadata(volume_group, volume_name,
                              groups[volume_group].volumes)
        self.activate(volume_group, volume_name)
        self.clear_metadata(volume_group, volume_name)
        self.adopt_snapshot(volume_group, volume_name, generation)

    def adopt_snapshot(self, volume_group, name, generation):
        """Give a plain logical volume the tags of a copy.

        :raises CommandFailed: it has them not
        """
        results.output(
            lvm.change_tags(
                volume_group, [name],
                [self._host_tag, copies.generation_tag(generation)], [],
                self._only(volume_group), self._timeout),
            'tagging %s/%s' % (volume_group, name))

    def create_snapshot_copy(self, volume_group, name, size):
        """Create what is to become a snapshot by being copied into.

        :param size: in bytes
        :raises CommandFailed: it could not be created
        """
        self._create(volume_group, name, size,
                     [copies.generation_tag(copies.INCOMPLETE)])

    def release(self, groups, volume_group, volume_name):
        """Make a copy a plain logical volume, with nothing around it.

        :raises CommandFailed: it is not wholly one
        """
        present = groups[volume_group].volumes
        tags = sorted(tag for tag in present[volume_name].tags
                      if copies.is_copy([tag]))
        if tags:
            results.output(
                lvm.change_tags(volume_group, [volume_name], [], tags,
                                self._only(volume_group), self._timeout),
                'taking the tags from %s/%s' % (volume_group, volume_name))
        # In this order: a copy that has tags has metadata.
        names = [name for name in devices.metadata_names(volume_name)
                 if name in present]
        if names:
            self._remove(volume_group, names)

    def clear_metadata(self, volume_group, volume_name):
        """Forget what a leg knew of its mirror.

        A mirror of legs without superblocks is a new one to the kernel.

        :raises CommandFailed: it may know it still
        """
        for name in devices.metadata_names(volume_name):
            self.clear(volume_group, name, 0, METADATA_SIZE)

    def superblocks(self, volume_groups, volume_name):
        """What legs know of their mirrors, as it is on their disks.

        :returns: by volume group a ``superblocks.Superblock`` or None for
            each of the two metadata volumes
        :raises CommandFailed: they can't be read
        """
        names = devices.metadata_names(volume_name)
        lines = results.output(
            metadata.read([(group, name) for group in volume_groups
                           for name in names], self._timeout),
            'reading the superblocks of %s' % volume_name).split()
        found = map(superblocks.parse, lines)
        return {group: tuple(next(found) for __ in names)
                for group in volume_groups}

    def derive_metadata(self, source, slot, legs, volume_name, size):
        """Make metadata of a mirror that is not there of what they are now.

        :param source: volume group of a complete leg
        :param slot: which metadata volumes are those of the mirror
        :param legs: volume groups in its order, None where nothing is
        :raises CommandFailed: they may be those of neither
        """
        results.output(
            metadata.derive(*derivation(source, slot, slot, legs, volume_name,
                                        size), self._timeout),
            'making the metadata of %s' % volume_name)

    def join_metadata(self, source, slot, legs, joining, volume_name, size):
        """Make metadata of legs that a mirror is to fill by its bitmap.

        :param source: volume group of a leg that the mirror has
        :param slot: which metadata volumes it uses
        :param legs: all of its volume groups, in its order
        :param joining: those that join
        :raises CommandFailed: they are not all made
        """
        name = devices.metadata_name(volume_name, slot)
        results.output(
            metadata.join(
                (source, name), devices.metadata_length(size), len(legs),
                [(group, name, legs.index(group)) for group in joining],
                self._timeout),
            'making the metadata of %s' % volume_name)

    def used_parts(self, volume_group, volume_name, size):
        """The parts of a thin copy that anything was written to.

        What is written from now on need not be in them.

        :param size: in bytes, of all of it, which is what is returned when
            the pool does not tell
        :returns: pairs of numbers of bytes, where each begins and how long
            it is
        """
        result = contents.mappings(
            volume_group, pool_name(volume_group), volume_name,
            self._only(volume_group), self._timeout)
        try:
            return contents.parse_mappings(results.output(
                result, 'asking what is used of %s/%s'
                % (volume_group, volume_name)))
        except results.CommandFailed as error:
            LOG.warning('All of volume %s is read to copy it: %s',
                        volume_name, error)
            return [(0, size)]

    def copy_parts(self, source, target, volume_name, parts):
        """Copy parts of a copy to a thin one that is being filled.

        :raises CommandFailed: not all of it was copied
        """
        results.output(
            contents.copy(source, target, volume_name, parts, self._thin,
                          self._timeout),
            'copying %s from %s to %s' % (volume_name, source, target))

    def snapshot_request(self, volume_group, origin, name, generation,
                         equal=True):
        """What ``lvm.create_snapshot`` needs to know, but for the timeout.

        :param generation: that of the snapshot as a copy of what it was made
            of; None for one that is nobody's copy
        :param equal: whether those of other copies hold the same
        :raises CommandFailed: LVM could not be kept from looking at devices
            that are suspended
        """
        disks = self._only(volume_group)
        if not disks:
            raise results.CommandFailed(
                data='volume group %s can not be seen' % volume_group)
        tags = ([] if generation is None else
                [self._host_tag, copies.generation_tag(generation)])
        if not equal:
            tags.append(copies.UNEQUAL_TAG)
        return volume_group, origin, name, self._thin, tags, disks

    def create_snapshot(self, volume_group, origin, name, generation):
        """Make a snapshot of something in one volume group only.

        :param generation: as for ``snapshot_request``
        :raises CommandFailed: it was not made
        """
        results.output(
            lvm.create_snapshot(
                *self.snapshot_request(volume_group, origin, name,
                                       generation), self._timeout),
            'creating snapshot %s/%s' % (volume_group, name))

    def take_snapshots(self, front, mirror, requests):
        """Make snapshots of copies at one instant.

        :param front: name of the device above them
        :param mirror: ``devices.Device`` beneath it, or None
        :param requests: a ``snapshot_request`` for each
        :returns: as ``snapshots.take``
        """
        return snapshots.take(
            front, mirror and mirror.name,
            mirror and [mirror.mirror.health, mirror.mirror.action],
            requests, self._timeout)

    def remove_snapshot(self, groups, volume_group, name):
        """Remove a snapshot.

        What a thick one kept is cleared. From when that begins it is no
        snapshot of anything any more, which its tags say first.

        :raises CommandFailed: it is there still
        """
        self.revive_pools({volume_group: groups[volume_group]})
        snapshot = groups[volume_group].volumes[name]
        if not snapshot.pool and self._clearing.wanted:
            self.set_generation(groups, volume_group,
                                {name: copies.INCOMPLETE})
            if snapshot.origin:
                results.output(
                    lvm.split_snapshot(
                        volume_group, snapshot.origin, name,
                        self._only(volume_group), self._timeout),
                    'splitting %s/%s' % (volume_group, name))
            self._clear_thick(volume_group, snapshot)
        self._remove(volume_group, [name])

    def remove_copy(self, groups, volume_group, volume_name, used=True):
        """Remove a copy and its metadata volume, as far as they exist.

        A thick copy is cleared first, which takes as long as its disk needs,
        but ends with an error once the disk hangs. Its snapshots can't be
        without it; those of a thin one can.

        :param used: whether anybody could have written to it
        :raises CommandFailed: one is there still
        """
        self.revive_pools({volume_group: groups[volume_group]})
        present = groups[volume_group].volumes
        copy = present.get(volume_name)
        if copy and not copy.pool:
            for snapshot in present.values():
                if snapshot.origin == volume_name:
                    self.remove_snapshot(groups, volume_group, snapshot.name)
            if used:
                self._clear_thick(volume_group, copy)
        names = [name for name in (volume_name,
                                   *devices.metadata_names(volume_name))
                 if name in present]
        if names:
            self._remove(volume_group, names)

    def _remove(self, volume_group, names):
        results.output(
            lvm.remove(volume_group, names, self._only(volume_group),
                       self._timeout),
            'removing %s from %s' % (' and '.join(names), volume_group))

    def _clear_thick(self, volume_group, volume):
        if not self._clearing.wanted:
            return
        self._activate(volume_group, [volume.name])
        self.clear_part(volume_group, volume.name, 0,
                        min(volume.size, self._clearing.size or volume.size))

    def clear_part(self, volume_group, name, start, end):
        """Clear a part of a copy, in bytes.

        :raises CommandFailed: not all of it is zeros
        """
        self.in_steps(functools.partial(self.clear, volume_group, name),
                      start, end)

    def in_steps(self, clear, start, end):
        """Clear something a step after the other.

        :param clear: takes start, length and an I/O priority
        """
        for at in range(start, end, CLEAR_STEP):
            # One at a time: each takes one of the few threads of the
            # privileged daemon, and a fail-over needs some too.
            with self._clear_turn:
                clear(at, min(CLEAR_STEP, end - at), self._clearing.priority)

    def clear(self, volume_group, name, start, length, priority=None):
        """Write zeros over a part of a logical volume, in bytes.

        :param priority: an argument for ionice, or None
        :raises CommandFailed: not all of it is zeros
        """
        results.output(
            lvm.clear(volume_group, name, start, length, priority,
                      self._timeout),
            'clearing %s/%s' % (volume_group, name))

    @staticmethod
    def sources(groups, volume_group):
        """Volume groups that one may have taken over from, nearest first."""
        found = [volume_group]
        for name in found:
            tags = groups[name].tags if name in groups else ()
            found += [other for other in groups if other not in found and
                      copies.partner_tag('source', other) in tags]
        return found[1:]

    def activate(self, volume_group, volume_name, metadata=True):
        """Activate a copy and its metadata volumes.

        :param metadata: whether it has them, as snapshots have not
        :raises CommandFailed: they are not all active
        """
        self._activate(volume_group, [volume_name] + (
            devices.metadata_names(volume_name) if metadata else []))

    def _activate(self, volume_group, names):
        results.output(
            lvm.activate(volume_group, names, self._only(volume_group),
                         self._timeout),
            'activating %s/%s' % (volume_group, names[0]))

    def resume(self, volume_group, name):
        """Let I/O go on in a copy that a killed command left suspended.

        LVM puts right what the command had begun with; if its disk does not
        answer, I/O has to fail rather than to wait.
        """
        try:
            self._activate(volume_group, [name])
        except results.CommandFailed:
            lvm.release(volume_group, name, self._timeout)

    def set_generation(self, groups, volume_group, generations, since=None):
        """Set the generation of copies in a volume group.

        :param groups: a scan, for the tags to be replaced
        :param generations: new generation by volume name
        :param since: also the tags by volume name that tell what their
            bitmaps cover, none for the others; None to leave all as they are
        :raises CommandFailed: not all have been set
        """
        changes = collections.defaultdict(list)
        for name, generation in generations.items():
            tags = groups[volume_group].volumes[name].tags
            before = {copies.generation_tag(copies.generation_of(tags)),
                      *copies.since_tags(tags)}
            after = {copies.generation_tag(generation),
                     *(copies.since_tags(tags) if since is None
                       else since.get(name, ()))}
            if before != after:
                changes[frozenset(after - before),
                        frozenset(before - after)].append(name)
        for (add, delete), names in changes.items():
            results.output(
                lvm.change_tags(volume_group, names, sorted(add),
                                sorted(delete), self._only(volume_group),
                                self._timeout),
                'raising the generation of copies in %s' % volume_group)

    def flush(self, copies):
        """Have disks write down what copies have acknowledged.

        :param copies: pairs of a volume group and a volume name
        :returns: ``CommandFailed`` by volume name and group of those for
            which that failed, ``DiskFailed`` if a disk or its pool refused
        """
        if not copies:
            return {}
        names = collections.defaultdict(list)
        for group, name in copies:
            names[group].append(name)
        failures = {}
        done = lvm.flush(list(names.items()), self._timeout)
        for group, result in zip(names, done, strict=True):
            try:
                results.output(result, 'flushing copies in %s' % group)
            except results.CommandFailed as error:
                # It goes on with the others, unless one of them hangs.
                reasons = dict(re.findall(
                    "'/dev/%s/([^']*)': (.*)" % re.escape(group), result[2]))
                failed = results.DiskFailed(data=str(error))
                failures.update({
                    (name, group): failed if reason == EIO else error
                    for name, reason in (
                        reasons or dict.fromkeys(names[group])).items()})
        return failures

    def add_since(self, volume_group, names, since):
        """Add tags that tell what the bitmaps of copies cover.

        :raises CommandFailed: not all have them
        """
        results.output(
            lvm.change_tags(volume_group, names, sorted(since), [],
                            self._only(volume_group), self._timeout),
            'tagging copies in %s' % volume_group)

    def revive_pools(self, groups):
        """Have thin pools work again whose disk failed and works now.

        :param groups: those of a scan that are to be looked at
        """
        for group in groups.values():
            try:
                self._revive_pool(group)
            except results.CommandFailed as error:
                LOG.error('Thin pool %s does not work: %s',
                          pool_name(group.name), error)

    def has_any(self, group):
        """Whether this backend has anything in a volume group."""
        return any(self._host_tag in volume.tags
                   for volume in group.volumes.values())

    def _revive_pool(self, group):
        """Have the pool of a volume group work again whose disk failed.

        :raises CommandFailed: it does not work, for a volume may be in use
        """
        pool = group.volumes.get(pool_name(group.name))
        if pool is None or not pool.failed:
            return
        LOG.info('Thin pool %s of a disk that failed is used again.',
                 pool.name)
        results.output(
            lvm.revive_pool(
                group.name, pool.name,
                [volume.name for volume in group.volumes.values()
                 if volume.pool == pool.name],
                self._only(group.name), self._timeout),
            'having pool %s work again' % pool.name)
        group.volumes[pool.name] = dataclasses.replace(pool, failed=False)

    def prepare_target(self, groups, serving, target):
        """Give a target its pool, and each group a tag of its partner.

        :returns: whether there was something to do
        :raises CommandFailed: something of it is missing
        """
        tags = {serving: copies.partner_tag('target', target),
                target: copies.partner_tag('source', serving)}
        missing = [group for group, tag in tags.items()
                   if tag not in groups[group].tags]
        no_pool = pool_name(target) not in groups[target].volumes
        if self._thin and no_pool:
            self.ensure_pool(groups, target)
        for group in missing:
            results.output(
                lvm.add_group_tags(group, [tags[group]], self._only(group),
                                   self._timeout),
                'tagging volume group %s' % group)
        return bool(missing or self._thin and no_pool)
