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

"""Failing over to another volume group, and back."""

import collections
import dataclasses
import threading
import time

from cinder import exception
from oslo_log import log as logging
from oslo_utils import excutils

from cinder_promote.volume import (
    copies,
    devices,
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


@dataclasses.dataclass
class Parting:
    """What becomes of a volume's copies as some no longer get the writes.

    ``generation`` is that of the copies in the volume groups ``complete``,
    which go on being written to, the one that is served first. ``left`` has
    the generations of the others that did until now, by volume group.
    """

    generation: int
    complete: list
    left: dict


class FailingOver:
    """The part of ``replication.Replication`` that changes what is served."""

    def fail_over(self, target, targets, home, names, commit):
        """Serve volumes from another volume group from now on.

        The copies in the other groups that are in sync go on being written to;
        those in the one that was served are not, unless it fails back.

        :param target: ``targets.Target``
        :param targets: groups to replicate to from now on
        :param home: the primary's, None if that is the target
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
            others = [name for name in self._records if name not in names]
            unflushed = self._groups.flush(
                [(target.volume_group, name) for name in self._records
                 if self._live_mirror(name, present)])
            outcome = {name: (self._records.get(name), self._why_not(
                name, target.volume_group, groups, present, unflushed))
                for name in [*names, *others]}
            if home:
                commit()
            for name in list(self._fillings):
                self._fillings.pop(name).stop(0)
            before = (self._volume_group, self._targets, self._home)
            self._change_roles(target.volume_group, targets, home)
            partings = self._part(
                [name for name, (__, reason) in outcome.items()
                 if not reason], groups, present)
            if not home:
                # A copy in the primary's group is that of a wrong
                # configuration unless it is newer than the database knows.
                self._commit_or_stay(commit, before)
            failures = self._switch(partings, groups, present)
            for name, parting in partings.items():
                record = self._records[name]
                if name in failures:
                    LOG.error('Volume %s did not fail over: %s', name,
                              failures[name])
                    outcome[name] = (
                        record, '%s; it is tried again' % failures[name])
                    mirror = self._live_mirror(name, present)
                    self._note_waiting(
                        record, parting.generation,
                        self._legs(mirror, name, groups) if mirror else [])
                else:
                    record.status = self._status(
                        set(self._kept()) <= set(parting.complete))
                    record.current = copies.Current(
                        max(parting.generation, record.current.generation),
                        target.volume_group)
                    record.marked = False
            for name, (record, reason) in outcome.items():
                if record and reason:
                    outcome[name] = record, self._stay(record, reason,
                                                       groups, present)
            for name in others:
                with self._errors_of(self._records[name]):
                    records.save(*outcome[name])
            threading.Thread(target=self._remove_old_mirrors,
                             args=(list(partings),), daemon=True).start()
            return outcome

    def _commit_or_stay(self, commit, roles):
        try:
            commit()
        except Exception:
            with excutils.save_and_reraise_exception():
                self._change_roles(*roles)

    def _stay(self, record, reason, groups, present):
        """Leave a volume where it is, which may be where it is served again.

        :returns: why it is not, None if it is
        """
        group = self._volume_group
        copy = self._groups.copies(groups, record.name).get(group)
        newest = self._newest(record.name, groups)
        if not self._home and record.current.volume_group == group and (
                copy and copy.generation == newest):
            try:
                record.status = self._status(False)
                self._start_volume(record, newest, groups, present)
                return None
            except exception.VolumeBackendAPIException:
                LOG.exception('Volume %s is not served yet.', record.name)
        record.status = Status.FAILOVER_ERROR
        return reason

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

    def _why_not(self, name, volume_group, groups, present, unflushed):
        """Why a target can't serve a volume, None if it can.

        :param unflushed: as ``groups.VolumeGroups.flush`` returns it; a thin
            pool may have failed with nobody writing since
        """
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
            good = volume_group in self._complete(
                mirror, self._legs(mirror, name, groups))
        elif devices.front_name(name) in present:
            good = False
        else:
            good = (seen[volume_group].generation ==
                    self._newest(name, groups))
        if not good:
            return ('its copy in volume group %s is not in sync'
                    % volume_group)
        if (name, volume_group) in unflushed:
            return ('its copy in volume group %s can not be written to'
                    % volume_group)
        return None

    def _part(self, names, groups, present):
        """Make the copies that go on newer than those that are left.

        :returns: ``Parting`` by name
        """
        partings, since = {}, {}
        for name in names:
            mirror = self._live_mirror(name, present)
            partings[name] = self._parting(
                name, mirror, 1 + self._newest(name, groups),
                self._going_on(name, groups, mirror), groups)
            since[name] = self._covered(name, groups, partings[name].complete,
                                        partings[name].left)
        order = [self._volume_group, *self._kept()]
        # Until a failback is committed, what was served is served again.
        for group in order if self._home else reversed(order):
            raised = {name: parting.generation
                      for name, parting in partings.items()
                      if group in parting.complete}
            try:
                self._groups.set_generation(groups, group, raised, since)
            except exception.VolumeBackendAPIException:
                if group == self._volume_group:
                    raise
                LOG.exception('Volume group %s is left behind.', group)
                for name in raised:
                    partings[name].complete.remove(group)
        return partings

    def _going_on(self, name, groups, mirror):
        """The volume groups of copies in sync that are to be written to."""
        if mirror:
            good = self._complete(mirror, self._legs(mirror, name, groups))
        else:
            newest = self._newest(name, groups)
            good = [group for group, copy in
                    self._groups.copies(groups, name).items()
                    if copy.generation == newest]
        return [self._volume_group] + [
            group for group in self._kept()
            if group in good and group in groups]

    def _switch(self, partings, groups, present, timeout=None):
        """Put the copies that go on beneath the volumes' fronts.

        :param partings: ``Parting`` by name
        :returns: why some were not switched, by name
        """
        insertions, alone, failures = {}, {}, {}
        for name, parting in partings.items():
            mirror = self._live_mirror(name, present)
            if mirror and self._mirrors(name, present) == [mirror.name]:
                insertions[devices.front_name(name)] = name, self._insertion(
                    self._records[name], mirror, parting.generation,
                    self._positions(parting.complete), groups)
            elif mirror:
                # Its metadata are where those of another one would be.
                alone[name] = 'a mirror from before is still there'
            else:
                try:
                    self._assemble(self._records[name], parting.generation,
                                   self._groups.scan())
                except exception.VolumeBackendAPIException as error:
                    failures[name] = error
        refused = self._mapper.insert_mirrors(
            [insertion for __, insertion in insertions.values()], timeout)
        for front, why in refused.items():
            name, __ = insertions[front]
            late = isinstance(why, results.CommandTimedOut)
            (failures if late else alone)[name] = why
        for name, why in alone.items():
            LOG.warning('Volume %s goes on with one copy: %s', name, why)
            try:
                self._switch_to_single(name, partings[name], timeout)
            except exception.VolumeBackendAPIException as error:
                failures[name] = error
        self._claim({name: partings[name] for front, (name, __) in
                     insertions.items() if front not in refused})
        return failures

    def _parting(self, name, mirror, generation, complete, groups):
        """``Parting`` of the legs of a mirror, which may be None.

        :param generation: that of the copies that go on, which the others
            were to have before it
        :param complete: volume groups of those that go on
        """
        seen = self._groups.copies(groups, name)
        known = {tag for copy in seen.values() for tag in copy.since}
        left = {}
        for group in self._legs(mirror, name, groups) if mirror else ():
            if group and group not in complete:
                joining = copies.since_tag(group, copies.INCOMPLETE) in known
                left[group] = copies.INCOMPLETE if joining else generation - 1
        return Parting(generation, complete, left)

    def _claim(self, partings):
        """Note that what some copies miss is in the bitmaps of others.

        Only now: made of those of the old mirrors, they forget none of it any
        more, as the old ones may at each moment.

        :param partings: ``Parting`` by name of volumes that were switched
        """
        claims = collections.defaultdict(list)
        for name, parting in partings.items():
            since = frozenset(
                copies.since_tag(group, generation)
                for group, generation in parting.left.items()
                if self._flushes.cover(name, group))
            self._flushes.forget(name)
            for group in parting.complete if since else ():
                claims[group, since].append(name)
        for (group, since), names in claims.items():
            try:
                self._groups.add_since(group, names, since)
            except exception.VolumeBackendAPIException:
                LOG.warning('All of the volumes will be copied.',
                            exc_info=True)

    def _switch_to_single(self, name, parting, timeout):
        """Serve a volume from its one copy, whose bitmap ends here.

        :param parting: ``Parting``, which is changed to that
        """
        groups = self._groups.scan()
        parting.generation = self._raise(
            groups, {name: self._newest(name, groups)},
            [self._volume_group], {})[name]
        del parting.complete[1:]
        copy = groups[self._volume_group].volumes[name]
        self._mapper.replace_table(
            devices.front_name(name), devices.front_over_copy(
                self._records[name].served_size(copy), self._volume_group,
                name), timeout)

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
            legs = self._legs(mirror, name, groups)
            complete = self._complete(mirror, legs)
        elif copy is None or front not in present and not starting:
            return False
        elif front in present:
            self._expect_single(record, present)
            complete = [self._volume_group]
        else:
            complete = self._were_complete(record, groups)
        newest = self._newest(name, groups)
        if self._volume_group not in complete or (
                copy and copy.generation != newest):
            self._note_behind(record, complete, groups)
            return False
        if copy is None:
            return False
        if mirror or front not in present:
            parting = self._parting(
                name, mirror, newest, self._going_on(name, groups, mirror),
                groups)
            for error in self._switch({name: parting}, groups, present,
                                      LATE_SWITCH_TIMEOUT).values():
                raise error
        self._settle(record, max(newest, record.current.generation),
                     usable=True)
        LOG.info('Volume %s is served from volume group %s now.', name,
                 self._volume_group)
        return True

    def _were_complete(self, record, groups):
        """The complete legs of a mirror that is gone, as it knew them.

        :raises CommandFailed: it can't be told
        """
        name = record.name
        seen = self._groups.copies(groups, name)
        legs = [group for group in record.current.mirror if group in seen]
        if set(legs) <= {self._volume_group}:
            return [self._volume_group]
        self._remove_mirrors(name, self._mapper.devices())
        for group in legs:
            self._groups.activate(group, name)
        slot, found = self._last_mirror(
            sorted(legs, key=lambda group: group != self._volume_group), name)
        if slot is None:
            raise results.CommandFailed(
                data='the copy of %s in volume group %s knows of no mirror'
                % (name, self._volume_group))
        good = superblocks.complete(found)
        return [group for group in legs if group in good]

    def _note_behind(self, record, complete, groups):
        """Write down that a target missed writes after its fail-over.

        :param complete: volume groups of the copies that hold them
        """
        name = record.name
        newest = self._newest(name, groups)
        seen = self._groups.copies(groups, name)
        self._raise(groups, {name: newest},
                    [group for group in complete if group in seen])
        record.status = Status.FAILOVER_ERROR
        record.current = copies.Current(
            newest + 1, complete[0] if complete
            else record.current.volume_group)
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
