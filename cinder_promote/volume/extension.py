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

"""Extending a replicated volume, attached or not.

First every copy grows, then the mirror of them, then the new part is cleared
where it may hold old data, and the front comes last. So nobody sees a part
that is not on every copy; and a front that is smaller than what lies beneath
it tells that an extension was not finished.
"""

import collections.abc
import dataclasses
import functools

from oslo_log import log as logging

from cinder_promote.privsep import lvm
from cinder_promote.volume import devices, records, results

LOG = logging.getLogger(__name__)

#: How often an extension is begun anew because something else, such as a
#: fail-over, changed what a volume lies on.
ATTEMPTS = 3


@dataclasses.dataclass(frozen=True)
class Room:
    """What lies beneath a front that is to be extended.

    ``device`` is its name, ``table`` that of a front of the new size over it,
    ``clear`` a function that clears a part of it, None if that need not be;
    the new part starts at ``start``, in bytes.
    """

    device: str
    table: str
    clear: collections.abc.Callable | None
    start: int


class Extending:
    """The part of ``replication.Replication`` that extends volumes."""

    def extend(self, name, size):
        """Extend a volume, its copies and all devices over them.

        One whose mirror is not in sync is served from its one copy, so that
        the look that follows fills others of the new size. What an extension
        that failed has done already is not done again.

        :param size: in bytes
        :raises CommandFailed: it has its old size still
        """
        record = self._records.get(name)
        if record is None:
            raise results.CommandFailed(
                data='volume %s has no copies that are known' % name)
        record.extending = True
        try:
            for __ in range(ATTEMPTS):
                with self._turn():
                    room = self._make_room(record, size)
                cleared = self._clear(record, room, size)
                with self._turn():
                    if cleared and self._extend_front(record, room, size):
                        return
        finally:
            record.extending = False
        raise results.CommandFailed(
            data='what volume %s lies on changed each time it was to be '
            'extended' % name)

    def _make_room(self, record, size):
        """Extend what lies beneath a volume's front.

        :returns: ``Room``
        """
        name = record.name
        if record.status == records.Status.FAILOVER_ERROR or (
                record.current.lost):
            raise results.CommandFailed(
                data='volume %s lost its copy in volume group %s and was not '
                'failed over' % (name, record.current.lost or
                                 record.current.volume_group))
        groups = self._groups.scan()
        if self._volume_group not in groups:
            raise results.CommandFailed(
                data='volume group %s can not be found' % self._volume_group)
        present = self._mapper.devices()
        front = present.get(devices.front_name(name))
        if front is None:
            raise results.CommandFailed(
                data='volume %s has no device %s'
                % (name, devices.front_name(name)))
        mirror = self._live_mirror(name, present)
        legs = self._legs(mirror, name, groups) if mirror else []
        if mirror and not (mirror.mirror.in_sync and set(legs) <= set(groups)):
            self._stop_filling(name)
            self._make_single(record, record.current.generation, mirror,
                              groups)
            groups = self._groups.scan()
            mirror = None
        elif not mirror:
            self._expect_single(record, present)
        if not mirror:
            legs = [self._volume_group]
        # The primary last: where a target has no room, it stays as it was.
        for group in reversed(legs):
            self._groups.extend_copy(groups, group, name, size)
        if mirror:
            room = Room(mirror.name,
                        devices.front_over_mirror(size, mirror.name),
                        functools.partial(self._mapper.clear, mirror.name),
                        front.size)
            if mirror.mirror.size < size:
                self._extend_mirror(record, mirror, legs, size)
        else:
            group = self._volume_group
            room = Room(lvm.device_name(group, name),
                        devices.front_over_copy(size, group, name),
                        functools.partial(self._groups.clear, group, name),
                        front.size)
        if all(groups[group].volumes[name].pool for group in legs):
            # What was never written to reads as zeros.
            room = dataclasses.replace(room, clear=None)
        return room

    def _clear(self, record, room, size):
        """Clear the new part of what lies beneath a front.

        That takes long: others need not wait for it, a fail-over must not.

        :returns: False if a fail-over took it away
        :raises CommandFailed: it is not cleared
        """
        if not room.clear:
            return True
        try:
            self._groups.in_steps(room.clear, room.start, size)
        except results.CommandFailed:
            front = self._mapper.devices().get(
                devices.front_name(record.name))
            if front is None or front.uses == (room.device,):
                raise
            return False
        return True

    def _extend_mirror(self, record, mirror, legs, size):
        # Also what runs already is over the new part only from here on.
        if mirror.mirror.action == 'repair':
            record.unequal = mirror.name
        # The kernel clears all bits for that.
        self._flushes.forget(record.name)
        self._mapper.replace_table(mirror.name, devices.mirror_table(
            size, record.name, legs, devices.Legs.KNOWN, mirror.slot))

    def _extend_front(self, record, room, size):
        """Give a front the size of what lies beneath it.

        :returns: False if it lies on something else meanwhile
        :raises CommandFailed: what lies beneath it is smaller
        """
        present = self._mapper.devices()
        front = present.get(devices.front_name(record.name))
        if front is None or front.uses != (room.device,):
            return False
        # A kernel has mirrors that it leaves as they are, saying nothing.
        mirror = present[room.device].mirror
        if mirror and mirror.size < size:
            raise results.CommandFailed(
                data='mirror %s has %d bytes, expected %d'
                % (room.device, mirror.size, size))
        if front.size < size:
            self._mapper.replace_table(front.name, room.table)
            LOG.info('Volume %s has %d bytes now.', record.name, size)
        record.size = size
        return True

    def _repair_again(self, record, mirror):
        """Go on making legs equal once a mirror is done with its new part."""
        if record.unequal and mirror and mirror.mirror.action == 'idle':
            if record.unequal == mirror.name and mirror.mirror.in_sync:
                self._mapper.repair(mirror.name)
            record.unequal = None

    def _note_sizes(self):
        """Know which volumes are larger already than the database says.

        A device that may be in use must not shrink.
        """
        present = self._mapper.devices()
        for record in self._records.values():
            front = present.get(devices.front_name(record.name))
            if front and front.size:
                record.size = front.size
