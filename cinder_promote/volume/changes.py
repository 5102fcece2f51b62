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

"""What the replicated LVM driver does to a volume as a whole.

Extending it, changing its type, moving it between backends, taking over
logical volumes and letting go of them.
"""

from cinder import exception
from oslo_log import log as logging
from oslo_utils import excutils

from cinder_promote.volume import conversion, copies, records

LOG = logging.getLogger(__name__)


class VolumeChanges:
    """The part of the driver that passes on what is not for mirrors."""

    def extend_volume(self, volume, new_size):
        """Extend a volume, to a size in GiB.

        :raises TargetUpdateFailed: it was extended, but initiators may see
            its old size
        """
        if not self._is_replicated(volume):
            return super().extend_volume(volume, new_size)
        self._replication.extend(volume.name, new_size << 30)
        try:
            self.target_driver.extend_target(volume)
        except Exception as error:
            LOG.exception('The target of volume %s was not updated.',
                          volume.name)
            raise exception.TargetUpdateFailed(
                volume_id=volume.id) from error
        return None

    def retype(self, context, volume, new_type, diff, host):
        """Change a volume to another type of this backend.

        :returns: whether it was done, and what changed in the database. A
            volume that is attached, or has snapshots, does not become
            replicated here, nor does it cease to be.
        """
        before = records.of_volume(volume) is not None
        after = bool(new_type.is_replicated())
        if before == after:
            return super().retype(context, volume, new_type, diff, host)
        if volume.volume_attachment or volume.snapshots:
            LOG.info('Volume %s is attached or has snapshots; it can not be '
                     'retyped in place.', volume.name)
            return False, None
        return True, (self._replicate(volume) if after
                      else self._make_plain(volume))

    def manage_existing_get_size(self, volume, existing_ref):
        """The size of a logical volume, in whole GiB.

        The parent drops some MiB, which a copy would be short of.
        """
        size = super().manage_existing_get_size(volume, existing_ref)
        if not volume.is_replicated():
            return size
        return conversion.whole_gib(self._groups.scan()[
            self.vg.vg_name].volumes[existing_ref['source-name']])

    def manage_existing(self, volume, existing_ref):
        """Take over a logical volume."""
        # The parent passes a dictionary for a snapshot.
        if isinstance(volume, dict) or not volume.is_replicated():
            return super().manage_existing(volume, existing_ref)
        source = existing_ref['source-name']
        if self._groups.is_open(self.vg.vg_name, source):
            raise exception.ManageExistingInvalidReference(
                existing_ref=existing_ref, reason='it is in use')
        super().manage_existing(volume, existing_ref)
        try:
            return self._replicate(volume)
        except Exception:
            with excutils.save_and_reraise_exception():
                self.vg.rename_volume(volume.name, source)

    def unmanage(self, volume):
        """Let go of a volume; what stays is one plain logical volume."""
        if records.of_volume(volume) is not None:
            self._replication.make_plain(volume.name)
        return super().unmanage(volume)

    def _replicate(self, volume):
        record = self._replication.replicate(volume)
        # The rest is in the database already, and may change at any time.
        return {'replication_status': record.status}

    def _make_plain(self, volume):
        return {'replication_status': records.Status.DISABLED,
                'replication_extended_status': None,
                'replication_driver_data':
                    self._replication.make_plain(volume.name)}

    def migrate_volume(self, ctxt, volume, host, thin=False, mirror_count=0):
        """Migrate a volume to another volume group of this host.

        :returns: whether it was done; replicated volumes are left to Cinder,
            which copies them to a new one
        """
        if self._is_replicated(volume):
            return False, None
        return super().migrate_volume(ctxt, volume, host, thin, mirror_count)

    def update_migrated_volume(self, ctxt, volume, new_volume,
                               original_volume_status):
        """Give a migrated volume its name.

        Devices and copies of replicated volumes keep their names, and those
        of the old volume may be in the same volume group, so the volume is
        told to keep the name of the new one.
        """
        if self._is_replicated(new_volume) or (
                copies.Current.from_driver_data(
                    volume.replication_driver_data)):
            return {'_name_id': new_volume['_name_id'] or new_volume['id'],
                    'provider_location': new_volume['provider_location']}
        return super().update_migrated_volume(ctxt, volume, new_volume,
                                              original_volume_status)
