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

"""Keeping the copies of a backend's volumes: mirror, fail over, protect."""

import contextlib
import dataclasses
import functools
import threading

from cinder import exception
from cinder.volume import volume_utils
from oslo_log import log as logging

from cinder_promote.privsep import lvm
from cinder_promote.volume import (
    assembly,
    conversion,
    copies,
    devices,
    estimates,
    extension,
    failover,
    flushes,
    protection,
    records,
    results,
)
from cinder_promote.volume import groups as groups_module

LOG = logging.getLogger(__name__)
Status = records.Status


@dataclasses.dataclass(frozen=True)
class Standing:
    """What a volume is made of at some time.

    ``complete`` are the volume groups whose copies are in sync, ``mirror``
    the ``devices.Device`` beneath the front if there is one, ``groups`` a
    scan.
    """

    serving: str
    complete: tuple
    mirror: devices.Device | None
    generation: int
    groups: dict

    @property
    def equal(self):
        """Whether the copies hold the same, also if never acknowledged."""
        return self.mirror is None or self.mirror.mirror.equal


class Replication(assembly.Assembling, protection.Protecting,
                  failover.FailingOver, extension.Extending,
                  conversion.Converting):
    """The replicated volumes of one backend.

    One lock serialises what changes copies or devices, so that a look at the
    mirrors never meets a half-done fail-over. A fail-over is next to have it,
    after what is being done to one volume: with a primary that hangs, every
    other volume may cost a command's whole time.

    :param host: the backend, host@name
    :param groups: ``groups.VolumeGroups``
    :param mapper: ``devices.DeviceMapper``
    :param rate: function that returns with how many bytes a second the new
        copies of a volume may be filled, 0 for any number
    """

    def __init__(self, host, groups, mapper, rate=lambda: 0):
        self._host = host
        self._groups = groups
        self._mapper = mapper
        self._rate = rate
        self._fillings = {}
        self._lock = threading.RLock()
        self._no_failover = threading.Event()
        self._no_failover.set()
        self._records = {}
        self._volume_group = None
        self._targets = []
        self._fills = False
        self._home = None
        self._returning = False
        self._away = set()
        self._next_late_switch = 0
        self._flushes = flushes.Flushes(groups)

    # Start

    def start(self, volume_group, targets, fills, home=None):
        """Bring the devices to what configuration and database say.

        :param volume_group: the group whose copies are to be served
        :param targets: groups to replicate to; copies in them that are in
            sync are kept so in any case
        :param fills: whether to make copies in them that are not there
        :param home: the primary's group, if the backend is failed over
        :raises StaleCopy: it has not the current copy of some volume
        """
        with self._lock:
            self._change_roles(volume_group, targets, home, fills)
            self._know_volumes()
            groups = self._groups.scan()
            ours = {volume_group, *targets, home}
            self._groups.revive_pools({
                name: group for name, group in groups.items()
                if name in ours or self._groups.has_any(group)})
            groups = self._finish_conversions(groups)
            generations = self._check_copies(groups)
            self._returning = self._is_returning(groups, generations)
            self._sweep(groups)
            present = self._mapper.devices()
            for name, generation in generations.items():
                with self._errors_of(self._records[name]):
                    self._groups.complete_metadata(groups, name)
                    self._start_volume(self._records[name], generation,
                                       groups, present)
            self._switch_late(starting=True)
            threading.Thread(target=self._remove_old_mirrors,
                             args=(list(generations),), daemon=True).start()

    def start_without_primary(self, volume_group, targets):
        """Know the volumes of a lost volume group, for a fail-over.

        Their devices are left as they are: the targets may be serving them.
        """
        with self._lock:
            self._change_roles(volume_group, targets, None, False)
            self._know_volumes()

    def _change_roles(self, volume_group, targets, home, fills=True):
        self._volume_group = volume_group
        self._targets = list(targets)
        self._home = home
        self._fills = fills
        self._returning = False
        self._away = set()
        for record in self._records.values():
            record.copying = None

    def _know_volumes(self):
        self._records = records.of_backend(self._host)
        self._note_sizes()

    def _is_returning(self, groups, names):
        """Whether copies are being made for failing back."""
        for name in names if self._home else ():
            if (self._records[name].current.volume_group !=
                    self._volume_group):
                # A fail-over was killed before the copies parted ways.
                continue
            seen = self._groups.copies(groups, name)
            own, old = seen[self._volume_group], seen.get(self._home)
            if old and (old.generation == own.generation or
                        old.generation == copies.INCOMPLETE):
                return True
        return False

    def _check_copies(self, groups):
        """The generations of the volumes that can be served, by name."""
        generations = {}
        for name, record in self._records.items():
            if record.status == Status.FAILOVER_ERROR:
                LOG.error('Volume %s could not be failed over; its last '
                          'current copy was in volume group %s.', name,
                          record.current.volume_group)
                continue
            if record.current.lost == self._volume_group:
                LOG.error('Volume %s lost its copy in volume group %s and '
                          'needs a fail-over.', name, self._volume_group)
                continue
            seen = self._groups.copies(groups, name)
            if (not seen and self._volume_group ==
                    record.current.volume_group):
                LOG.error('Volume %s has no copy that can be seen.', name)
                continue
            try:
                generations[name] = copies.check(
                    name, record.current, seen, self._volume_group,
                    bool(self._home))
            except copies.StaleCopy as error:
                if not self._was_left_behind(record):
                    raise
                LOG.error('Volume %s was not failed over. %s', name, error)
                record.status = Status.FAILOVER_ERROR
                records.save(record, str(error))
        return generations

    def _was_left_behind(self, record):
        """Whether a fail-over did not take a volume along.

        Cinder's manager puts those to 'not-capable' that were not protected;
        others keep their status if it was killed half-way. What was failed
        over and is stale all the same, is pointed at wrongly.
        """
        return (record.status == Status.NOT_CAPABLE or
                self._home and record.status != Status.FAILED_OVER)

    def _sweep(self, groups):
        """Remove what is left of volumes that were deleted without a disk.

        The start does not wait for that: clearing a thick copy takes long.
        """
        left = []
        for group in groups.values():
            for name in group.volumes:
                volume_id = volume_utils.extract_id_from_volume_name(name)
                if (volume_id and name not in self._records and
                        self._groups.copies({group.name: group}, name) and
                        (records.is_deleted(volume_id) or
                         self._is_left_by_plain(name, group.name, groups))):
                    left.append((group.name, name))
        if left:
            threading.Thread(target=self._remove_left, args=(groups, left),
                             daemon=True).start()

    def _remove_left(self, groups, left):
        for group, name in left:
            LOG.info('Removing the copy of deleted volume %s from volume '
                     'group %s.', name, group)
            try:
                self._groups.remove_copy(groups, group, name)
            except exception.VolumeBackendAPIException:
                LOG.exception('It is there still.')

    # One volume

    def create(self, volume, make_copies=None):
        """Create a volume with all its copies.

        :param make_copies: makes the copies in the volume groups that it is
            given, equal and of generation 1, with the lock held; without it
            they are empty
        :returns: its ``records.Record``
        :raises CommandFailed: something failed; what was made until then is
            removed as far as that is possible, deleting does the rest
        """
        name = volume.name
        with contextlib.ExitStack() as failure, self._turn():
            groups = self._prepare_targets(self._groups.scan())
            legs = [self._volume_group,
                    *(self._kept() if self._fills else ())]
            self._groups.revive_pools({group: groups[group] for group in legs
                                       if group in groups})
            for group in legs:
                if group in groups and (
                        {name, *devices.metadata_names(name)} &
                        set(groups[group].volumes)):
                    raise results.CommandFailed(
                        data='volume group %s has a copy of new volume %s '
                        'already' % (group, name))
            # Not while others wait for the lock.
            failure.push(functools.partial(self._take_back, name, legs))
            record = records.Record(
                volume.id, name, volume.size << 30, self._status(False),
                copies.Current(1, self._volume_group))
            if make_copies:
                make_copies(legs)
                groups = self._groups.scan()
                for group in reversed(legs):
                    self._groups.complete_copy(groups, group, name,
                                               record.size)
            else:
                self._create_copies(record, legs)
            self._make(record, legs, bool(make_copies) or
                       self._groups.new_copies_are_equal)
            self._records[name] = record
            return record

    def _create_copies(self, record, legs):
        equal = self._groups.new_copies_are_equal
        for group in reversed(legs):
            complete = equal or group == self._volume_group
            self._groups.create_copy(
                group, record.name, record.size,
                1 if complete else copies.INCOMPLETE)

    def _make(self, record, legs, equal):
        table = devices.front_over_copy(record.size, self._volume_group,
                                        record.name)
        if len(legs) > 1:
            mirror = devices.mirror_name(record.name, 1)
            known = devices.Legs.FIRST_IS_RIGHT
            if equal:
                self._mapper.prepare_legs(record.size, record.name, legs)
                known = devices.Legs.KNOWN
            self._mapper.create(mirror, devices.mirror_table(
                record.size, record.name, legs, known))
            table = devices.front_over_mirror(record.size, mirror)
            record.status = self._status(equal)
        self._mapper.create(devices.front_name(record.name), table)

    def _take_back(self, name, legs, kind, *failure):
        """Remove what was made of a volume if that failed.

        :param kind: class of the exception, None if there is none
        """
        if kind is None or not issubclass(kind, Exception):
            return
        try:
            self._remove_devices(name)
            groups = self._groups.scan()
        except exception.VolumeBackendAPIException:
            LOG.exception('What was made of volume %s is there still.', name)
            return
        for group in legs:
            if group in groups:
                try:
                    self._groups.remove_copy(groups, group, name, used=False)
                except exception.VolumeBackendAPIException:
                    LOG.exception('It is in %s still.', group)

    def _remove_devices(self, name):
        front = devices.front_name(name)
        if front in self._mapper.devices():
            self._mapper.remove(front)
        self._remove_mirrors(name, self._mapper.devices())

    def delete(self, volume_name):
        """Delete a volume with all its copies that can be seen.

        A copy on a disk that can't be seen goes when the driver starts and
        sees it.

        :raises CommandFailed: something of it is there still
        """
        with self._turn():
            self._stop_filling(volume_name)
            self._remove_devices(volume_name)
            self._records.pop(volume_name, None)
            serving = self._volume_group
        # Nothing knows of the copies any more, and clearing thick ones takes
        # long: others need not wait for it, a fail-over must not.
        groups = self._groups.scan()
        metadata = set(devices.metadata_names(volume_name))
        # The current copy last: what is left of it tells the most.
        for group in sorted(groups.values(), key=lambda group: (
                group.name == serving, group.name)):
            if (metadata & set(group.volumes) or self._groups.copies(
                    {group.name: group}, volume_name)):
                self._groups.remove_copy(groups, group.name, volume_name)

    @contextlib.contextmanager
    def still(self, name):
        """Keep a volume's devices as they are for a while.

        :returns: a context manager that gives a ``Standing``
        """
        with self._turn():
            yield self.standing(name)

    def standing(self, name):
        """What a volume is made of now, for who holds the lock.

        :returns: ``Standing``
        :raises CommandFailed: it is not served as it should be
        """
        record = self._records.get(name)
        groups = self._groups.scan()
        present = self._mapper.devices()
        if record is None or devices.front_name(name) not in present:
            raise results.CommandFailed(
                data='volume %s is not served' % name)
        mirror = self._live_mirror(name, present)
        if mirror:
            complete = self._complete(mirror,
                                      self._legs(mirror, name, groups))
        else:
            self._expect_single(record, present)
            complete = [self._volume_group]
        if self._volume_group not in complete:
            raise results.CommandFailed(
                data='the copy of %s in volume group %s is not in sync'
                % (name, self._volume_group))
        return Standing(self._volume_group, tuple(complete), mirror,
                        record.current.generation, groups)

    # Reports

    def summary(self):
        """How far protection is.

        :returns: number of replicated volumes, number of those in sync,
            percent of their bytes that are in sync
        """
        everything = list(self._records.values())
        kept = bool(self._fills and self._kept())
        in_sync = list(filter(self._is_in_sync, everything))
        total = sum(record.size for record in everything)
        copied = sum(
            record.size * (100.0 if record in in_sync else
                           min(record.progress, 99.9) if kept else 0.0)
            for record in everything)
        return (len(everything), len(in_sync),
                round(copied / total, 1) if total else
                100.0 if kept else 0.0)

    def progress(self):
        """How far copying is, since all volumes were in sync last.

        Counted are the used parts of thin volumes, and all of thick ones, for
        each new copy. Not counted is what a bitmap tells to copy: what is
        written while a copy is filled, and what one missed that takes up
        where it was left. Neither are volumes that need a fail-over, those
        whose new copies go to a volume group that is away, and those that no
        look has come across yet.

        :returns: ``estimates.Progress``; its seconds are 0 once all volumes
            are in sync, and None while nothing was measured or something
            that is not counted has to be copied besides
        """
        served = [record for record in list(self._records.values())
                  if record.is_served]
        copyings = [record.copying for record in served if record.copying]
        pending = [record for record in served
                   if not self._is_in_sync(record)]
        if not (self._fills and self._kept()):
            pending, seconds = [], None
        elif not pending:
            seconds = 0
        elif self._away or not all(record.copying for record in pending):
            seconds = None
        else:
            seconds = estimates.seconds_left(
                [record.copying for record in pending],
                self._rate() if self._groups.new_copies_are_equal else 0)
        return estimates.Progress(
            len(pending), sum(each.copied for each in copyings),
            sum(each.total for each in copyings), seconds)

    # Parts

    def _is_in_sync(self, record):
        return record.status == Status.ENABLED or bool(
            self._fills and self._kept() and record.marked)

    @contextlib.contextmanager
    def _turn(self):
        """Have the lock, not before a fail-over that waits for it."""
        while True:
            self._no_failover.wait()
            with self._lock:
                if self._no_failover.is_set():
                    yield
                    return

    @contextlib.contextmanager
    def _first(self):
        """Have the lock before all others that wait for it."""
        self._no_failover.clear()
        try:
            with self._lock:
                yield
        finally:
            self._no_failover.set()

    def _kept(self):
        """The volume groups whose copies are to be in sync with the served.

        The primary's is one of them again once failing back was asked for.
        """
        return self._targets + ([self._home] if self._returning else [])

    def _positions(self, complete):
        """The legs of a mirror that has room for all copies.

        :param complete: the volume groups that it has at once
        """
        room = 1 + len(self._targets) + bool(self._home)
        return complete + [None] * max(room - len(complete), 0)

    def _complete(self, mirror, legs):
        """The volume groups of a mirror's legs that hold all writes."""
        return [group for index, group in enumerate(legs)
                if group and mirror.mirror.leg_complete(index)]

    def _is_protected(self, mirror, legs):
        """Whether all copies that are to be kept in sync are."""
        return set(self._kept()) <= set(self._complete(mirror, legs))

    def _covered(self, name, groups, complete, left=()):
        """The tags that tell what the bitmap of a mirror covers.

        :param complete: volume groups of copies that miss nothing
        :param left: those of copies that miss what comes from now on, of
            which ``_claim`` takes care
        """
        seen = self._groups.copies(groups, name)
        known = [seen[group].since for group in complete if group in seen]
        known = frozenset.intersection(*known) if known else frozenset()
        return frozenset(tag for tag in known if not any(
            copies.since_tags([tag], group)
            for group in [*complete, *left] if group))

    def _insertion(self, record, mirror, generation, legs, groups):
        """A mirror that is to take the place of another one.

        It knows what that one knew.

        :param legs: volume groups of its complete legs, None where it has
            room for others
        """
        name = record.name
        first = next(group for group in legs if group in groups)
        size = record.served_size(groups[first].volumes[name])
        slot = 1 - mirror.slot
        return devices.Insertion(
            devices.front_name(name), devices.mirror_name(name, generation),
            devices.mirror_table(size, name, legs, devices.Legs.KNOWN, slot),
            size, groups_module.derivation(
                first, mirror.slot, slot, legs, name, size))

    def _replace_mirror(self, record, mirror, generation, legs, groups):
        """Put a mirror of some legs in the place of one that has more.

        None from before may be there any more: its metadata are where those
        of the new one go. The old one is there still afterwards, with nothing
        above it.

        :param generation: that of the copies that go on
        :param legs: as for ``_insertion``
        """
        name = record.name
        parting = self._parting(name, mirror, generation,
                                [group for group in legs if group], groups)
        self._mapper.insert_mirror(self._insertion(
            record, mirror, generation, legs, groups))
        self._claim({name: parting})

    def _rebuild(self, record, mirror, legs, groups):
        """Put a mirror beneath a volume that has room for all copies.

        The served one is its first leg; what is not to be kept is left.
        """
        name = record.name
        good = self._complete(mirror, legs)
        complete = [self._volume_group] + [
            group for group in self._kept() if group in good]
        self._remove_mirrors(name, self._mapper.devices())
        generation = self._raise_complete(
            record, record.current.generation, groups, complete,
            self._covered(name, groups, complete,
                          [group for group in legs if group not in complete]))
        self._replace_mirror(record, mirror, generation,
                             self._positions(complete), groups)
        record.marked = False
        self._note(record, generation,
                   self._status(set(self._kept()) <= set(complete)))
        self._remove_mirrors(name, self._mapper.devices())

    def _live_mirror(self, name, present):
        """The mirror that a volume's front lies on, if it does."""
        front = present.get(devices.front_name(name))
        if (front and front.uses and
                front.uses[0].startswith(devices.mirror_prefix(name)) and
                present[front.uses[0]].mirror):
            return present[front.uses[0]]
        return None

    def _legs(self, mirror, name, groups):
        """The volume groups beneath a mirror, None for one that is gone."""
        known = {*groups, self._volume_group, *self._targets, self._home}
        current = self._records[name].current
        known |= {current.volume_group, *(current.mirror or ())}
        by_device = {lvm.device_name(group, name): group
                     for group in known - {None}}
        return [by_device.get(device) for device in mirror.uses]

    def _newest(self, name, groups):
        return max([self._records[name].current.generation] +
                   [copy.generation for copy in
                    self._groups.copies(groups, name).values()])

    def _raise(self, groups, generations, volume_groups, since=None):
        """Make the copies in some groups newer than all others.

        :param generations: the newest generation of each volume by name
        :param since: as for ``groups.VolumeGroups.set_generation``
        :returns: the new generations by name
        """
        raised = {name: generation + 1
                  for name, generation in generations.items()}
        for group in volume_groups:
            self._groups.set_generation(groups, group, raised, since)
        return raised

    def _raise_complete(self, record, generation, groups, complete, since):
        """Make the copies that go on newer than those that are left.

        :param generation: the newest one that the caller knows of
        :param complete: volume groups of those that go on
        :param since: their tags that tell what their bitmaps cover
        :returns: the new generation
        """
        name = record.name
        return self._raise(
            groups, {name: max(generation, self._newest(name, groups))},
            complete, {name: since})[name]

    def _make_single(self, record, generation, mirror, groups):
        """Serve a volume from the one copy that is designated.

        :raises CommandFailed: the mirror got writes that this copy has not
        """
        name = record.name
        legs = self._legs(mirror, name, groups)
        if (self._volume_group not in legs or not mirror.mirror.leg_complete(
                legs.index(self._volume_group))):
            raise results.CommandFailed(
                data='the copy of %s in volume group %s is not in sync'
                % (name, self._volume_group))
        raised = self._raise(groups, {name: max(
            generation, self._newest(name, groups))}, [self._volume_group],
            {})
        self._settle(record, raised[name])
        self._mapper.replace_table(
            devices.front_name(name),
            devices.front_over_copy(
                record.served_size(groups[self._volume_group].volumes[name]),
                self._volume_group, name))
        self._remove_mirrors(name, self._mapper.devices())

    def _remove_mirrors(self, name, present):
        """Remove the mirrors of a volume that nothing lies on.

        What they lie on has nothing beneath itself, and goes last.
        """
        front = present.get(devices.front_name(name))
        for device in sorted(self._mirrors(name, present), key=lambda device:
                             not present[device].uses):
            if not (front and device in front.uses):
                self._mapper.remove(device)

    @staticmethod
    def _mirrors(name, present):
        """The names of a volume's mirrors, and what is named like them."""
        return [device for device in present
                if device.startswith(devices.mirror_prefix(name))]

    def _settle(self, record, generation, usable=False):
        """Note that a volume has one copy."""
        self._note(record, generation, self._status(False), usable)

    def _status(self, protected):
        """The ``replication_status`` of a volume.

        :param protected: whether all its copies are in sync
        """
        if self._home:
            return Status.FAILED_OVER
        if not self._fills:
            return Status.DISABLED
        return Status.ENABLED if protected else Status.ENABLING

    def _note(self, record, generation, status, usable=False):
        current = copies.Current(generation, self._volume_group)
        if usable or (record.current, record.status) != (current, status):
            record.current, record.status = current, status
            records.save(record, usable=usable)

    @contextlib.contextmanager
    def _errors_of(self, record):
        """One volume's failure does not stop the others."""
        try:
            yield
        except exception.VolumeBackendAPIException as error:
            LOG.exception('Replication of volume %s failed.', record.name)
            records.save(record, str(error))
