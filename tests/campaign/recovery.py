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

"""What an operator does until all volumes are protected again."""

import json
import time

from tests.campaign import checks, service
from tests.functional import blocks, disks

#: Seconds that it may take in all, also beside other loads.
TIMEOUT = 600
#: Seconds after which the operator tries something else.
PATIENCE = 30


class Operator:
    """Gets a system back to protected after a fault.

    :param system: ``system.System``
    :param fault: ``plan.Fault``
    """

    def __init__(self, system, fault):
        self._system = system
        self._fault = fault
        self._since = {}

    def recover(self):
        """Repair, restart, fail over or back, promote, delete what failed.

        :raises AssertionError: it did not get there
        """
        if self._fault.harms_disks:
            disks.work(self._system.disks)
        deadline = time.monotonic() + TIMEOUT
        error = None
        while True:
            try:
                self._act()
            except (service.Failed, service.Killed) as raised:
                error = raised
            missing = (list(unsettled(self._system)) or
                       checks.unprotected(self._system))
            if not missing:
                return
            if time.monotonic() > deadline:
                raise AssertionError(
                    'not protected in %d seconds: %s; the last error was: %s'
                    % (TIMEOUT, '; '.join(missing), error))
            time.sleep(0.5)

    def _lasts(self, what):
        """Whether something is so for a while already."""
        return time.monotonic() > PATIENCE + self._since.setdefault(
            what, time.monotonic())

    def _act(self):
        system = self._system
        if not system.process.alive:
            system.start_service()
        row = system.service()
        rows = system.volume_rows().values()
        if row['active_backend_id']:
            self._leave(row['active_backend_id'][-1], rows)
        elif row['replication_status'] == 'disabled':
            system.set_service(replication_status='enabled')
        elif row['replication_status'] != 'enabled':
            system.restart_service()
        elif any(_lost(volume) == system.serving for volume in rows):
            system.request_failover(
                system.letter('target', self._fault.target))
        self._tend_snapshots()
        self._tend_volumes()

    def _leave(self, active, rows):
        """End a fail-over."""
        system = self._system
        left = any(volume.replication_status == 'failover-error'
                   for volume in rows)
        if left and not self._lasts('failover-error'):
            return
        if self._fault.way == 'promotion' and not left:
            system.re_point(active)
            system.start_service()
        else:
            system.request_failover(None)

    def _tend_volumes(self):
        system = self._system
        rows = system.volume_rows()
        for volume_id, known in list(system.state['volumes'].items()):
            row = rows.get(volume_id)
            if known.get('deleting'):
                if row:
                    system.set_status('volumes', volume_id, 'deleting')
                    system.process.request('delete', volume_id)
                system.forget(volume_id)
            elif row is None:
                raise AssertionError('volume %s is gone' % volume_id)
            elif not known['ready']:
                if row.status in ('available', 'in-use'):
                    known['ready'] = True
                    system.attach(volume_id)
                else:
                    known['deleting'] = True
            elif 'size' in known:
                status = 'in-use' if known['attached'] else 'available'
                if row.size < known['size']:
                    system.set_status('volumes', volume_id, 'extending')
                    system.process.request('extend', volume_id,
                                           known['size'], status)
                del known['size']
                system.set_status('volumes', volume_id, status)

    def _tend_snapshots(self):
        system = self._system
        rows = system.snapshot_rows()
        for snapshot_id, known in list(system.state['snapshots'].items()):
            row = rows.get(snapshot_id)
            if known.get('deleting'):
                if row:
                    system.set_status('snapshots', snapshot_id, 'deleting')
                    system.process.request('delete_snapshot', snapshot_id)
                del system.state['snapshots'][snapshot_id]
            elif row is None:
                raise AssertionError('snapshot %s is gone' % snapshot_id)
            elif not known['ready']:
                known['ready'] = row.status == 'available'
                known['deleting'] = not known['ready']
            elif row.status == 'error':
                # as those of volumes that did not fail over
                system.set_status('snapshots', snapshot_id, 'available')


def _lost(volume):
    return json.loads(volume.replication_driver_data or '{}').get('lost')


def unsettled(system):
    """What is not as it is while nothing is the matter, as sentences."""
    if not system.process.alive:
        yield 'the service does not run'
    row = system.service()
    if row['replication_status'] != 'enabled' or row['active_backend_id']:
        yield 'the service row has %s, %s' % (
            row['replication_status'], row['active_backend_id'])
    for volume in system.volume_rows().values():
        if (volume.status not in ('available', 'in-use') or
                volume.replication_status != 'enabled'):
            yield '%s is %s and %s (%s)' % (
                volume.name, volume.status, volume.replication_status,
                volume.replication_extended_status)
    for kind in ('volumes', 'snapshots'):
        for each, known in system.state[kind].items():
            if not known['ready'] or known.get('deleting') or (
                    'size' in known):
                yield '%s is not done with' % each


def wait(system):
    """Wait until all volumes are protected, with nobody doing anything."""
    blocks.wait_until(
        lambda: not (list(unsettled(system)) or checks.unprotected(system)),
        'all is protected', TIMEOUT)
