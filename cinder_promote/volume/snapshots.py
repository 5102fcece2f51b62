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

"""Snapshots of replicated volumes.

A snapshot is a logical volume beside each copy that was in sync when it was
taken, named and tagged as a copy is. All of them were made while nothing was
written, so they are equal, and none changes any more: one that was taken stays
right whatever becomes of the copy beside it. It gets the generation of its
volume once it is known to be whole; until then it has the generation of an
incomplete copy and is not used.
"""

import threading

from cinder import exception
from cinder.volume import volume_utils
from oslo_log import log as logging
from oslo_utils import excutils

from cinder_promote.privsep import snapshots
from cinder_promote.volume import (
    copies,
    devices,
    filling,
    records,
    results,
)

LOG = logging.getLogger(__name__)

#: How often a mirror may change between a look at it and its suspension.
ATTEMPTS = 3
#: Cinder's names of snapshots begin as LVM reserves it for itself.
ESCAPE = '_'
#: What the names of snapshots begin with that last as long as a copy is made.
TEMPORARY = 'clone-snap-'


class SnapshotMissing(exception.VolumeBackendAPIException):
    """A snapshot is not, or not whole, where volumes are served from."""

    message = 'Volume group %(volume_group)s has no snapshot %(name)s.'


class NotShareable(exception.CinderException):
    """A copy can't be a snapshot of something that is equal everywhere."""

    message = ('volume group %(volume_group)s has no copy of %(name)s that is '
               'equal to the others.')


