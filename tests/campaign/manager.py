# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""What Cinder's volume manager does around the driver, to rows and states."""

from cinder import exception, objects
from cinder.objects import fields

Status = fields.ReplicationStatus


class Manager:
    """Does with a driver what requests ask for.

    :param case: ``unit.volume.base.DriverTestCase``, for the database
    :param section: arguments of its ``start``
    :param options: of the section
    """

    def __init__(self, case, section, options):
        self._case = case
        self.driver = case.driver(*section, **options)

    def start(self):
        """Initialise the driver and take up what a start finds undone."""
        self.driver.do_setup(self._case.context)
        self.driver.check_for_setup_error()
        self.refresh()
        for volume in self._volumes():
            if volume.status == 'creating':
                volume.status = 'error'
                volume.save()
            for snapshot in volume.snapshots:
                if snapshot.status == 'creating':
                    snapshot.status = 'error'
                    snapshot.save()
        for volume in self._volumes():
            if volume.status == 'deleting':
                self.delete(volume.id)

    def refresh(self):
        """Look at the service row and report the driver's state."""
        self._case.refresh(self.driver)

    def look(self):
        """Look at the mirrors, as the driver does now and then."""
        self.driver._replication_look()

    def _volumes(self):
        return list(objects.VolumeList.get_all(self._case.context))

    def create(self, volume_id):
        volume = self._case.reload(volume_id)
        try:
            updates = self.driver.create_volume(volume)
        except Exception:
            volume.status = 'error'
            volume.save()
            raise
        volume.update({**(updates or {}), 'status': 'available'})
        volume.save()

    def delete(self, volume_id):
        volume = self._case.reload(volume_id)
        try:
            self.driver.delete_volume(volume)
        except Exception:
            volume.status = 'error_deleting'
            volume.save()
            raise
        volume.destroy()

    def extend(self, volume_id, size, status):
        """:param status: what the volume gets back."""
        volume = self._case.reload(volume_id)
        try:
            self.driver.extend_volume(volume, size)
        except exception.TargetUpdateFailed:
            # initiators are nobody's here
            pass
        except Exception:
            volume = self._case.reload(volume_id)
            volume.status = 'error_extending'
            volume.save()
            raise
        volume = self._case.reload(volume_id)
        volume.update({'size': size, 'status': status})
        volume.save()

    def _snapshot(self, snapshot_id):
        return objects.Snapshot.get_by_id(self._case.context, snapshot_id)

    def snapshot(self, snapshot_id):
        snapshot = self._snapshot(snapshot_id)
        try:
            self.driver.create_snapshot(snapshot)
        except Exception:
            snapshot.status = 'error'
            snapshot.save()
            raise
        snapshot.status = 'available'
        snapshot.save()

    def delete_snapshot(self, snapshot_id):
        snapshot = self._snapshot(snapshot_id)
        try:
            self.driver.delete_snapshot(snapshot)
        except Exception:
            snapshot.status = 'error_deleting'
            snapshot.save()
            raise
        snapshot.destroy()

    def fail_over(self, backend_id):
        """Fail over, or back for the ``backend_id`` 'default'."""
        back = backend_id == 'default'
        row = self._case.service()
        volumes = []
        for volume in self._volumes():
            if volume.replication_status not in (Status.DISABLED,
                                                 Status.NOT_CAPABLE):
                volumes.append(volume)
            elif not back:
                volume.update({'previous_status': volume.status,
                               'status': 'error',
                               'replication_status': Status.NOT_CAPABLE})
                volume.save()
        try:
            active, updates, __ = self.driver.failover_host(
                self._case.context, volumes, backend_id, [])
        except exception.InvalidReplicationTarget:
            self._case.set_service(
                replication_status='failed-over' if row['active_backend_id']
                else 'enabled')
            raise
        except Exception:
            self._case.set_service(replication_status='failover-error',
                                   disabled=1)
            raise
        reached = 'enabled' if back else 'failed-over'
        self._case.set_service(
            replication_status=reached,
            active_backend_id='' if back else active, disabled=int(not back),
            disabled_reason='' if back else 'failed-over')
        for update in updates:
            values = update['updates']
            if values.get('status') == 'error':
                values['replication_status'] = Status.FAILOVER_ERROR
            elif values.get('replication_status') in (None, 'failed-over'):
                values['replication_status'] = reached
            volume = self._case.reload(update['volume_id'])
            if values['replication_status'] == Status.FAILOVER_ERROR:
                values.setdefault('status', 'error')
                for snapshot in volume.snapshots:
                    snapshot.status = 'error'
                    snapshot.save()
            if 'status' in values:
                values['previous_status'] = volume.status
            volume.update(values)
            volume.save()

    def readiness(self):
        """Whether failing back would not be refused any more."""
        total, ready = self.driver._replication.bring_back()
        return total == ready

    def fill(self):
        """Begin to protect, as after ``replication_enable``."""
        self.refresh()
        for __ in range(3):
            self.driver._replication.look()
