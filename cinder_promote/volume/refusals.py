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

"""What the replicated LVM driver does not do to a replicated volume yet.

Cinder's LVM driver would do each of these on one copy only.
"""

from cinder import exception


class NotForReplicatedVolumes(exception.VolumeDriverException):
    """An operation that is refused, with nothing done."""

    message = ('%(operation)s is not supported for replicated volume '
               '%(name)s; nothing was changed.')


class Refusals:
    """Refuses, and passes on what concerns other volumes."""

    def _refuse(self, operation, *volumes):
        for volume in volumes:
            if volume is not None and self._is_replicated(volume):
                raise NotForReplicatedVolumes(operation=operation,
                                              name=volume.name)

    def create_snapshot(self, snapshot):
        """Create a snapshot of a volume that is not replicated."""
        # Cloning without thin pools passes a dictionary here.
        self._refuse('creating a snapshot',
                     getattr(snapshot, 'volume', None))
        return super().create_snapshot(snapshot)

    def create_volume_from_snapshot(self, volume, snapshot):
        """Create a volume from a snapshot, neither of them replicated."""
        self._refuse('creating a volume from a snapshot', volume,
                     snapshot.volume)
        return super().create_volume_from_snapshot(volume, snapshot)

    def revert_to_snapshot(self, context, volume, snapshot):
        """Revert a volume that is not replicated."""
        self._refuse('reverting to a snapshot', volume)
        return super().revert_to_snapshot(context, volume, snapshot)

    def create_cloned_volume(self, volume, src_vref):
        """Clone a volume, neither of them replicated."""
        self._refuse('cloning', volume, src_vref)
        return super().create_cloned_volume(volume, src_vref)

    def extend_volume(self, volume, new_size):
        """Extend a volume that is not replicated."""
        self._refuse('extending', volume)
        return super().extend_volume(volume, new_size)

    def manage_existing(self, volume, existing_ref):
        """Manage a logical volume as one that is not replicated."""
        # The parent passes a dictionary for a snapshot.
        if not isinstance(volume, dict):
            self._refuse('managing a logical volume', volume)
        return super().manage_existing(volume, existing_ref)

    def manage_existing_snapshot(self, snapshot, existing_ref):
        """Manage a snapshot of a volume that is not replicated."""
        self._refuse('managing a snapshot', snapshot.volume)
        return super().manage_existing_snapshot(snapshot, existing_ref)

    def unmanage(self, volume):
        """Unmanage a volume that is not replicated."""
        self._refuse('unmanaging', volume)
        return super().unmanage(volume)

    def retype(self, context, volume, new_type, diff, host):
        """Retype a volume that is not replicated to such a type."""
        self._refuse('retyping', volume)
        specs = (diff or {}).get('extra_specs') or {}
        before, after = specs.get('replication_enabled', (None, None))
        if before != after:
            raise NotForReplicatedVolumes(operation='retyping to',
                                          name=volume.name)
        return super().retype(context, volume, new_type, diff, host)

    def migrate_volume(self, ctxt, volume, host, thin=False, mirror_count=0):
        """Migrate a volume that is not replicated."""
        self._refuse('migrating', volume)
        return super().migrate_volume(ctxt, volume, host, thin, mirror_count)

    def update_migrated_volume(self, ctxt, volume, new_volume,
                               original_volume_status):
        """Give a migrated volume its name.

        Devices of replicated volumes keep their names, so the volume is told
        to keep that of the migration.
        """
        if self._is_replicated(new_volume):
            return {'_name_id': new_volume['_name_id'] or new_volume['id'],
                    'provider_location': new_volume['provider_location']}
        return super().update_migrated_volume(ctxt, volume, new_volume,
                                              original_volume_status)