class Snapshots:
    """The snapshots of one backend's replicated volumes.

    :param groups: ``groups.VolumeGroups``
    :param mapper: ``devices.DeviceMapper``
    :param replication: ``replication.Replication``
    """

    def __init__(self, groups, mapper, replication):
        self._groups = groups
        self._mapper = mapper
        self._replication = replication

    # Start

    def sweep(self):
        """Remove what is left of snapshots.

        Those that were deleted while a disk was away, and those that a copy
        was being made from. The start does not wait for that.
        """
        left = []
        groups = self._groups.scan()
        for group in groups.values():
            for name, volume in group.volumes.items():
                if (self._groups.copies({group.name: group}, name) and
                        self._is_left(name, volume)):
                    left.append((group.name, name))
        if left:
            threading.Thread(target=self._remove_left, args=(groups, left),
                             daemon=True).start()

    def _is_left(self, name, volume):
        if not name.startswith(TEMPORARY):
            snapshot_id = volume_utils.extract_id_from_snapshot_name(
                name.removeprefix(ESCAPE))
            if not (snapshot_id and
                    records.is_snapshot_deleted(snapshot_id)):
                return False
        # A thick one goes with what it was made of.
        origin = (not volume.pool and volume.origin and
                  volume_utils.extract_id_from_volume_name(volume.origin))
        return not (origin and records.is_deleted(origin))

    def _remove_left(self, groups, left):
        for group, name in left:
            LOG.info('Removing what is left of snapshot %s from volume group '
                     '%s.', name, group)
            self._try_to_remove(groups, group, name)

    def _try_to_remove(self, groups, group, name):
        try:
            self._groups.remove_snapshot(groups, group, name)
        except exception.VolumeBackendAPIException:
            LOG.exception('Snapshot %s is in volume group %s still.', name,
                          group)

    # Snapshots of volumes

    def create(self, volume_name, name, everywhere=True):
        """Take a snapshot of every copy of a volume that is in sync.

        If that of the copy which is served can't be made, none is left. One
        of another copy that can't be made costs the snapshot's redundancy,
        as a copy that can't be written to costs the volume's.

        :param everywhere: if not, of the copy only that is served
        :raises CommandFailed: there is no snapshot
        """
        def choose(standing):
            return standing.complete if everywhere else [standing.serving]

        try:
            with self._replication.still(volume_name) as standing:
                standing, failures = self._take(
                    volume_name, name, choose, copies.INCOMPLETE, standing)
                if standing.serving in failures:
                    raise failures[standing.serving]
                self._confirm(name, standing, choose(standing), failures)
        except exception.VolumeBackendAPIException:
            with excutils.save_and_reraise_exception():
                self.take_back(name)
        if failures:
            self.take_back(name, failures)
        for group, error in failures.items():
            LOG.warning('Snapshot %s of volume %s is not in volume group %s: '
                        '%s', name, volume_name, group, error)

    def _take(self, volume_name, name, choose, generation, standing=None):
        """Make snapshots of a volume's copies at one instant.

        :param choose: tells from a ``replication.Standing`` in which volume
            groups
        :param generation: that of the snapshots
        :param standing: what was seen of the volume last
        :returns: the ``replication.Standing`` at that instant, and by volume
            group the exceptions of those that could not be made
        :raises CommandFailed: the volume could not be suspended or resumed
        """
        front = devices.front_name(volume_name)
        for __ in range(ATTEMPTS):
            standing = standing or self._replication.standing(volume_name)
            chosen = choose(standing)
            # Else the volume would stand still until one that hangs is given
            # up.
            seen = [group for group in chosen if group in standing.groups]
            if standing.serving not in seen:
                raise results.CommandFailed(
                    data='volume group %s can not be seen' % standing.serving)
            suspended, made, resumed, seconds = self._groups.take_snapshots(
                front, standing.mirror,
                [self._groups.snapshot_request(
                    group, volume_name, name, generation,
                    standing.equal or len(seen) == 1)
                 for group in seen])
            if suspended[0] != snapshots.CHANGED:
                break
            standing = None
        if resumed[0] != 0:
            self._mapper.resume(front)
        results.output(suspended, 'suspending volume %s' % volume_name)
        LOG.info('Volume %s stood still for %.2f seconds.', volume_name,
                 seconds)
        failures = {group: results.CommandFailed(data='it can not be seen')
                    for group in chosen if group not in seen}
        for group, result in zip(seen, made, strict=True):
            try:
                results.output(result, 'creating snapshot %s/%s'
                               % (group, name))
            except results.CommandFailed as error:
                failures[group] = error
        return standing, failures

    def _confirm(self, name, standing, volume_groups, failures):
        """Say in its tags that a snapshot is whole.

        :param failures: is added to
        :raises CommandFailed: the one that is served does not say so
        """
        groups = self._groups.scan()
        found = self._groups.copies(groups, name)
        for group in volume_groups:
            if group in failures:
                continue
            try:
                if group not in found:
                    raise results.CommandFailed(data='it can not be seen')
                self._groups.set_generation(groups, group,
                                            {name: standing.generation})
            except exception.VolumeBackendAPIException as error:
                if group == standing.serving:
                    raise
                failures[group] = error

    def take_back(self, name, volume_groups=None):
        """Remove what was made of a snapshot, as far as that is possible."""
        try:
            groups = self._groups.scan()
        except exception.VolumeBackendAPIException:
            LOG.exception('What was made of snapshot %s is there still.',
                          name)
            return
        for group in self._groups.copies(groups, name):
            if volume_groups is None or group in volume_groups:
                self._try_to_remove(groups, group, name)

    def delete(self, name):
        """Delete a snapshot in every volume group that can be seen.

        One on a disk that can't be seen goes when the driver starts and sees
        it.

        :returns: whether there was one
        :raises CommandFailed: it is there still
        """
        groups = self._groups.scan()
        found = self._groups.copies(groups, name)
        for group in found:
            self._groups.remove_snapshot(groups, group, name)
        return bool(found)

    def adopt(self, volume_name, name):
        """Make a plain logical volume a snapshot of a volume.

        What it holds is copied to wherever else the volume is in sync. As for
        one that is taken, what can't be copied costs its redundancy only.

        :param name: of what is beside the copy that is served
        :raises CommandFailed: it is a plain one still
        """
        with self._replication.still(volume_name) as standing:
            self._groups.adopt_snapshot(standing.serving, name,
                                        standing.generation)
        for group in standing.complete:
            if group == standing.serving:
                continue
            try:
                self._copy(standing, group, name)
            except exception.VolumeBackendAPIException:
                LOG.exception('Snapshot %s of volume %s is not in volume '
                              'group %s.', name, volume_name, group)
                self.take_back(name, [group])

    def _copy(self, standing, target, name):
        size = standing.groups[standing.serving].volumes[name].size
        self._groups.create_snapshot_copy(target, name, size)
        self._groups.activate(standing.serving, name, metadata=False)
        parts = self._groups.used_parts(standing.serving, name, size)
        for step in filling.steps(parts, filling.STEP):
            self._groups.copy_parts(standing.serving, target, name, step)
        self._groups.set_generation(self._groups.scan(), target,
                                    {name: standing.generation})

    def let_go(self, name, volume_group):
        """Make a snapshot a plain logical volume where volumes are served.

        The others are removed; one that can't be goes when the driver starts.

        :raises SnapshotMissing: it is not there
        :raises CommandFailed: it is there, and this driver's still
        """
        self.check(name, volume_group)
        groups = self._groups.scan()
        self._groups.release(groups, volume_group, name)
        for group in self._groups.copies(groups, name):
            if group != volume_group:
                self._try_to_remove(groups, group, name)

    def is_replicated(self, name, volume_group):
        """Whether a snapshot is one of a replicated volume.

        :param volume_group: where one of another volume has to be
        :raises SnapshotMissing: there is neither
        """
        groups = self._groups.scan()
        if self._groups.copies(groups, name):
            return True
        if volume_group not in groups or (
                name not in groups[volume_group].volumes):
            raise SnapshotMissing(name=name, volume_group=volume_group)
        return False

    def check(self, name, volume_group):
        """Make sure that a volume group has a snapshot of its copy.

        :raises SnapshotMissing: it has not
        """
        copy = self._groups.copies(self._groups.scan(), name).get(
            volume_group)
        if copy is None or copy.generation == copies.INCOMPLETE:
            raise SnapshotMissing(name=name, volume_group=volume_group)

    def check_none_depends(self, volume_name, volume_group):
        """Make sure that no snapshot goes with a copy of its volume.

        A thick one would. Cinder deletes snapshots before their volume.

        :raises VolumeIsBusy: one would
        """
        group = self._groups.scan().get(volume_group)
        for volume in group.volumes.values() if group else ():
            if (volume.origin == volume_name and not volume.pool and
                    not volume.name.startswith(TEMPORARY)):
                raise exception.VolumeIsBusy(volume_name=volume_name)

    # New volumes

    def copies_of_snapshot(self, name, volume_name, volume_groups):
        """Make copies of a new volume of a snapshot beside each.

        :raises NotShareable: a volume group has not got it, or not surely the
            same
        :raises CommandFailed: they were not all made
        """
        groups = self._groups.scan()
        found = self._groups.copies(groups, name)
        for group in volume_groups:
            if (group not in found or
                    found[group].generation == copies.INCOMPLETE or
                    len(volume_groups) > 1 and copies.UNEQUAL_TAG in
                    groups[group].volumes[name].tags):
                raise NotShareable(name=name, volume_group=group)
        for group in reversed(volume_groups):
            self._groups.create_snapshot(group, name, volume_name, 1)

    def copies_of_volume(self, source, volume_name, volume_groups):
        """Make copies of a new volume of the copies of another.

        :raises NotShareable: a volume group has no copy in sync, or not
            surely the same
        :raises CommandFailed: they were not all made
        """
        def choose(standing):
            for group in volume_groups:
                if group not in standing.complete or not (
                        standing.equal or len(volume_groups) == 1):
                    raise NotShareable(name=source, volume_group=group)
            return volume_groups

        __, failures = self._take(source, volume_name, choose, 1)
        for error in failures.values():
            raise error

    def share_served(self, source, volume_name):
        """Make a volume that is not replicated of the copy that is served.

        :raises CommandFailed: it was not made
        """
        with self._replication.still(source) as standing:
            __, failures = self._take(
                source, volume_name, lambda standing: [standing.serving],
                None, standing)
        for error in failures.values():
            raise error
