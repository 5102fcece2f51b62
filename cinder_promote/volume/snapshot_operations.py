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

"""What Cinder's driver interface does with snapshots and clones."""

import contextlib
import functools

from cinder.volume import volume_utils
from oslo_log import log as logging
from oslo_utils import excutils, units

from cinder_promote.volume import devices, snapshots

LOG = logging.getLogger(__name__)


class SnapshotOperations:
    """Does what involves a replicated volume, and passes on the rest.

    Where each copy of a new volume can be a thin snapshot, all are equal at
    once; else the new volume is empty and is copied into, as any writer does,
    by way of what is exported of it.
    """

    def create_snapshot(self, snapshot):
        """Take a snapshot, of every copy that is in sync."""
        # Cloning without thin pools passes a dictionary here.
        if isinstance(snapshot, dict) or not self._is_replicated(
                snapshot.volume):
            return super().create_snapshot(snapshot)
        return self._snapshots.create(
            snapshot.volume.name, self._escape_snapshot(snapshot.name))

    def delete_snapshot(self, snapshot):
        """Delete a snapshot in every volume group that can be seen."""
        if isinstance(snapshot, dict) or not self._snapshots.delete(
                self._escape_snapshot(snapshot.name)):
            super().delete_snapshot(snapshot)

    def manage_existing_snapshot(self, snapshot, existing_ref):
        """Take over a logical volume as a snapshot of a volume."""
        super().manage_existing_snapshot(snapshot, existing_ref)
        if not self._is_replicated(snapshot.volume):
            return
        name = self._escape_snapshot(snapshot.name)
        try:
            self._snapshots.adopt(snapshot.volume.name, name)
        except Exception:
            with excutils.save_and_reraise_exception():
                self.vg.rename_volume(name, existing_ref['source-name'])

    def unmanage_snapshot(self, snapshot):
        """Let go of a snapshot; what stays is one plain logical volume."""
        name = self._escape_snapshot(snapshot.name)
        volume_group = self.configuration.volume_group
        if self._snapshots.is_replicated(name, volume_group):
            self._snapshots.let_go(name, volume_group)
        return super().unmanage_snapshot(snapshot)

    def create_volume_from_snapshot(self, volume, snapshot):
        """Create a volume from a snapshot."""
        name = self._escape_snapshot(snapshot.name)
        replicated_source = self._snapshots.is_replicated(
            name, self.configuration.volume_group)
        if not replicated_source and not volume.is_replicated():
            return super().create_volume_from_snapshot(volume, snapshot)
        self._forget_driver_data(volume)
        if replicated_source:
            self._snapshots.check(name, self.configuration.volume_group)
            if self.configuration.lvm_type == 'thin':
                with self._copying_instead(volume):
                    return self._share_snapshot(volume, name)
        return self._create_and_copy(volume, name, snapshot.volume_size)

    def create_cloned_volume(self, volume, src_vref):
        """Create a volume with what another holds at one instant."""
        replicated_source = self._is_mirror(src_vref)
        if not replicated_source and not volume.is_replicated():
            return super().create_cloned_volume(volume, src_vref)
        self._forget_driver_data(volume)
        if replicated_source and self.configuration.lvm_type == 'thin':
            with self._copying_instead(volume):
                return self._share_volume(volume, src_vref)
        name = snapshots.TEMPORARY + volume.id
        if replicated_source:
            self._snapshots.create(src_vref.name, name, everywhere=False)
        else:
            self._groups.scan()
            self._groups.create_snapshot(
                self.configuration.volume_group, src_vref.name, name, 1)
        try:
            return self._create_and_copy(volume, name, src_vref.size)
        finally:
            self._snapshots.take_back(name)

    def revert_to_snapshot(self, context, volume, snapshot):
        """Copy a snapshot back into its volume.

        Nothing but the volume is written to, and nothing is done beneath it:
        its copies stay equal, and what failed half-way can be done again.
        """
        if not self._is_replicated(volume):
            return super().revert_to_snapshot(context, volume, snapshot)
        source = self._activate_source(self._escape_snapshot(snapshot.name))
        sparse = (self.configuration.lvm_type == 'thin' and
                  self._mapper.discard(devices.front_name(volume.name),
                                       snapshot.volume_size * units.Gi))
        return self._copy(source, volume, snapshot.volume_size, sparse)

    @staticmethod
    def _forget_driver_data(volume):
        """Drop what a row has that Cinder copied from another volume's."""
        if volume.replication_driver_data:
            volume.replication_driver_data = None
            volume.save()

    @contextlib.contextmanager
    def _copying_instead(self, volume):
        try:
            yield
        except snapshots.NotShareable as error:
            LOG.info('Volume %s is copied into, for %s', volume.name, error)

    def _share_snapshot(self, volume, name):
        if volume.is_replicated():
            return self._create_replicated(volume, functools.partial(
                self._snapshots.copies_of_snapshot, name, volume.name))
        self._groups.create_snapshot(self.configuration.volume_group, name,
                                     volume.name, None)
        return self._complete_plain(volume)

    def _share_volume(self, volume, source):
        if volume.is_replicated():
            return self._create_replicated(volume, functools.partial(
                self._snapshots.copies_of_volume, source.name, volume.name))
        self._snapshots.share_served(source.name, volume.name)
        return self._complete_plain(volume)

    def _complete_plain(self, volume):
        """Make a snapshot a volume that is not replicated."""
        volume_group = self.configuration.volume_group
        self._groups.extend_copy(self._groups.scan(), volume_group,
                                 volume.name, volume.size * units.Gi)
        self._groups.activate(volume_group, volume.name, metadata=False)

    def _create_and_copy(self, volume, source, size):
        """Create a volume and fill it from a snapshot.

        :param source: name of the logical volume
        :param size: of the snapshot, in GiB
        """
        path = self._activate_source(source)
        updates = self.create_volume(volume)
        try:
            self._copy(path, volume, size, self._sparse_copy_volume)
        except Exception:
            with excutils.save_and_reraise_exception():
                self._delete_unfilled(volume)
        return updates

    def _delete_unfilled(self, volume):
        try:
            self.delete_volume(volume)
        except Exception:
            LOG.exception('What was made of volume %s is there still.',
                          volume.name)

    def _activate_source(self, name):
        """The path of a snapshot where volumes are served from."""
        volume_group = self.configuration.volume_group
        if self._snapshots.is_replicated(name, volume_group):
            self._snapshots.check(name, volume_group)
            self._groups.activate(volume_group, name, metadata=False)
        else:
            self.vg.activate_lv(name, is_snapshot=True)
        return self.local_path({'name': name})

    def _copy(self, source, volume, size, sparse):
        volume_utils.copy_volume(
            source, self.local_path(volume), size * units.Ki,
            self.configuration.volume_dd_blocksize, execute=self._execute,
            sparse=sparse)
