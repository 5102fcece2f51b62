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

"""Bringing up what volumes lie on, as a killed service or a boot left it."""

from cinder import exception
from oslo_log import log as logging

from cinder_promote.privsep import lvm
from cinder_promote.volume import (
    copies,
    devices,
    records,
    results,
    superblocks,
)

LOG = logging.getLogger(__name__)
Status = records.Status


class Assembling:
    """The part of ``replication.Replication`` that starts volumes."""

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

    def _resume_devices(self, name, present):
        """Let go on what a killed service left suspended.

        :returns: the devices as they are then
        """
        front = devices.front_name(name)
        mirrors = self._mirrors(name, present)
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
        if legs[0] != self._volume_group:
            self._finish_failover(record, generation, legs, mirror, groups)
            return
        if not self._is_of_use(record, mirror, legs, groups):
            self._make_single(record, generation, mirror, groups)
        elif {group for group in legs if group} - {
                self._volume_group, *self._kept()}:
            self._rebuild(record, mirror, legs, groups)
        else:
            self._note(record, generation,
                       record.status if record.status == Status.ERROR
                       else self._status(self._is_protected(mirror, legs)))

    def _is_of_use(self, record, mirror, legs, groups):
        """Whether the mirror of a volume is worth more than its one copy."""
        kept = set(self._kept())
        if self._home or any(
                group in kept and mirror.mirror.health[index] in 'Aa'
                for index, group in enumerate(legs)):
            return True
        own = self._groups.copies(groups, record.name)[self._volume_group]
        return any(copies.since_tags(own.since, group) for group in kept)

    def _finish_failover(self, record, generation, legs, mirror, groups):
        """Switch a volume that a killed fail-over did not come to."""
        if not mirror.mirror.leg_complete(legs.index(self._volume_group)):
            self._note_behind(record, self._complete(mirror, legs), groups)
            return
        complete = self._going_on(record.name, groups, mirror)
        raised = self._raise_complete(
            record, generation, groups, complete,
            self._covered(record.name, groups, complete, [legs[0]]))
        self._note_waiting(record, raised, legs)
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

    # A boot

    def _assemble(self, record, generation, groups):
        """Set up the devices of a volume that has none, as after a boot.

        The last mirror knows better than the tags if a copy was dropped and
        the service had no time to mark it.
        """
        name = record.name
        seen = self._groups.copies(groups, name)
        equal = [group for group in [self._volume_group, *self._kept()]
                 if group in seen and seen[group].generation == generation]
        for group in equal:
            self._groups.activate(group, name)
        slot, found = self._last_mirror(equal, name)
        if slot is None:
            self._assemble_single(record, generation, groups)
            return
        complete = superblocks.complete(found)
        if self._volume_group not in complete:
            self._note_loss(record, [self._volume_group],
                            [group for group in equal if group in complete],
                            groups)
            return
        complete = [group for group in equal if group in complete]
        absent = [group for group in self._kept() if group not in complete]
        if absent:
            since = self._covered(name, groups, complete)
            generation = self._raise_complete(
                record, generation, groups, complete,
                since - self._in_doubt(name, slot, absent, since, groups))
        size = record.served_size(*(seen[group] for group in complete))
        legs = self._positions(complete)
        self._groups.derive_metadata(self._volume_group, slot, legs, name,
                                     size)
        mirror = devices.mirror_name(name, generation)
        self._mapper.create(mirror, devices.mirror_table(
            size, name, legs, devices.Legs.KNOWN, slot))
        self._note(record, generation, self._status(not absent))
        self._mapper.create(devices.front_name(name),
                            devices.front_over_mirror(size, mirror))
        if len(complete) > 1:
            self._mapper.repair(mirror)

    def _in_doubt(self, name, slot, absent, since, groups):
        """The tags that tell of more than a bitmap may cover.

        A copy that had been filled may have failed since, with nobody to see
        to it that it missed nothing but what the bitmap has.

        :param slot: which metadata volumes were those of the last mirror
        :param absent: volume groups that it has no complete copy in
        """
        tags = set()
        for group in absent:
            tag = copies.since_tag(group, copies.INCOMPLETE)
            if tag not in since:
                continue
            tags.add(tag)
            if group in groups:
                self._groups.activate(group, name)
                found = self._groups.superblocks([group], name)[group][slot]
                if found and not found.is_filled:
                    tags.remove(tag)
        return tags

    def _assemble_single(self, record, generation, groups):
        name = record.name
        raised = self._raise(groups, {name: generation},
                             [self._volume_group], {})[name]
        self._settle(record, raised)
        copy = groups[self._volume_group].volumes[name]
        self._mapper.create(
            devices.front_name(name), devices.front_over_copy(
                record.served_size(copy), self._volume_group, name))

    def _last_mirror(self, volume_groups, name):
        """What the last mirror of a volume knew of some legs.

        :param volume_groups: the first is the one that is served
        :returns: which metadata volumes were its own, None without a mirror,
            and ``superblocks.Superblock`` of each leg of it
        """
        found = self._groups.superblocks(volume_groups, name)
        slot = superblocks.newest(found[volume_groups[0]])
        if slot is None:
            return None, {}
        return slot, {group: each[slot] for group, each in found.items()
                      if each[slot]}
