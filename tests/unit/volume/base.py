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

"""The real driver, with Cinder's database in SQLite, on a host in memory."""

import copy
import os
import threading
import types

from cinder import context, objects
from cinder.db import api as db
from cinder.volume import configuration
import fixtures
from oslo_service import loopingcall
from testtools import content

import cinder_promote.privsep
from tests.unit.api import base
from tests.unit.volume import fake_host

HOST = 'cinder-lab@lvm-a'
A, B, C = 'promote-a', 'promote-b', 'promote-c'
A_TO_B = (A, ['backend_id:lvm-b,volume_group:promote-b'])
B_TO_C = (B, ['backend_id:lvm-c,volume_group:promote-c'])


class RunsAtOnce:
    """A thread that is done when it is started."""

    def __init__(self, target, args, daemon):
        self.start = lambda: target(*args)
        self.join = lambda timeout: None


class DriverTestCase(base.TestCase):
    """Does with the driver what the volume manager does, on some host."""

    #: As ``cinder.utils.execute``, for what Cinder's own driver runs.
    execute = None

    def setUp(self):
        super().setUp()
        # Imported late: Cinder's objects must be registered before.
        from cinder_promote.volume import replicated_lvm
        self.module = replicated_lvm
        context_of_daemon = cinder_promote.privsep.sys_admin_pctxt
        context_of_daemon.set_client_mode(False)
        self.addCleanup(context_of_daemon.set_client_mode, True)
        for name in ('start', 'stop'):
            self.useFixture(fixtures.MockPatchObject(
                loopingcall.FixedIntervalLoopingCall, name))
        self.context = context.get_admin_context()
        self.add_rows()

    def add_rows(self):
        """What an administrator and a first start put into the database."""
        self.service_id = self.database.add_service(
            HOST, replication_status='not-capable')
        self.replicated_type = self._type('replicated-a', {
            'replication_enabled': '<is> True'})
        self.plain_type = self._type('plain-a', {})

    def _type(self, name, specs):
        return db.volume_type_create(
            self.context, {'name': name, 'extra_specs': specs})['id']

    def driver(self, volume_group=A, devices=A_TO_B[1], lvm_type='thin',
               **options):
        """A driver as the volume manager makes it, not set up yet.

        :param devices: the values of ``replication_device``
        """
        lines = ['[lvm-a]', 'volume_backend_name = lvm-a',
                 'volume_group = ' + volume_group, 'lvm_type = ' + lvm_type]
        lines += ['replication_device = ' + device for device in devices]
        lines += ['%s = %s' % option for option in options.items()]
        path = os.path.join(self.useFixture(fixtures.TempDir()).path,
                            'cinder.conf')
        with open(path, 'w') as config_file:
            config_file.write('\n'.join(lines))
        base.CONF([], project='cinder', default_config_files=[path],
                  default_config_dirs=[])
        return self.module.ReplicatedLVMVolumeDriver(
            configuration=configuration.Configuration(
                self.module.cinder_lvm.volume_opts, config_group='lvm-a'),
            host=HOST, db=db, execute=self.execute)

    def start(self, volume_group=A, devices=A_TO_B[1], **options):
        """Start the service: what the manager does with the driver."""
        driver = self.driver(volume_group, devices, **options)
        driver.do_setup(self.context)
        driver.check_for_setup_error()
        self.refresh(driver)
        return driver

    def refresh(self, driver):
        """What the manager does with the statistics at start."""
        enabled = driver.get_volume_stats(True)['replication_enabled']
        row = self.service()
        if row['replication_status'] != 'failed-over':
            self.set_service(
                replication_status='enabled' if enabled else 'disabled')

    def service(self):
        """The service row."""
        return self.database.services()[self.service_id]

    def set_service(self, **values):
        """Change the service row, as an administrator or the API does."""
        self.database.update('services', self.service_id, **values)

    def new_volume(self, replicated=True, **values):
        """A volume's row, as the API makes it."""
        values = {'size': 1, 'host': HOST + '#lvm-a', 'status': 'available',
                  'display_name': 'data', 'project_id': base.PROJECT_ID,
                  'user_id': 'user',
                  'volume_type_id': (self.replicated_type if replicated
                                     else self.plain_type),
                  'replication_status': ('enabled' if replicated
                                         else 'disabled'), **values}
        volume = objects.Volume(self.context, **values)
        volume.create()
        return self.reload(volume)

    def create(self, driver, **values):
        """A volume that the driver made."""
        volume = self.new_volume(**values)
        volume.update(driver.create_volume(volume) or {})
        volume.save()
        return volume

    def fail_over(self, driver, backend_id, *volumes):
        """What the manager does at a fail-over; the updates by volume id."""
        self.set_service(replication_status='failing-over')
        active, updates, __ = driver.failover_host(
            self.context, list(volumes), backend_id)
        self.set_service(replication_status='failed-over',
                         active_backend_id=active, disabled=1,
                         disabled_reason='failed-over')
        for update in updates:
            volume = self.reload(update['volume_id'])
            volume.update(update['updates'])
            volume.save()
        return {update['volume_id']: update['updates'] for update in updates}

    def fail_back(self, driver, *volumes):
        """What the manager does when it fails back."""
        self.set_service(replication_status='failing-over')
        active, updates, __ = driver.failover_host(
            self.context, list(map(self.reload, volumes)), 'default')
        self.assertEqual('default', active)
        self.set_service(replication_status='enabled', active_backend_id='',
                         disabled=0, disabled_reason='')
        for update in updates:
            volume = self.reload(update['volume_id'])
            volume.update(update['updates'])
            volume.save()

    def reset(self):
        """What reset_active_backend does."""
        self.set_service(replication_status='disabled', disabled=0,
                         active_backend_id=None, disabled_reason=None)

    def reload(self, volume):
        """A volume as the database has it now."""
        return objects.Volume.get_by_id(
            self.context, getattr(volume, 'id', volume))

    def front(self, volume):
        """Name of the device that is exported for a volume."""
        return 'promote-' + volume.name


