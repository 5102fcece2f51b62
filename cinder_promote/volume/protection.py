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

"""Keeping the copies that are not served in sync."""

import dataclasses

from cinder import exception
from oslo_log import log as logging

from cinder_promote.volume import (
    copies,
    devices,
    estimates,
    filling,
    records,
    results,
    superblocks,
)

LOG = logging.getLogger(__name__)
Status = records.Status


class Protecting:
    """The part of ``replication.Replication`` that looks after mirrors."""

    def protect(self):
        """From now on replicate every volume to the targets."""
        with self._lock:
            self._fills = True

    def bring_back(self):
        """From now on replicate to the primary again, to fail back to it.

        :returns: number of volumes, and of those that are in sync with it
        :raises CommandFailed: the primary can't be seen
        """
        with self._turn():
            groups = self._groups.scan()
            if self._home not in groups:
                raise results.CommandFailed(
                    data='volume group %s can not be found' % self._home)
            self._returning = True
            present = self._mapper.devices()
            wanted = [record for record in self._records.values()
                      if record.status != Status.FAILOVER_ERROR]
            ready = 0
            for record in wanted:
                mirror = self._live_mirror(record.name, present)
                ready += bool(mirror and self._home in self._complete(
                    mirror, self._legs(mirror, record.name, groups)))
            return len(wanted), ready

    def look(self):
        """Look at the mirrors and do what is due.

        Volumes that could not be switched at the fail-over are now. Copies
        that are missing are made or take up where they were left, those that
        have become complete are marked so, and lost ones as out of date.
        """
        with self._turn():
            self._switch_late()
            if not self._records:
                return
            present = self._mapper.devices()
            failed = self._watch(present)
            groups = None
            for record in list(self._records.values()):
                if not self._no_failover.is_set():
                    return
                if not record.is_served:
                    continue
                mirror = failed.get(record.name) or self._live_mirror(
                    record.name, present)
                with self._errors_of(record):
                    self._repair_again(record, mirror)
                if self._is_settled(record, mirror):
                    continue
                if groups is None:
                    groups = self._prepare_targets(self._groups.scan())
                    self._expect(groups, present)
                with self._errors_of(record):
                    self._advance(record, mirror, groups)

    def _watch(self, present):
        """See to it that bitmaps can be relied on if a leg fails.

        A leg that failed while nobody wrote to it is in sync for the kernel,
        and its pool can't work again while a mirror has it open.

        :returns: by name the mirrors that have such legs, as if the kernel
            had dropped them
        """
        due = {}
        for name, record in self._records.items():
            mirror = self._live_mirror(name, present)
            if not mirror or record.status == Status.FAILOVER_ERROR:
                continue
            legs = self._legs(mirror, name, {})
            complete = self._complete(mirror, legs)
            for index, group in enumerate(legs):
                if mirror.mirror.health[index] == 'a' and (
                        group not in complete):
                    self._flushes.note_filling(name, group)
            if len(complete) > 1 and self._flushes.is_due(name):
                due[name] = complete
        failures = self._flushes.flush(due)
        for error in set(map(str, failures.values())):
            LOG.error('A copy does not take what is written to it: %s', error)
        failed = {}
        for name, complete in due.items():
            lost = [group for group in complete if isinstance(
                failures.get((name, group)), results.DiskFailed)]
            # Where no copy is left, the kernel goes on with all of them.
            if lost and any((name, group) not in failures
                            for group in complete):
                mirror = self._live_mirror(name, present)
                legs = self._legs(mirror, name, {})
                failed[name] = dataclasses.replace(
                    mirror, mirror=mirror.mirror.dropping(
                        [legs.index(group) for group in lost]))
        return failed

    def _prepare_targets(self, groups):
        """Prepare volume groups that were replaced since the start.

        :returns: a scan of what is there then
        """
        changed = False
        for target in self._kept() if self._fills else ():
            if target in groups and self._volume_group in groups:
                try:
                    changed |= self._groups.prepare_target(
                        groups, self._volume_group, target)
                except exception.VolumeBackendAPIException:
                    LOG.exception('Volume group %s can not be prepared.',
                                  target)
        return self._groups.scan() if changed else groups

    def _is_settled(self, record, mirror):
        """Whether there is nothing to do but wait."""
        if mirror is None:
            return not (self._fills and self._kept())
        if mirror.mirror.dropped or record.status == Status.ERROR:
            return False
        job = self._fillings.get(record.name)
        if job:
            record.progress = job.percent
            return job.running
        legs = self._legs(mirror, record.name, {})
        if 'a' in mirror.mirror.health:
            record.progress = mirror.mirror.percent
            if mirror.whole:
                self._follow(record, mirror.mirror)
            return True
        if not self._is_protected(mirror, legs):
            record.progress = 0.0
            return not self._fills
        return record.marked

    def _advance(self, record, mirror, groups):
        name = record.name
        legs = self._legs(mirror, name, groups) if mirror else []
        if mirror and mirror.mirror.dropped:
            self._leg_lost(record, mirror, legs, groups)
        elif name in self._fillings:
            self._go_on_filling(record, mirror, legs, groups)
        elif mirror and self._is_protected(mirror, legs):
            if mirror.mirror.in_sync or '-' in mirror.mirror.health:
                self._mark(record, groups)
        elif self._fills and not record.extending:
            self._bring_in(record, mirror, legs, groups)

    def _mark(self, record, groups):
        """Say in their tags that all copies are complete."""
        name, generation = record.name, record.current.generation
        # What a mirror filled may not be on its disk yet.
        complete = [*self._kept(), self._volume_group]
        for error in self._flushes.flush({name: complete}).values():
            raise error
        since = self._covered(name, groups, complete)
        for group in complete:
            self._groups.set_generation(groups, group, {name: generation},
                                        {name: since})
        record.marked = True
        if record.copying:
            record.copying.note(record.copying.total)
        self._note(record, generation, self._status(True))
        if self._kept():
            LOG.info('Volume %s is in sync with %s.', name,
                     ' and '.join(self._kept()))

    # Progress

    def _expect(self, groups, present):
        """Know what is to be copied of volumes whose turn has not come."""
        if not self._fills or self._volume_group not in groups:
            return
        kept = set(self._kept())
        self._away = kept - set(groups)
        for name, record in list(self._records.items()):
            mirror = self._live_mirror(name, present)
            legs = self._legs(mirror, name, groups) if mirror else []
            missing = kept.intersection(groups).difference(
                self._complete(mirror, legs) if mirror else ())
            if not missing or not record.is_served or (
                    name in self._fillings or
                    mirror and set('aD') & set(mirror.mirror.health)):
                continue
            seen = self._groups.copies(groups, name)
            own = seen.get(self._volume_group)
            if own is None or mirror and any(
                    group in seen and own.covers(seen[group])
                    for group in missing):
                record.copying = None
            else:
                volume = groups[self._volume_group].volumes[name]
                self._begin_copying(record, len(missing) * volume.used)

    def _follow(self, record, mirror):
        """Take note of how far the kernel is with all of a volume."""
        legs = mirror.health.count('a')
        total = legs * mirror.size
        copied = legs * mirror.synced
        copying = record.copying
        if (not copying or copying.total != total or copied < copying.copied):
            self._begin_copying(record, total)
        record.copying.note(copied)

    def _begin_copying(self, record, total):
        others = [other for other in self._records.values()
                  if other is not record and other.copying]
        if all(map(self._is_in_sync, others)):
            # What was copied until then is another matter.
            for other in others:
                other.copying = None
        record.copying = estimates.Copying(total)

    # New copies, and old ones

    def _bring_in(self, record, mirror, legs, groups):
        """Have copies that a mirror lacks take part in it.

        Those whose gap its bitmap covers take up where they were left, others
        are made anew.
        """
        name = record.name
        seen = self._groups.copies(groups, name)
        own = seen[self._volume_group]
        here = [group for group in self._kept()
                if group not in legs and group in groups]
        if not here:
            LOG.debug('Volume %s waits for a volume group.', name)
            return
        self._groups.revive_pools({group: groups[group] for group in here})
        size = record.served_size(own)
        known = [group for group in here if mirror and group in seen and
                 own.covers(seen[group]) and seen[group].size >= size]
        new = [group for group in here if group not in known]
        going_on = self._complete(mirror, legs) if mirror else []
        if not mirror or not known and going_on == [self._volume_group]:
            self._begin_anew(record, mirror, new, groups)
        elif legs[0] != self._volume_group or legs.count(None) < len(here):
            self._rebuild(record, mirror, legs, groups)
        elif known:
            self._join(record, mirror, legs, known, groups)
        else:
            self._renew(record, new, size, going_on, groups)
            self._fill(record, size, new)

    def _renew(self, record, new, size, going_on, groups):
        """Have copies that are to be filled in place of old ones."""
        name = record.name
        seen = self._groups.copies(groups, name)
        newest = self._newest(name, groups)
        for group in new:
            if group in seen and seen[group].generation >= newest:
                raise results.CommandFailed(
                    data='the copy of %s in volume group %s is as new as the '
                    'one that is served' % (name, group))
        # What is new is not what the bitmap knows of.
        since = frozenset(
            tag for tag in seen[self._volume_group].since
            if not any(copies.since_tags([tag], group) for group in new))
        for group in going_on:
            self._groups.set_generation(
                groups, group, {name: seen[group].generation}, {name: since})
        for group in new:
            self._groups.renew_copy(groups, group, name, size)

    def _begin_anew(self, record, mirror, new, groups):
        """Make a mirror of a volume's one copy and new ones."""
        name = record.name
        self._stop_filling(name)
        if mirror:
            self._make_single(record, record.current.generation, mirror,
                              groups)
            groups = self._groups.scan()
        present = self._mapper.devices()
        self._expect_single(record, present)
        self._remove_mirrors(name, present)
        size = record.served_size(
            self._groups.copies(groups, name)[self._volume_group])
        self._renew(record, new, size, [], groups)
        generation = self._raise(
            groups, {name: self._newest(name, groups)},
            [self._volume_group], {})[name]
        self._note(record, generation, self._status(False))
        record.marked = False
        self._groups.clear_metadata(self._volume_group, name)
        legs, known = [self._volume_group, *new], devices.Legs.FIRST_IS_RIGHT
        if self._groups.new_copies_are_equal:
            # They join once they have what is used of the first, which is
            # not what the kernel would copy.
            self._mapper.prepare_legs(size, name, legs, missing=True)
            legs[1:] = [None] * len(new)
            known = devices.Legs.KNOWN
        self._mapper.insert_mirror(devices.Insertion(
            devices.front_name(name), devices.mirror_name(name, generation),
            devices.mirror_table(size, name, legs, known), size))
        LOG.info('Volume %s is being copied to %s.', name, ' and '.join(new))
        if known is devices.Legs.KNOWN:
            self._fill(record, size, new)

    def _fill(self, record, size, targets):
        if not record.copying:
            self._begin_copying(record, 0)
        self._fillings[record.name] = job = filling.Filling(
            self._groups, record.name, size, self._volume_group, targets,
            self._rate, record.copying)
        job.start()

    def _stop_filling(self, name):
        """Make sure that nothing is written to the copies of a volume."""
        job = self._fillings.pop(name, None)
        if job:
            job.stop(self._groups.timeout)
            self._records[name].copying = None

    def _go_on_filling(self, record, mirror, legs, groups):
        """Have new copies join a mirror when they are filled.

        :raises CommandFailed: they could not be filled, or can't join
        """
        job = self._fillings[record.name]
        if job.running:
            return
        del self._fillings[record.name]
        if job.error:
            raise results.CommandFailed(data=str(job.error))
        self._join(record, mirror, legs, job.targets, groups)

    def _join(self, record, mirror, legs, joining, groups):
        """Have legs take part in a mirror, filled by its bitmap.

        :raises CommandFailed: they do not
        """
        name = record.name
        size = record.served_size(groups[self._volume_group].volumes[name])
        seen = self._groups.copies(groups, name)
        known = self._groups.superblocks([self._volume_group], name)[
            self._volume_group][mirror.slot]
        free = [place for place, group in enumerate(legs) if group is None]
        places = dict(zip(joining, free, strict=False))
        if len(places) < len(joining) or not all(
                superblocks.is_joinable(known, place)
                for place in places.values()):
            self._rebuild(record, mirror, legs, groups)
            return
        complete = self._complete(mirror, legs)
        for group, place in places.items():
            legs[place] = group
        # From here on what is in them, and the bitmap, is all that is needed,
        # also if they are only half filled.
        since = self._covered(name, groups, complete, joining) | {
            copies.since_tag(group, copies.INCOMPLETE) for group in joining}
        for group in complete:
            self._groups.set_generation(
                groups, group, {name: seen[group].generation}, {name: since})
        for group in joining:
            self._groups.set_generation(
                groups, group, {name: copies.INCOMPLETE}, {name: since})
            self._groups.activate(group, name)
        record.marked = False
        self._note(record, record.current.generation, self._status(False))
        self._groups.join_metadata(self._volume_group, mirror.slot, legs,
                                   joining, name, size)
        self._mapper.replace_table(mirror.name, devices.mirror_table(
            size, name, legs, devices.Legs.KNOWN, mirror.slot))
        LOG.info('%s have what volume %s holds but for what was written '
                 'meanwhile; that follows.', ' and '.join(joining), name)

    # Losses

    def _leg_lost(self, record, mirror, legs, groups):
        """Leave a copy behind that no longer gets the writes."""
        dropped = [legs[index] for index in mirror.mirror.dropped]
        if record.noted_loss != (mirror.name, mirror.mirror.dropped):
            self._note_loss(record, dropped, self._complete(mirror, legs),
                            groups)
            record.noted_loss = (mirror.name, mirror.mirror.dropped)
        complete = self._complete(mirror, legs)
        if not set(complete) & set(groups):
            return
        self._remove_mirrors(record.name, self._mapper.devices())
        # So that its disk is not in use, should it come back. A copy that was
        # still being filled joins again.
        self._replace_mirror(
            record, mirror, record.current.generation,
            [group if group in complete else None for group in legs], groups)
        record.noted_loss = None
        self._remove_mirrors(record.name, self._mapper.devices())

    def _note_loss(self, record, dropped, complete, groups):
        """Write down that some copies no longer get the writes.

        :param dropped: their volume groups, None for one that is gone
        :param complete: volume groups of the copies that go on
        """
        record.marked, record.copying = False, None
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
            generation = self._raise_complete(
                record, record.current.generation, groups, visible,
                self._covered(name, groups, visible, dropped))
            self._save_loss(record, generation, holder, lost, message)
        elif not lost:
            self._save_loss(record, record.current.generation, holder, lost,
                            message)
        LOG.error('Volume %s %s.', name, message)

    def _save_loss(self, record, generation, holder, lost, message):
        """Change a record once the database has it."""
        current = copies.Current(generation, holder, lost)
        status = (Status.ERROR if lost or self._status(True) == Status.ENABLED
                  else self._status(False))
        records.save(dataclasses.replace(
            record, status=status, current=current), message)
        record.status, record.current = status, current
