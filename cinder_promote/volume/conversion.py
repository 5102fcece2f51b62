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

"""Making plain logical volumes replicated ones, and the other way round.

A volume is a replicated one as soon as the database holds its current copy,
and a plain one when it does so no longer. Its logical volume is tagged after
the former and untagged before the latter. So what is found in between, at the
next start, is a volume whose current copy has no tags; it gets them, and is a
replicated one.
"""

from cinder import exception
from cinder.volume import volume_utils
from oslo_log import log as logging
from oslo_utils import excutils, units

from cinder_promote.volume import copies, devices, records, results

LOG = logging.getLogger(__name__)
Status = records.Status


def whole_gib(plain):
    """The size of a volume that holds a logical volume, in GiB."""
    return -(-plain.size // units.Gi)


class Converting:
    """The part of ``replication.Replication`` that converts volumes."""

    def replicate(self, volume):
        """Make a plain logical volume the served copy of a volume.

        The look that follows protects it.

        :param volume: one that nobody uses; its logical volume has its name
        :returns: its ``records.Record``
        :raises CommandFailed: it is a plain one still
        """
        name = volume.name
        with self._turn():
            if name in self._records:
                return self._records[name]
            group = self._volume_group
            groups = self._groups.scan()
            plain = groups[group].volumes.get(name) if group in groups else (
                None)
            if plain is None or copies.is_copy(plain.tags):
                raise results.CommandFailed(
                    data='volume group %s has no plain logical volume %s'
                    % (group, name))
            # What a conversion that failed may have left.
            self._remove_devices(name)
            if self._groups.is_open(group, name):
                raise results.CommandFailed(
                    data='logical volume %s/%s is in use' % (group, name))
            size = self._fill_up(groups, plain, volume.size << 30)
            generation = 1 + max(
                [copies.generation_before(volume.replication_driver_data)] +
                [copy.generation for copy in
                 self._groups.copies(groups, name).values()])
            record = records.Record(
                volume.id, name, size, volume.replication_status,
                copies.Current(generation, group))
            status, extended = (volume.replication_status,
                                volume.replication_driver_data)
            self._records[name] = record
            try:
                record.status = self._status(False)
                records.save(record)
                self._groups.adopt(groups, group, name, generation)
                self._mapper.create(
                    devices.front_name(name),
                    devices.front_over_copy(size, group, name))
            except Exception:
                with excutils.save_and_reraise_exception():
                    self._records.pop(name)
                    self._give_up(record, status, extended)
            return record

    def _fill_up(self, groups, plain, size):
        """Give a logical volume the whole GiB that Cinder counts.

        :param size: of the volume in bytes, 0 if it is being managed
        :returns: its size in bytes
        :raises CommandFailed: it is larger than the volume
        """
        size = size or whole_gib(plain) * units.Gi
        if plain.size > size:
            raise results.CommandFailed(
                data='logical volume %s has %d bytes, more than the %d of '
                'the volume' % (plain.name, plain.size, size))
        if plain.size < size:
            group = self._volume_group
            self._groups.extend_copy(groups, group, plain.name, size)
            if not plain.pool:
                self._groups.clear_part(group, plain.name, plain.size, size)
        return size

    def _give_up(self, record, status, driver_data):
        """Have a volume plain again that could not become replicated."""
        name, group = record.name, record.current.volume_group
        try:
            self._remove_devices(name)
            self._groups.release(self._groups.scan(), group, name)
            records.restore(record, status, driver_data)
        except Exception:
            LOG.exception('The next start makes volume %s a replicated one.',
                          name)

    def make_plain(self, name):
        """Make the served copy of a volume a plain logical volume.

        The other copies are removed; one on a disk that is away goes when the
        driver starts and sees it. The database is the caller's.

        :param name: of a volume that nobody uses
        :returns: what is to be its ``replication_driver_data``
        :raises CommandFailed: it is a replicated one still
        """
        with self._turn():
            record = self._records.get(name)
            if record is None:
                raise results.CommandFailed(
                    data='volume %s has no copies that are known' % name)
            group = self._volume_group
            groups = self._groups.scan()
            present = self._mapper.devices()
            self._check_plain(record, groups, present)
            self._stop_filling(name)
            # Nothing is changed if it is in use after all.
            self._remove_devices(name)
            try:
                generation = self._raise(
                    groups, {name: self._newest(name, groups)},
                    [group], {})[name]
                self._note(record, generation, Status.DISABLED)
                self._groups.release(self._groups.scan(), group, name)
            except Exception:
                with excutils.save_and_reraise_exception():
                    self._stay_replicated(record)
            self._records.pop(name)
        self._remove_others(name, group)
        return copies.plain_since(generation)

    def _check_plain(self, record, groups, present):
        """Make sure that the served copy has everything, and no more."""
        name, group = record.name, self._volume_group
        copy = self._groups.copies(groups, name).get(group)
        if copy is None or record.current.lost or (
                record.status == Status.FAILOVER_ERROR):
            raise results.CommandFailed(
                data='volume group %s has no current copy of volume %s'
                % (group, name))
        mirror = self._live_mirror(name, present)
        if mirror is None:
            self._expect_single(record, present)
        else:
            legs = self._legs(mirror, name, groups)
            if group not in legs or not mirror.mirror.leg_complete(
                    legs.index(group)):
                raise results.CommandFailed(
                    data='the copy of %s in volume group %s is not in sync'
                    % (name, group))
        if (copy.size > record.served_size(copy) and
                not groups[group].volumes[name].pool):
            raise results.CommandFailed(
                data='volume %s was not extended to the end; extend it again '
                'first' % name)

    def _stay_replicated(self, record):
        """Serve a volume again that could not become a plain one."""
        try:
            groups = self._finish_conversions(self._groups.scan())
            generation = self._newest(record.name, groups)
            self._start_volume(record, generation, groups,
                               self._mapper.devices())
        except Exception:
            LOG.exception('Volume %s is served again by the next start.',
                          record.name)

    def _remove_others(self, name, group):
        """Remove the copies of a volume that is a plain one now."""
        try:
            groups = self._groups.scan()
        except exception.VolumeBackendAPIException:
            LOG.exception('Old copies of volume %s are there still.', name)
            return
        for other in sorted(set(groups) - {group}):
            if self._groups.copies({other: groups[other]}, name):
                try:
                    self._groups.remove_copy(groups, other, name)
                except exception.VolumeBackendAPIException:
                    LOG.exception('The copy of volume %s in volume group %s '
                                  'is there still.', name, other)

    def _finish_conversions(self, groups):
        """Tag the current copies of volumes whose conversion was killed.

        :param groups: a scan
        :returns: a scan of what is there then
        """
        changed = False
        for record in self._records.values():
            name, current = record.name, record.current
            group = groups.get(current.volume_group)
            plain = group and group.volumes.get(name)
            if not plain or copies.is_copy(plain.tags) or any(
                    copy.generation >= current.generation for copy in
                    self._groups.copies(groups, name).values()):
                continue
            LOG.info('Volume %s is made a replicated one.', name)
            with self._errors_of(record):
                self._groups.adopt(groups, group.name, name,
                                   current.generation)
                changed = True
        return self._groups.scan() if changed else groups

    def _is_left_by_plain(self, name, group, groups):
        """Whether a copy is that of a volume which is a plain one now.

        It must be seen as such: the database alone could be an old one.
        """
        serving = groups.get(self._volume_group)
        plain = serving and serving.volumes.get(name)
        return bool(
            plain and group != serving.name and
            not copies.is_copy(plain.tags) and
            records.is_plain(volume_utils.extract_id_from_volume_name(name),
                             name))