class TestCase(DriverTestCase):
    """Has a host in memory with three volume groups."""

    def setUp(self):
        super().setUp()
        self.host = fake_host.FakeHost(A, B, C)
        self.execute = self.host.execute
        self.killed_before = None
        self.addOnException(self._tell_where_it_was_killed)
        self.locks = self.useFixture(fixtures.TempDir()).path
        for target, replacement in (
                ('cinder_promote.privsep.command.run', self.host.run),
                ('cinder_promote.privsep.discards.limit',
                 self.host.limit_discards),
                ('cinder_promote.privsep.lvm._is_block_device',
                 lambda path: True),
                ('cinder_promote.volume.groups._candidate_disks',
                 lambda: [group.disk for group
                          in self.host.groups.values()]),
                # One after the other, so that each is killed in its turn.
                ('cinder_promote.privsep.command.WORKERS', 1),
                ('cinder.volume.volume_utils.copy_volume', self.host.copy),
                ('cinder.privsep.lvm.lvrename',
                 lambda *words: self.host.execute('lvrename', *words)),
                ('cinder_promote.privsep.contents.LOCKS', self.locks)):
            self.useFixture(fixtures.MonkeyPatch(target, replacement))
        self.run_threads(RunsAtOnce)

    def run_threads(self, kind):
        """Have the driver's threads run in a way of their own.

        :param kind: what stands for ``threading.Thread``
        """
        names = types.SimpleNamespace(**dict(vars(threading), Thread=kind))
        for module in ('failover', 'filling', 'replication', 'snapshots'):
            self.useFixture(fixtures.MonkeyPatch(
                'cinder_promote.volume.%s.threading' % module, names))

    def kills(self, act, driver, *things, more_than=3):
        """Kill ``act`` before its first command, its second and so on.

        It is run once. What a SIGKILL leaves is what the host and the
        database are at that moment: they are made that again.

        :param things: what ``act`` takes beside the driver
        :param more_than: as many commands
        :returns: iterates over what the things were before
        """
        before = copy.deepcopy(things)
        moments = []
        self.host.witness = lambda command: moments.append(
            (command, self.host.snapshot(), self.database.snapshot()))
        act(driver, *things)
        self.assertGreater(len(moments), more_than)
        for command, host, database in moments:
            self.killed_before = ' '.join(command)
            self.host.restore(host)
            self.database.restore(database)
            yield copy.deepcopy(before)
        self.killed_before = None

    def _tell_where_it_was_killed(self, exception):
        if self.killed_before:
            self.addDetail('killed before',
                           content.text_content(self.killed_before))

    def crash_once_failed_over(self):
        """Kill the service once its row says that it failed over."""
        here = threading.current_thread() is threading.main_thread()
        if here and self.service()['active_backend_id']:
            raise fake_host.Crash()

    def finish_protection(self, driver):
        """Let copies that are being filled become complete."""
        for __ in range(3):
            driver._replication.look()
            self.host.finish_recovery()

    def until_enabled(self, driver, volume):
        """Let a volume that is being protected become so."""
        self.finish_protection(driver)
        self.assertEqual('enabled', self.reload(volume).replication_status)

    def lose_target(self, driver, volume, key='y', value=1):
        """Let the target's disk fail, and the driver notice by a write."""
        self.host.fail(B)
        self.host.write(self.front(volume), key, value)
        driver._replication.look()

    def data(self, group, volume):
        """What a copy holds."""
        return self.host.groups[group].volumes[volume.name].data
