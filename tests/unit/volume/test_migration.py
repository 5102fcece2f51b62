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

"""Migration between backends, as Cinder's manager copies a volume."""

from unittest import mock

from cinder import objects
import fixtures

from cinder_promote.volume import copies
from tests.unit.volume import base
from tests.unit.volume.base import A, B, C

OTHER = 'cinder-lab@other'


class TestMigration(base.TestCase):
    """From the backend of other tests to one whose volume group is C."""

    def setUp(self):
        super().setUp()
        # Imported late: Cinder's objects must be registered before.
        from cinder.volume import manager
        self.manager = manager.VolumeManager
        self.other_id = self.database.add_service(
            OTHER, replication_status='not-capable')
        self.renamed = []
        self.useFixture(fixtures.MonkeyPatch(
            'cinder.privsep.lvm.lvrename', self._rename))

    def _rename(self, *words):
        self.renamed.append(words)
        self.host.execute('lvrename', *words)

    def other(self, devices=()):
        """The driver of the other backend, started."""
        with fixtures.MonkeyPatch('tests.unit.volume.base.HOST', OTHER):
            driver = self.driver(C, list(devices))
        driver.do_setup(self.context)
        driver.check_for_setup_error()
        return driver

    def source(self, replicated):
        """A backend that waits for an administrator: Cinder migrates no
        volume that is protected."""
        self.start()
        self.set_service(replication_status='disabled')
        driver = self.start()
        volume = self.create(driver, replicated=replicated)
        if replicated:
            self.host.write(self.front(volume), 'x', 1)
        else:
            self.data(A, volume)['x'] = 1
        return driver, volume

    def goal(self, volume, type_id):
        """The row of the new volume, as the manager makes it."""
        skip = {'host', 'cluster_name', 'availability_zone', 'snapshot_id',
                'source_volid'}
        skip |= self.manager._VOLUME_CLONE_SKIP_PROPERTIES
        values = {key: volume[key] for key in set(volume.keys()) - skip}
        goal = objects.Volume(
            self.context, **{
                **values, 'volume_type_id': type_id, 'host': OTHER + '#x',
                'status': 'creating', 'attach_status': 'detached',
                'migration_status': 'target:' + volume.id,
                'use_quota': False})
        goal.create()
        return self.reload(goal)

    def create_goal(self, driver, volume, type_id):
        goal = self.goal(volume, type_id)
        goal.update({**(driver.create_volume(goal) or {}),
                     'status': 'available'})
        goal.save()
        return self.reload(goal)

    def complete(self, driver, volume, goal, before_deletion=lambda: None):
        """As migrate_volume_completion, with the manager of the goal."""
        volume = self.reload(volume)
        volume.migration_status = 'completing'
        volume.save()
        self.manager.update_migrated_volume(
            mock.Mock(driver=driver), self.context, volume, goal,
            'available')
        volume.refresh()
        goal.refresh()
        old = volume.finish_volume_migration(goal)
        before_deletion()
        old = self.reload(old)
        source = self.sources[0]
        source.delete_volume(old)
        old.destroy()
        volume = self.reload(volume)
        volume.update({'status': 'available', 'migration_status': 'success'})
        volume.save()
        return self.reload(volume)

    def migrate(self, from_replicated, to_replicated, devices=()):
        source, volume = self.source(from_replicated)
        self.sources = [source]
        self.assertEqual((False, None), source.migrate_volume(
            self.context, volume, {'capabilities': {}}))
        other = self.other(devices)
        goal = self.create_goal(
            other, volume, self.replicated_type if to_replicated
            else self.plain_type)
        name = goal.name
        if to_replicated:
            self.host.write(self.front(goal), 'x', 1)
        else:
            self.data(C, goal)['x'] = 1
        volume = self.complete(other, volume, goal)
        self.assertEqual([], self.renamed if from_replicated or to_replicated
                         else [])
        self.assertEqual({A + '-pool'}, set(self.host.groups[A].volumes))
        if from_replicated or to_replicated:
            self.assertEqual(name, volume.name)
        return other, volume

    def test_replicated_to_plain(self):
        other, volume = self.migrate(True, False)
        self.assertFalse(other._is_replicated(volume))
        self.assertEqual({'x': 1}, self.data(C, volume))
        self.assertEqual({}, self.host.devices)
        other = self.other()
        other.delete_volume(volume)
        self.assertEqual({C + '-pool'}, set(self.host.groups[C].volumes))

    def test_replicated_to_replicated(self):
        other, volume = self.migrate(True, True)
        self.assertEqual(C, copies.Current.from_driver_data(
            volume.replication_driver_data).volume_group)
        self.assertEqual({'x': 1}, self.host.read(self.front(volume)))
        for what in ('service', 'host'):
            if what == 'host':
                self.host.cut_power()
            other = self.other()
            self.assertEqual({'x': 1}, self.host.read(self.front(volume)))
        other.delete_volume(volume)
        self.assertEqual({}, self.host.devices)

    def test_plain_to_replicated(self):
        other, volume = self.migrate(
            False, True, ['backend_id:lvm-b,volume_group:promote-b'])
        self.assertTrue(other._is_replicated(volume))
        self.assertEqual('enabled', volume.replication_status)
        self.assertEqual({'x': 1}, self.data(B, volume))

    def test_what_is_noted_afterwards_is_the_migrated_volume_s(self):
        other, volume = self.migrate(
            False, True, ['backend_id:lvm-b,volume_group:promote-b'])
        self.host.fail(B)
        self.host.write(self.front(volume), 'y', 2)
        other._replication.look()
        self.assertEqual('error', self.reload(volume).replication_status)
        self.assertEqual(2, copies.Current.from_driver_data(self.reload(
            volume).replication_driver_data).generation)

    def test_what_is_noted_while_the_old_volume_is_deleted(self):
        source, volume = self.source(True)
        self.sources = [source]
        other = self.other(['backend_id:lvm-b,volume_group:promote-b'])
        goal = self.create_goal(other, volume, self.replicated_type)

        front = self.front(goal)

        def note():
            self.host.fail(B)
            self.host.write(front, 'y', 2)
            source._replication.look()
            other._replication.look()
            self.host.repair(B)

        volume = self.complete(other, volume, goal, note)
        self.assertEqual(front, self.front(volume))
        self.assertEqual('error', volume.replication_status)
        self.assertNotIn('promote-volume-' + volume.id, self.host.devices)

    def test_to_where_a_copy_of_the_old_volume_is(self):
        source = self.start()
        volume = self.create(source)
        volume.replication_status = 'disabled'
        volume.save()
        self.sources = [source]
        with fixtures.MonkeyPatch('tests.unit.volume.base.HOST', OTHER):
            other = self.driver(B, [])
        other.do_setup(self.context)
        other.check_for_setup_error()
        goal = self.create_goal(other, volume, self.plain_type)
        self.data(B, goal)['x'] = 1
        volume = self.complete(other, volume, goal)
        self.assertEqual({'x': 1}, self.data(B, volume))
        self.assertEqual([], self.renamed)
        self.assertEqual({B + '-pool', volume.name},
                         set(self.host.groups[B].volumes))

    def test_start_while_the_new_volume_is_created(self):
        __, volume = self.source(True)
        goal = self.goal(volume, self.replicated_type)
        self.other()
        goal.status = 'error'
        goal.save()
        other = self.other()
        self.assertEqual({}, other._replication._records)
        other.delete_volume(goal)
        self.assertIn(volume.name, self.host.groups[A].volumes)

    def test_start_while_the_new_volume_is_filled(self):
        __, volume = self.source(True)
        other = self.other()
        goal = self.create_goal(other, volume, self.replicated_type)
        self.host.write(self.front(goal), 'x', 1)
        self.host.cut_power()
        self.other()
        self.assertEqual({'x': 1}, self.host.read(self.front(goal)))
