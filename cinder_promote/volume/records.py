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

"""What Cinder's database holds of a backend and its replicated volumes."""

import dataclasses

from cinder import context, exception, objects
from cinder.common import constants
from cinder.objects import fields
from cinder.volume import volume_utils
from oslo_log import log as logging
from oslo_utils import units

from cinder_promote.volume import copies, estimates

LOG = logging.getLogger(__name__)
Status = fields.ReplicationStatus
#: What the status of a volume was that can be served again after an error.
USABLE = ('available', 'in-use')


@dataclasses.dataclass
class Record:
    """A replicated volume.

    ``size`` is in bytes, ``current`` its current copy, ``noted_loss`` the
    mirror and those of its legs whose loss was written down, ``extending``
    whether it is being extended now, ``unequal`` a mirror that was extended
    before all was made equal that was being written as the host stopped,
    ``marked`` whether the tags of all copies are known to say that they are
    complete, ``copying`` what was copied last, or is to be.
    """

    volume_id: str
    name: str
    size: int
    status: str
    current: copies.Current
    progress: float = 0.0
    noted_loss: tuple | None = None
    extending: bool = False
    marked: bool = False
    unequal: str | None = None
    copying: estimates.Copying | None = None

    @property
    def is_served(self):
        """Whether it needs no fail-over, nor was left behind by one."""
        return not (self.status == Status.FAILOVER_ERROR or
                    self.current.lost)

    def served_size(self, *copies):
        """Bytes of it that are served.

        Copies are larger while it is extended, and what is in there may be
        somebody's old data. The database has no size of a volume yet that is
        being managed.

        :param copies: those that it is served from, anything with a size
        """
        return min([copy.size for copy in copies] +
                   ([self.size] if self.size else []))


def of_volume(volume):
    """The record of a volume, None if it is not a replicated one."""
    current = copies.Current.from_driver_data(volume.replication_driver_data)
    if current is None:
        return None
    return Record(volume.id, volume.name, volume.size * units.Gi,
                  volume.replication_status, current)


def of_backend(host):
    """Records of a backend's replicated volumes by name.

    Volumes that are being deleted are left out: their copies may be half
    gone, and the deletion is taken up again.

    :param host: the backend, host@name
    """
    volumes = objects.VolumeList.get_all(context.get_admin_context(),
                                         filters={'host': host})
    found = [of_volume(volume) for volume in volumes
             if volume.status != 'deleting' and
             not _is_half_a_migration(volume)]
    return {record.name: record for record in found if record}


def _is_half_a_migration(volume):
    """Whether a volume is the goal of a migration, and was not created.

    Cinder makes its row from that of the migrated volume, whose copies are
    not its own.
    """
    return (volume.is_migration_target() and
            volume.status in ('creating', 'error'))


def _find(record):
    """The volume whose data a record is of, None if there is none.

    Once a migration ends that is another row, by the same name.
    """
    ctxt = context.get_admin_context()
    try:
        volume = objects.Volume.get_by_id(ctxt, record.volume_id)
        if volume.name == record.name:
            return volume
    except exception.VolumeNotFound:
        pass
    for volume in objects.VolumeList.get_all(ctxt, filters={
            '_name_id':
                volume_utils.extract_id_from_volume_name(record.name)}):
        if volume.name == record.name:
            record.volume_id = volume.id
            return volume
    return None


def save(record, message=None, usable=False):
    """Write a record back to its volume.

    :param message: what an administrator should know of its state
    :param usable: whether a volume that a fail-over put to error is served
        after all
    """
    volume = _find(record)
    if volume is None:
        return
    volume.replication_status = record.status
    volume.replication_driver_data = record.current.to_driver_data()
    volume.replication_extended_status = message and message[:255]
    if (usable and volume.status == 'error' and
            volume.previous_status in USABLE):
        volume.status = volume.previous_status
    volume.save()


def restore(record, status, driver_data):
    """Write back what a volume had before it was to be replicated."""
    volume = _find(record)
    if volume is None:
        return
    volume.replication_status = status
    volume.replication_driver_data = driver_data
    volume.save()


def status_of(record):
    """The ``replication_status`` in the database, None without a volume."""
    volume = _find(record)
    return volume and volume.replication_status


def is_deleted(volume_id):
    """Whether the database says that a volume was deleted.

    A volume it knows nothing of is not a deleted one.
    """
    ctxt = context.get_admin_context(read_deleted='only')
    try:
        objects.Volume.get_by_id(ctxt, volume_id)
    except exception.VolumeNotFound:
        return False
    return True


def is_plain(volume_id, name):
    """Whether a volume has its data by a name, and is not replicated."""
    try:
        volume = objects.Volume.get_by_id(context.get_admin_context(),
                                          volume_id)
    except exception.VolumeNotFound:
        return False
    return (volume.name == name and not volume.is_replicated() and
            of_volume(volume) is None)


def is_snapshot_deleted(snapshot_id):
    """Whether the database says that a snapshot was deleted.

    A snapshot it knows nothing of is not a deleted one.
    """
    ctxt = context.get_admin_context(read_deleted='only')
    try:
        objects.Snapshot.get_by_id(ctxt, snapshot_id)
    except exception.SnapshotNotFound:
        return False
    return True


def shares_its_name(volume):
    """Whether another volume's data goes by the name of this one's."""
    ctxt = context.get_admin_context()
    others = list(objects.VolumeList.get_all(
        ctxt, filters={'_name_id': volume.name_id}))
    try:
        others.append(objects.Volume.get_by_id(ctxt, volume.name_id))
    except exception.VolumeNotFound:
        pass
    return any(other.id != volume.id and other.name == volume.name
               for other in others)


def get_service(host):
    """The service row of a backend, None before its first start."""
    try:
        return objects.Service.get_by_args(
            context.get_admin_context(), host, constants.VOLUME_BINARY)
    except exception.ServiceNotFound:
        return None


def commit_failover(host, backend_id):
    """Write down that a backend is failed over, before anything is switched.

    From here on a restart goes on with the fail-over, up to here it goes on
    with what was served.

    :param backend_id: None to fail back
    :raises UnableToFailOver: somebody else changed the row
    """
    service = get_service(host)
    done = service.conditional_update(
        {'active_backend_id': backend_id,
         'replication_status': Status.FAILED_OVER,
         'disabled': True,
         'disabled_reason': 'failed-over'} if backend_id else
        {'active_backend_id': None,
         'replication_status': Status.ENABLED,
         'disabled': service.frozen,
         'disabled_reason': 'frozen' if service.frozen else None},
        {'active_backend_id': service.active_backend_id,
         'replication_status': service.replication_status})
    if not done:
        raise exception.UnableToFailOver(
            reason='the service row of %s was changed meanwhile' % host)


def confirm_failover(host):
    """Have the row of a backend that serves from a target say so.

    If the fail-over ended with an error, the manager wrote that, and from
    such a row nothing leads on.
    """
    service = get_service(host)
    if service.replication_status != Status.FAILED_OVER:
        service.conditional_update(
            {'replication_status': Status.FAILED_OVER,
             'disabled': True,
             'disabled_reason': 'failed-over'},
            {'active_backend_id': service.active_backend_id,
             'replication_status': service.replication_status})
