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

    def manage_existing_snapshot(self, snapshot, existing_ref):
        """Manage a snapshot of a volume that is not replicated."""
        self._refuse('managing a snapshot', snapshot.volume)
        return super().manage_existing_snapshot(snapshot, existing_ref)
