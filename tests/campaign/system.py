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

"""The system that faults are injected into, and what is expected of it."""

import contextlib
import os
import uuid

from cinder import objects

from tests.campaign import service, state
from tests.functional import base, blocks, disks, machine

#: How many volumes and snapshots there are.
VOLUMES = range(2, 5)
MOST_SNAPSHOTS = 2
#: Blocks after which a volume has been written to for long enough.
ENOUGH = 8000
#: GiB that a volume has at most.
LARGEST = 3


def group_of(letter):
    """The volume group of a backend."""
    return 'promote-' + letter


class System(base.TestCase):
    """One backend on three disks, with volumes that are written to.

    ``state`` is what outlives a power cut. ``serving`` and ``targets`` are
    the letter and the number of targets of the section; ``volumes`` and
    ``snapshots`` what the system is expected to have, by id.
    """

    #: Seconds between two writes of one writer.
    PAUSE = 0.05
    #: Seconds that each of the driver's commands may take.
    COMMAND_TIMEOUT = 30

    def setUp(self):
        self.state = state.load()
        if self.state:
            self.DATABASE = state.take_database(self.state['database'])
        else:
            self.state = {'fresh': True}
        super().setUp()
        self.state['database'] = self.database.path
        self.writers = {}
        self.process = service.Service(
            self, {'replication_command_timeout': self.COMMAND_TIMEOUT})

    def add_rows(self):
        if not machine.lines('rows'):
            super().add_rows()
            machine.write('rows', ' '.join(
                [str(self.service_id), self.replicated_type, self.plain_type]))
        row, self.replicated_type, self.plain_type = machine.lines(
            'rows')[0].split()
        self.service_id = int(row)

    def attach_disks(self):
        if not self.state.pop('fresh', False):
            return disks.attach()
        for table in ('volumes', 'snapshots'):
            self.database.execute('DELETE FROM %s' % table)
        self.set_service(replication_status='not-capable', disabled=0,
                         active_backend_id=None, disabled_reason=None)
        self.state.update(serving='a', targets=1, volumes={}, snapshots={},
                          promoted=False)
        return disks.new()

    def save(self):
        """Have what is expected outlive a power cut."""
        state.save(self.state)

    # Roles

    @property
    def serving(self):
        """The volume group that the section names."""
        return group_of(self.state['serving'])

    def target_letters(self):
        """Of the backends that the section names as targets."""
        at = disks.BACKENDS.index(self.state['serving'])
        ring = disks.BACKENDS[at + 1:] + disks.BACKENDS[:at]
        return ring[:self.state['targets']]

    def section(self):
        """The arguments of ``start`` for the backend's section."""
        return self.serving, [
            'backend_id:lvm-%s,volume_group:%s' % (letter, group_of(letter))
            for letter in self.target_letters()]

    def letter(self, role, number):
        """Of the disk that a fault hits."""
        letters = self.target_letters()
        return (self.state['serving'] if role == 'primary'
                else letters[number % len(letters)])

    # The service

    def start_service(self, kill=None):
        self.process.start(self.section(), kill)

    def restart_service(self):
        self.process.kill()
        self.start_service()

    def request_failover(self, letter, **options):
        """As the API does: to a backend, or back for None."""
        self.set_service(replication_status='failing-over')
        return self.process.request(
            'fail_over', 'lvm-' + letter if letter else 'default', **options)

    def re_point(self, letter):
        """Promote the backend that the host is failed over to."""
        self.process.kill()
        self.state.update(serving=letter, promoted=True)
        self.reset()

    # Rows

    def volume_rows(self):
        """All volumes that the database has, by id."""
        return {volume.id: volume for volume
                in objects.VolumeList.get_all(self.context)}

    def snapshot_rows(self):
        """All snapshots that the database has, by id."""
        return {snapshot.id: snapshot for snapshot
                in objects.SnapshotList.get_all(self.context, {})}

    def set_status(self, table, row_id, status):
        """As the API does, or an administrator by reset-state."""
        self.database.execute(
            'UPDATE %s SET status = ? WHERE id = ?' % table, (status, row_id))

    # Writers

    def writer_of(self, volume_id):
        """The writer of a volume, which may be running."""
        if volume_id not in self.writers:
            known = self.state['volumes'][volume_id]
            self.writers[volume_id] = blocks.Writer(
                self.path(self.reload(volume_id)),
                os.path.join(state.FOLDER, known['seed']), known['seed'],
                self.PAUSE)
        return self.writers[volume_id]

    def attach(self, volume_id):
        """Have somebody write to a volume, where they were left."""
        self.state['volumes'][volume_id]['attached'] = True
        self.set_status('volumes', volume_id, 'in-use')
        writer = self.writer_of(volume_id)
        writer.start()
        writer.goes_on(5)

    def detach(self, volume_id):
        self.state['volumes'][volume_id]['attached'] = False
        self.writer_of(volume_id).stop()
        self.set_status('volumes', volume_id, 'available')

    def attached(self):
        """The writers that are to be running, by volume id."""
        return {volume_id: self.writer_of(volume_id) for volume_id, known
                in self.state['volumes'].items() if known['attached']}

    def write_to_all(self):
        """Write to each volume, so that the kernel looks at all copies."""
        for volume_id, known in self.state['volumes'].items():
            if known['attached']:
                self.writer_of(volume_id).goes_on(5, 180)
            elif known['ready']:
                self.attach(volume_id)
                self.detach(volume_id)

    def forget(self, volume_id):
        """Expect a volume no more."""
        known = self.state['volumes'].pop(volume_id)
        writer = self.writers.pop(volume_id, None)
        if writer:
            writer.kill()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(state.FOLDER, known['seed']))

    def retire(self):
        """Expect volumes to be deleted that were written to long enough.

        :returns: whether there are some
        """
        retired = False
        for volume_id, known in self.state['volumes'].items():
            if self.writer_of(volume_id).acknowledged < ENOUGH:
                continue
            if known['attached']:
                self.detach(volume_id)
            known['deleting'] = True
            for snapshot in self.state['snapshots'].values():
                if snapshot['volume'] == volume_id:
                    snapshot['deleting'] = True
            retired = True
        return retired

    # Operations

    def prepare(self, name, number):
        """Do what the API does for a request.

        :param name: one of ``plan.OPERATIONS`` but 'nothing'
        :param number: chooses what it is about
        :returns: the request, and what to call once it was answered
        """
        return getattr(self, '_' + name.replace(' ', '_').replace(
            '-', '_'))(number)

    def do(self, name, number):
        """Have the service do something, to the end."""
        request, done = self.prepare(name, number)
        self.process.request(*request)
        done()

    def step(self, name, number):
        """Do one of ``plan.STEPS``, if that is possible now."""
        ready = sorted(volume_id for volume_id, known
                       in self.state['volumes'].items() if known['ready'])
        chosen = ready[number % len(ready)]
        attached = self.state['volumes'][chosen]['attached']
        if name in ('attach', 'detach'):
            if attached == (name == 'detach'):
                getattr(self, name)(chosen)
        elif not (name == 'create' and len(ready) + 1 not in VOLUMES or
                  name == 'delete' and len(ready) - 1 not in VOLUMES or
                  name == 'snapshot' and
                  len(self.state['snapshots']) >= MOST_SNAPSHOTS or
                  name == 'delete snapshot' and
                  not self.state['snapshots']):
            self.do(name, number)

    def _create(self, number):
        volume = self.new_volume(status='creating')
        known = self.state['volumes'][volume.id] = {
            'ready': False, 'attached': False, 'seed': uuid.uuid4().hex}

        def done():
            known['ready'] = True
            self.attach(volume.id)
            if number % 2:
                self.detach(volume.id)

        return ('create', volume.id), done

    def _free(self):
        """Volumes that can be deleted."""
        used = {known['volume'] for known
                in self.state['snapshots'].values()}
        return sorted(volume_id for volume_id, known
                      in self.state['volumes'].items()
                      if volume_id not in used and known['ready'])

    def _delete(self, number):
        if not self._free():
            self.do('create', number)
        volume_id = self._free()[number % len(self._free())]
        known = self.state['volumes'][volume_id]
        if known['attached']:
            self.detach(volume_id)
        known['deleting'] = True
        self.set_status('volumes', volume_id, 'deleting')
        return ('delete', volume_id), lambda: self.forget(volume_id)

    def _extend(self, number):
        def small():
            return sorted(volume.id for volume in self.volume_rows().values()
                          if volume.size < LARGEST)
        if not small():
            self.do('create', number)
        volume = self.reload(small()[number % len(small())])
        known = self.state['volumes'][volume.id]
        known['size'] = volume.size + 1
        self.set_status('volumes', volume.id, 'extending')
        return (('extend', volume.id, volume.size + 1,
                 'in-use' if known['attached'] else 'available'),
                lambda: known.pop('size'))

    def _snapshot(self, number):
        ready = sorted(volume_id for volume_id, known
                       in self.state['volumes'].items() if known['ready'])
        volume = self.reload(ready[number % len(ready)])
        snapshot = objects.Snapshot(
            self.context, volume_id=volume.id, status='creating',
            progress='0%', volume_size=volume.size, display_name='snap',
            user_id='user', project_id=volume.project_id,
            volume_type_id=volume.volume_type_id, metadata={})
        snapshot.create()
        writer = self.writer_of(volume.id)
        known = self.state['snapshots'][snapshot.id] = {
            'ready': False, 'volume': volume.id, 'groups': None,
            'count': writer.acknowledged}
        return (('snapshot', snapshot.id),
                lambda: known.update(ready=True))

    def _delete_snapshot(self, number):
        if not self.state['snapshots']:
            self.do('snapshot', number)
        snapshot_id = sorted(self.state['snapshots'])[
            number % len(self.state['snapshots'])]
        self.state['snapshots'][snapshot_id]['deleting'] = True
        self.set_status('snapshots', snapshot_id, 'deleting')
        return (('delete_snapshot', snapshot_id),
                lambda: self.state['snapshots'].pop(snapshot_id))

    def _fail_over(self, number):
        self.set_service(replication_status='failing-over')
        return (('fail_over', 'lvm-' + self.letter('target', number)),
                lambda: None)
