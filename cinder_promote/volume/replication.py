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
import time

from cinder import exception
from cinder.volume import volume_utils
from oslo_log import log as logging

from cinder_promote.privsep import lvm
from cinder_promote.volume import (
    conversion,
    copies,
    devices,
    extension,
    filling,
    records,
    results,
    superblocks,
)

LOG = logging.getLogger(__name__)
Status = records.Status

#: Seconds that a volume gets to be switched once a fail-over could not, and
#: seconds until that is tried again. Without a write that hangs a device is
#: suspended at once.
LATE_SWITCH_TIMEOUT = 5
LATE_SWITCH_INTERVAL = 60


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


class Replication(extension.Extending, conversion.Converting):
    """The replicated volumes of one backend.

    One lock serialises what changes copies or devices, so that a look at the
    mirrors never meets a half-done fail-over. A fail-over is next to have it,
    after what is being done to one volume: with a primary that hangs, every
    other volume may cost a command's whole time.

    :param host: the backend, host@name
    :param groups: ``groups.VolumeGroups``
    :param mapper: ``devices.DeviceMapper``
    :param rate: bytes a second at most with which new copies are filled, 0
        for no limit
    """

    def __init__(self, host, groups, mapper, rate=0):
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
        self._protecting = False
        self._failed_over = False
        self._next_late_switch = 0

    # Start

    def resume(self):
        """Let go on what a killed service left standing still.

        That comes first: LVM may wait for devices that are suspended.
        """
        present = self._mapper.devices()
        for name in records.of_backend(self._host):
            try:
                self._resume_devices(name, present)
            except exception.VolumeBackendAPIException:
                LOG.exception('Volume %s stands still.', name)

    def start(self, volume_group, targets, protecting, failed_over):
        """Bring the devices to what configuration and database say.

        :param volume_group: the group whose copies are to be served
        :param targets: groups to replicate to
        :param protecting: whether to replicate at all
        :param failed_over: whether ``volume_group`` is a target
        :raises StaleCopy: it has not the current copy of some volume
        """
        with self._lock:
            self._configure(volume_group, targets, protecting, failed_over)
            groups = self._groups.scan()
            self._groups.revive_pools(groups)
            groups = self._finish_conversions(groups)
            generations = self._check_copies(groups, failed_over)
            self._sweep(groups)
            present = self._mapper.devices()
            for name, generation in generations.items():
                with self._errors_of(self._records[name]):
                    self._start_volume(self._records[name], generation,
                                       groups, present)
            self._switch_late(starting=True)

    def start_without_primary(self, volume_group, targets):
        """Know the volumes of a lost volume group, for a fail-over.

        Their devices are left as they are: the targets may be serving them.
        """
        with self._lock:
            self._configure(volume_group, targets, protecting=False,
                            failed_over=False)

    def _configure(self, volume_group, targets, protecting, failed_over):
        self._volume_group = volume_group
        self._targets = list(targets)
        self._protecting = protecting
        self._failed_over = failed_over
        self._records = records.of_backend(self._host)
        self._note_sizes()

    def _check_copies(self, groups, failed_over):
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
                    failed_over)
            except copies.StaleCopy as error:
                if not self._was_left_behind(record, failed_over):
                    raise
                LOG.error('Volume %s was not failed over. %s', name, error)
                record.status = Status.FAILOVER_ERROR
                records.save(record, str(error))
        return generations

    def _was_left_behind(self, record, failed_over):
        """Whether a fail-over did not take a volume along.

        Cinder's manager puts those to 'not-capable' that were not protected;
        others keep their status if it was killed half-way. What was failed
        over and is stale all the same, is pointed at wrongly.
        """
        return (record.status == Status.NOT_CAPABLE or
                failed_over and record.status != Status.FAILED_OVER)

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

    def _start_volume(self, record, generation, groups, present):
        name = record.name
        front = devices.front_name(name)
        present = self._resume_devices(name, present)
        mirror = self._live_mirror(name, present)
        if mirror:
            self._adopt(record, generation, mirror, groups)
        elif front in present:
            self._expect_single(record, present)
            self._settle(record, generation)
            self._remove_mirrors(name, present)
        else:
            self._remove_mirrors(name, present)
            self._assemble(record, generation, groups)

    def _resume_devices(self, name, present):
        """Let go on what a killed service left suspended.

        :returns: the devices as they are then
        """
        front = devices.front_name(name)
        mirrors = [device for device in present
                   if device.startswith(devices.mirror_prefix(name))]
        legs = [leg for device in [front, *mirrors] if device in present
                for leg in present[device].uses if leg and leg not in mirrors]
        left = [device for device in [*legs, *mirrors, front]
                if device in present and present[device].suspended]
        for device in left:
            if device in legs:
                self._groups.resume(*lvm.parse_device_name(device))
            elif device in mirrors:
                self._mapper.back_out(device)
            else:
                self._mapper.resume(front)
        return self._mapper.devices() if left else present

    def _adopt(self, record, generation, mirror, groups):
        """Go on with a mirror that outlived the service."""
        # It may have been killed before it did.
        self._mapper.limit_discards(mirror.name)
        legs = self._legs(mirror, record.name, groups)
        if self._volume_group not in legs:
            raise results.CommandFailed(
                data='volume %s is served from %s, not from %s'
                % (record.name, ' and '.join(map(str, legs)),
                   self._volume_group))
        if set(legs) == set(self._wanted_legs()):
            self._note(record, generation,
                       record.status if record.status in
                       (Status.ENABLED, Status.ERROR) else Status.ENABLING)
        elif self._was_filling(record, legs, groups):
            LOG.info('Volume %s is being copied to %s still.', record.name,
                     ' and '.join(self._targets))
        elif legs[0] == self._volume_group:
            self._make_single(record, generation, mirror, groups)
        else:
            self._finish_failover(record, generation, legs, mirror, groups)

    def _was_filling(self, record, legs, groups):
        """Whether the copies that a mirror has no legs for are being filled.

        They are as the copying left them, and filled from the beginning.
        """
        seen = self._groups.copies(groups, record.name)
        return (record.status == Status.ENABLING and
                legs == [self._volume_group] + [None] * len(self._targets) and
                self._protecting and all(
                    group in seen and
                    seen[group].generation == copies.INCOMPLETE
                    for group in self._targets))

    def _finish_failover(self, record, generation, legs, mirror, groups):
        """Switch a volume that a killed fail-over did not come to."""
        if not mirror.mirror.leg_complete(legs.index(self._volume_group)):
            self._note_behind(record, legs, mirror.mirror, groups)
            return
        generation = self._raise(groups, {record.name: max(
            generation, self._newest(record.name, groups))},
            [self._volume_group])[record.name]
        self._note_waiting(record, generation, legs)
        records.save(record, 'its fail-over is not finished')

    def _expect_single(self, record, present):
        """Make sure that a volume is served from the designated copy."""
        expected = lvm.device_name(self._volume_group, record.name)
        front = present.get(devices.front_name(record.name))
        if front is None or front.uses != (expected,):
            raise results.CommandFailed(
                data='volume %s is served from %s, expected %s'
                % (record.name, ' '.join(front.uses) if front else 'nothing',
                   expected))

    def _assemble(self, record, generation, groups):
        """Set up the devices of a volume that has none, as after a boot."""
        name = record.name
        seen = self._groups.copies(groups, name)
        legs = [group for group in self._wanted_legs()
                if group in seen and seen[group].generation == generation]
        for group in legs:
            self._groups.activate(group, name)
        size = record.served_size(*map(seen.get, legs))
        if len(legs) > 1 and legs == self._wanted_legs():
            self._assemble_mirror(record, generation, legs, size, groups)
            return
        generation = self._raise(
            groups, {name: generation}, [self._volume_group])[name]
        self._settle(record, generation)
        self._mapper.create(
            devices.front_name(name),
            devices.front_over_copy(size, self._volume_group, name))

    def _assemble_mirror(self, record, generation, legs, size, groups):
        """Set up a mirror whose copies have the same generation.

        The mirror itself knows better if a copy was dropped and the service
        had no time to mark it.
        """
        name = record.name
        device = devices.mirror_name(name, generation)
        self._mapper.create(device, devices.mirror_table(
            size, name, legs, devices.Legs.KNOWN))
        mirror = self._mapper.devices()[device].mirror
        complete = [leg for index, leg in enumerate(legs)
                    if mirror.leg_complete(index)]
        behind = bool(complete) and len(complete) < len(legs)
        if behind and self._volume_group not in complete:
            self._mapper.remove(device)
            self._note_loss(record, [self._volume_group], complete, groups)
            return
        if behind:
            generation = self._raise(
                groups, {name: generation}, complete)[name]
        self._note(record, generation,
                   Status.ENABLING if behind else Status.ENABLED)
        self._mapper.create(devices.front_name(name),
                            devices.front_over_mirror(size, device))
        if not behind:
            self._mapper.repair(device)

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
            self._revive_targets(groups)
            legs = self._wanted_legs()
            for group in legs:
                if group in groups and (
                        {name, devices.metadata_name(name)} &
                        set(groups[group].volumes)):
                    raise results.CommandFailed(
                        data='volume group %s has a copy of new volume %s '
                        'already' % (group, name))
            # Not while others wait for the lock.
            failure.push(functools.partial(self._take_back, name, legs))
            record = records.Record(
                volume.id, name, volume.size << 30, Status.DISABLED,
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
            self._mapper.create(mirror, devices.mirror_table(
                record.size, record.name, legs,
                devices.Legs.EQUAL if equal
                else devices.Legs.FIRST_IS_RIGHT))
            table = devices.front_over_mirror(record.size, mirror)
            record.status = Status.ENABLED if equal else Status.ENABLING
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
        metadata = devices.metadata_name(volume_name)
        # The current copy last: what is left of it tells the most.
        for group in sorted(groups.values(), key=lambda group: (
                group.name == serving, group.name)):
            if (metadata in group.volumes or self._groups.copies(
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
            complete = [group for index, group
                        in enumerate(self._legs(mirror, name, groups))
                        if group and mirror.mirror.leg_complete(index)]
        else:
            self._expect_single(record, present)
            complete = [self._volume_group]
        if self._volume_group not in complete:
            raise results.CommandFailed(
                data='the copy of %s in volume group %s is not in sync'
                % (name, self._volume_group))
        return Standing(self._volume_group, tuple(complete), mirror,
                        record.current.generation, groups)

    # Fail-over

    def fail_over(self, target, names, commit):
        """Serve volumes from a target from now on.

        :param target: ``targets.Target``
        :param names: names of the volumes to fail over; others that are
            there, such as one that was being created, are failed over with
            them and saved here
        :param commit: called once it is sure that the target can be used,
            before anything is switched
        :returns: for each name its record, and a sentence if it failed
        :raises UnableToFailOver: the target can't be used at all
        """
        with self._first():
            groups = self._scan_for(target.volume_group)
            if target.volume_group not in groups:
                raise exception.UnableToFailOver(
                    reason='volume group %s of target %s can not be found'
                    % (target.volume_group, target.backend_id))
            present = self._mapper.devices()
            generations = {}
            outcome = {}
            others = [name for name in self._records if name not in names]
            for name in [*names, *others]:
                reason = self._why_not(name, target.volume_group, groups,
                                       present)
                outcome[name] = (self._records.get(name), reason)
                if not reason:
                    generations[name] = self._newest(name, groups)
            commit()
            for name in list(self._fillings):
                self._fillings.pop(name).stop(0)
            self._volume_group = target.volume_group
            self._protecting = False
            self._failed_over = True
            raised = self._raise(groups, generations, [target.volume_group])
            failures = self._switch(list(raised), groups, present)
            for name, generation in raised.items():
                record = self._records[name]
                if name in failures:
                    LOG.error('Volume %s did not fail over: %s', name,
                              failures[name])
                    outcome[name] = (
                        record, '%s; it is tried again' % failures[name])
                    mirror = self._live_mirror(name, present)
                    self._note_waiting(
                        record, generation,
                        self._legs(mirror, name, groups) if mirror else [])
                else:
                    record.status = Status.FAILED_OVER
                    record.current = copies.Current(generation,
                                                    target.volume_group)
            for record, reason in outcome.values():
                if record and reason:
                    record.status = Status.FAILOVER_ERROR
            for name in others:
                with self._errors_of(self._records[name]):
                    records.save(*outcome[name])
            threading.Thread(target=self._remove_old_mirrors,
                             args=(list(raised),), daemon=True).start()
            return outcome

    def _scan_for(self, volume_group):
        """A scan that leaves nothing undone to find a volume group."""
        groups = {}
        try:
            groups = self._groups.scan()
        except results.CommandFailed:
            LOG.exception('No disk answers in time.')
        try:
            return self._groups.look_for(groups, volume_group)
        except results.CommandFailed:
            LOG.exception('Volume group %s can not be seen.', volume_group)
            return groups

    def _why_not(self, name, volume_group, groups, present):
        """Why a target can't serve a volume, None if it can."""
        record = self._records.get(name)
        if record is None:
            return 'the volume has no copies'
        if record.status == Status.FAILOVER_ERROR:
            return 'it failed to fail over before'
        seen = self._groups.copies(groups, name)
        if volume_group not in seen:
            return 'volume group %s has no copy of it' % volume_group
        mirror = self._live_mirror(name, present)
        if mirror:
            legs = self._legs(mirror, name, groups)
            good = (volume_group in legs and
                    mirror.mirror.leg_complete(legs.index(volume_group)))
        elif devices.front_name(name) in present:
            good = False
        else:
            good = (seen[volume_group].generation ==
                    self._newest(name, groups))
        if not good:
            return ('its copy in volume group %s is not in sync'
                    % volume_group)
        return None

    def _switch(self, names, groups, present, timeout=None):
        """Put the served copies of volumes beneath their fronts.

        :returns: why some were not switched, by name
        """
        tables, failures = {}, {}
        for name in names:
            front = devices.front_name(name)
            size = self._records[name].served_size(
                groups[self._volume_group].volumes[name])
            table = devices.front_over_copy(size, self._volume_group, name)
            if front in present:
                tables[front] = table
                continue
            try:
                self._groups.activate(self._volume_group, name)
                self._mapper.create(front, table)
            except exception.VolumeBackendAPIException as error:
                failures[name] = error
        refused = self._mapper.replace_tables(tables, timeout)
        failures.update({name: refused[devices.front_name(name)]
                         for name in names
                         if devices.front_name(name) in refused})
        return failures

    def _note_waiting(self, record, generation, legs):
        record.status = Status.FAILOVER_ERROR
        record.current = copies.Current(generation, self._volume_group,
                                        mirror=tuple(legs))

    def _switch_late(self, starting=False):
        """Switch volumes whose target was in sync, but for a hung write.

        Between two starts only those are that have a device: an export waits
        for theirs.
        """
        waiting = [record for record in self._records.values()
                   if record.status == Status.FAILOVER_ERROR and
                   record.current.mirror is not None and
                   record.current.volume_group == self._volume_group]
        if not waiting:
            return
        present = self._mapper.devices()
        if starting or time.monotonic() >= self._next_late_switch:
            self._next_late_switch = time.monotonic() + LATE_SWITCH_INTERVAL
        else:
            waiting = [record for record in waiting
                       if self._fell_behind(record, present)]
        groups = self._groups.scan() if waiting else {}
        switched = []
        hung = False
        for record in waiting:
            if (not self._no_failover.is_set() or
                    hung and devices.front_name(record.name) in present):
                continue
            # Until the manager wrote how the fail-over ended, it would write
            # over what is written here.
            if records.status_of(record) != Status.FAILOVER_ERROR:
                continue
            # Another one is first the next time.
            self._records[record.name] = self._records.pop(record.name)
            try:
                if self._switch_one_late(record, groups, starting):
                    switched.append(record.name)
            except exception.VolumeBackendAPIException as error:
                LOG.warning('Volume %s is not switched yet: %s', record.name,
                            error)
                hung |= isinstance(error, results.CommandTimedOut)
        if switched:
            threading.Thread(target=self._remove_old_mirrors,
                             args=(switched,), daemon=True).start()

    def _fell_behind(self, record, present):
        """Whether the mirror beneath a volume dropped the target."""
        mirror = self._live_mirror(record.name, present)
        legs = record.current.mirror
        return bool(mirror and self._volume_group in legs and
                    not mirror.mirror.leg_complete(
                        legs.index(self._volume_group)))

    def _switch_one_late(self, record, groups, starting):
        """Switch a volume if its copy holds every acknowledged write still.

        :returns: whether it is served now
        :raises CommandFailed: it can't be told, or not be switched yet
        """
        name = record.name
        front = devices.front_name(name)
        present = self._resume_devices(name, self._mapper.devices())
        mirror = self._live_mirror(name, present)
        copy = self._groups.copies(groups, name).get(self._volume_group)
        if mirror:
            legs, state = self._legs(mirror, name, groups), mirror.mirror
        elif copy is None or front not in present and not starting:
            return False
        elif front in present:
            self._expect_single(record, present)
            legs, state = (), None
        else:
            legs = record.current.mirror
            state = self._ask_mirror(record, groups)
        newest = self._newest(name, groups)
        behind = state and not (
            self._volume_group in legs and
            state.leg_complete(legs.index(self._volume_group)))
        if behind or copy and copy.generation != newest:
            self._note_behind(record, legs, state, groups)
            return False
        if copy is None:
            return False
        if mirror or front not in present:
            for error in self._switch([name], groups, present,
                                      LATE_SWITCH_TIMEOUT).values():
                raise error
        self._settle(record, newest, usable=True)
        LOG.info('Volume %s is served from volume group %s now.', name,
                 self._volume_group)
        return True

    def _ask_mirror(self, record, groups):
        """What a mirror that is gone knew of its legs.

        :returns: ``devices.Mirror``, None if none of its other legs is there
        :raises CommandFailed: it can't be told
        """
        name = record.name
        seen = self._groups.copies(groups, name)
        legs = [group if group in seen else None
                for group in record.current.mirror]
        if set(legs) <= {None, self._volume_group}:
            return None
        self._remove_mirrors(name, self._mapper.devices())
        for group in legs:
            if group:
                self._groups.activate(group, name)
        device = devices.mirror_name(name, record.current.generation)
        self._mapper.create(device, devices.mirror_table(
            record.served_size(*(seen[group] for group in legs if group)),
            name, legs, devices.Legs.KNOWN))
        state = self._mapper.devices()[device].mirror
        self._mapper.remove(device)
        if state is None:
            raise results.CommandFailed(
                data='mirror %s does not tell its state' % device)
        return state

    def _note_behind(self, record, legs, state, groups):
        """Write down that a target missed writes after its fail-over.

        :param legs: volume groups of the mirror, in its order
        :param state: ``devices.Mirror`` of it, None if it can't tell
        """
        name = record.name
        others = [group for index, group in enumerate(legs)
                  if group and group != self._volume_group and
                  (state is None or state.leg_complete(index))]
        newest = self._newest(name, groups)
        seen = self._groups.copies(groups, name)
        self._raise(groups, {name: newest},
                    [group for group in others if group in seen])
        record.status = Status.FAILOVER_ERROR
        record.current = copies.Current(
            newest + 1, others[0] if others else record.current.volume_group)
        message = ('its copy in volume group %s is not in sync'
                   % self._volume_group)
        records.save(record, message)
        LOG.error('Volume %s stays as it is: %s.', name, message)

    def _remove_old_mirrors(self, names):
        """Let go of the mirrors that volumes were switched away from.

        With a disk that hangs this may take long, or fail; a later start or
        protection tries again.
        """
        try:
            present = self._mapper.devices()
        except exception.VolumeBackendAPIException:
            LOG.warning('The old mirrors are still there.', exc_info=True)
            return
        for name in names:
            try:
                self._remove_mirrors(name, present)
            except exception.VolumeBackendAPIException:
                LOG.warning('The old mirror of volume %s is still there.',
                            name, exc_info=True)

    # Protection

    def protect(self):
        """From now on replicate every volume to the targets."""
        with self._lock:
            self._protecting = True

    def look(self):
        """Look at the mirrors and do what is due.

        Volumes that could not be switched at the fail-over are now.
        Volumes that are not protected are given new copies, copies that have
        become complete are marked so, and lost ones as out of date.
        """
        with self._turn():
            self._switch_late()
            if not self._protecting or not self._records:
                return
            present = self._mapper.devices()
            groups = None
            for record in list(self._records.values()):
                if not self._no_failover.is_set():
                    return
                if (record.status == Status.FAILOVER_ERROR or
                        record.current.lost):
                    continue
                mirror = self._live_mirror(record.name, present)
                with self._errors_of(record):
                    self._repair_again(record, mirror)
                if self._is_settled(record, mirror):
                    continue
                groups = groups or self._prepare_targets(self._groups.scan())
                with self._errors_of(record):
                    self._advance(record, mirror, groups)

    def _prepare_targets(self, groups):
        """Prepare volume groups that were replaced since the start.

        :returns: a scan of what is there then
        """
        changed = False
        for target in self._wanted_legs()[1:]:
            if target in groups and self._volume_group in groups:
                try:
                    changed |= self._groups.prepare_target(
                        groups, self._volume_group, target)
                except exception.VolumeBackendAPIException:
                    LOG.exception('Volume group %s can not be prepared.',
                                  target)
        return self._groups.scan() if changed else groups

    def _revive_targets(self, groups):
        self._groups.revive_pools({name: groups[name]
                                   for name in self._targets
                                   if name in groups})

    def _is_settled(self, record, mirror):
        """Whether there is nothing to do but wait."""
        if mirror is None or record.status == Status.ERROR:
            return False
        if mirror.mirror.has_room:
            job = self._fillings.get(record.name)
            record.progress = job.percent if job else 0.0
            return bool(job and job.running)
        record.progress = mirror.mirror.percent
        if mirror.mirror.in_sync:
            return record.status == Status.ENABLED
        return not mirror.mirror.dropped

    def _advance(self, record, mirror, groups):
        if mirror and mirror.mirror.dropped and (
                record.noted_loss != (mirror.name, mirror.mirror.dropped)):
            self._leg_lost(record, mirror, groups)
        elif mirror is None or record.status == Status.ERROR:
            self._protect_volume(record, mirror, groups)
        elif mirror.mirror.has_room:
            self._go_on_filling(record, mirror, groups)
        elif mirror.mirror.in_sync:
            name = record.name
            for group in self._targets:
                self._groups.set_generation(
                    groups, group, {name: record.current.generation})
            self._note(record, record.current.generation, Status.ENABLED)
            LOG.info('Volume %s is in sync with %s.', name,
                     ' and '.join(self._targets))

    def _protect_volume(self, record, mirror, groups):
        if record.extending:
            return
        name = record.name
        missing = [group for group in self._wanted_legs()
                   if group not in groups]
        if missing:
            LOG.debug('Volume %s waits for volume group %s.', name,
                      missing[0])
            return
        self._stop_filling(name)
        if mirror:
            self._make_single(record, record.current.generation, mirror,
                              groups)
            groups = self._groups.scan()
        present = self._mapper.devices()
        self._expect_single(record, present)
        self._remove_mirrors(name, present)
        seen = self._groups.copies(groups, name)
        size = record.served_size(seen[self._volume_group])
        # Now that the volume does not use what they hold any more.
        self._revive_targets(groups)
        for group in self._targets:
            if group in seen and seen[group].generation >= self._newest(
                    name, groups):
                raise results.CommandFailed(
                    data='the copy of %s in volume group %s is as new as the '
                    'one that is served' % (name, group))
            self._groups.renew_copy(groups, group, name, size)
        generation = self._raise(
            groups, {name: self._newest(name, groups)},
            [self._volume_group])[name]
        self._note(record, generation, Status.ENABLING)
        self._groups.clear_metadata(self._volume_group, name)
        legs, known = self._wanted_legs(), devices.Legs.FIRST_IS_RIGHT
        if self._groups.new_copies_are_equal:
            # They join once they have what is used of the first, which is
            # not what the kernel would copy.
            self._mapper.prepare_legs(size, name, legs)
            legs[1:] = [None] * len(self._targets)
            known = devices.Legs.KNOWN
        self._mapper.insert_mirror(
            devices.front_name(name), devices.mirror_name(name, generation),
            devices.mirror_table(size, name, legs, known), size)
        LOG.info('Volume %s is being copied to %s.', name,
                 ' and '.join(self._targets))
        if known is devices.Legs.KNOWN:
            self._fill(record, size)

    def _fill(self, record, size):
        self._fillings[record.name] = job = filling.Filling(
            self._groups, record.name, size, self._volume_group,
            list(self._targets), self._rate)
        job.start()

    def _stop_filling(self, name):
        """Make sure that nothing is written to the copies of a volume."""
        job = self._fillings.pop(name, None)
        if job:
            job.stop(self._groups.timeout)

    def _go_on_filling(self, record, mirror, groups):
        """Have new copies join a mirror when they are filled.

        :raises CommandFailed: they could not be filled, or can't join
        """
        name = record.name
        size = record.served_size(groups[self._volume_group].volumes[name])
        job = self._fillings.get(name)
        if job is None:
            self._revive_targets(groups)
            for group in self._targets:
                self._groups.activate(group, name)
            self._fill(record, size)
        elif job.error:
            del self._fillings[name]
            raise results.CommandFailed(data=str(job.error))
        elif job.done:
            del self._fillings[name]
            superblocks.check_joinable(
                name, self._groups.superblock(self._volume_group, name),
                [self._groups.superblock(group, name)
                 for group in self._targets])
            self._mapper.replace_table(
                mirror.name, devices.mirror_table(
                    size, name, self._wanted_legs(), devices.Legs.KNOWN))
            LOG.info('%s got what is used of volume %s; what was written '
                     'meanwhile follows.', ' and '.join(self._targets), name)

    def _leg_lost(self, record, mirror, groups):
        """Leave a copy behind that no longer gets the writes."""
        legs = self._legs(mirror, record.name, groups)
        dropped = [legs[index] for index in mirror.mirror.dropped]
        complete = [group for index, group in enumerate(legs)
                    if group and mirror.mirror.leg_complete(index)]
        self._note_loss(record, dropped, complete, groups)
        record.noted_loss = (mirror.name, mirror.mirror.dropped)

    def _note_loss(self, record, dropped, complete, groups):
        """Write down that some copies no longer get the writes.

        :param dropped: their volume groups, None for one that is gone
        :param complete: volume groups of the copies that go on
        """
        name = record.name
        message = 'lost the copy in volume group %s' % ' and '.join(
            map(str, dropped))
        lost = self._volume_group if self._volume_group in dropped else None
        holder = (self._volume_group if not lost else
                  complete[0] if complete else record.current.volume_group)
        if lost:
            # Before any copy is newer than the primary's: killed in between,
            # the next start must not take that for a wrong configuration.
            self._save_loss(record, record.current.generation, holder, lost,
                            message)
        visible = [group for group in complete if group in groups]
        if visible:
            generation = self._raise(
                groups, {name: self._newest(name, groups)}, visible)[name]
            self._save_loss(record, generation, holder, lost, message)
        elif not lost:
            self._save_loss(record, record.current.generation, holder, lost,
                            message)
        LOG.error('Volume %s %s.', name, message)

    def _save_loss(self, record, generation, holder, lost, message):
        """Change a record once the database has it."""
        current = copies.Current(generation, holder, lost)
        records.save(dataclasses.replace(
            record, status=Status.ERROR, current=current), message)
        record.status, record.current = Status.ERROR, current

    # Reports

    def summary(self):
        """How far protection is.

        :returns: number of replicated volumes, number of those in sync,
            percent of their bytes that are in sync
        """
        everything = list(self._records.values())
        in_sync = [record for record in everything
                   if record.status == Status.ENABLED]
        total = sum(record.size for record in everything)
        copied = sum(
            record.size * (100.0 if record.status == Status.ENABLED else
                           min(record.progress, 99.9)
                           if record.status == Status.ENABLING else 0.0)
            for record in everything)
        return (len(everything), len(in_sync),
                round(copied / total, 1) if total else
                100.0 if self._protecting else 0.0)

    # Parts

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

    def _wanted_legs(self):
        return [self._volume_group] + (self._targets if self._protecting
                                       else [])

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
        known = set(groups) | set(self._wanted_legs()) | set(self._targets)
        current = self._records[name].current
        known.update({current.volume_group, *(current.mirror or ())} - {None})
        by_device = {lvm.device_name(group, name): group
                     for group in known}
        return [by_device.get(device) for device in mirror.uses]

    def _newest(self, name, groups):
        return max([self._records[name].current.generation] +
                   [copy.generation for copy in
                    self._groups.copies(groups, name).values()])

    def _raise(self, groups, generations, volume_groups):
        """Make the copies in some groups newer than all others.

        :param generations: the newest generation of each volume by name
        :returns: the new generations by name
        """
        raised = {name: generation + 1
                  for name, generation in generations.items()}
        for group in volume_groups:
            self._groups.set_generation(groups, group, raised)
        return raised

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
            generation, self._newest(name, groups))}, [self._volume_group])
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
        for device in sorted(present, key=lambda device:
                             not present[device].uses):
            if (device.startswith(devices.mirror_prefix(name)) and
                    not (front and device in front.uses)):
                self._mapper.remove(device)

    def _settle(self, record, generation, usable=False):
        """Note that a volume has one copy."""
        self._note(record, generation, self._status_of_single(), usable)

    def _status_of_single(self):
        if self._failed_over:
            return Status.FAILED_OVER
        return Status.ENABLING if self._protecting else Status.DISABLED

    def _note(self, record, generation, status, usable=False):
        current = copies.Current(generation, self._volume_group)
        if (record.current, record.status) != (current, status):
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
