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

"""A volume's way from A over B to C, and what holds at every hop."""

from cinder import exception

from tests.unit.volume import base
from tests.unit.volume.base import A_TO_B, B_TO_C, A, B, C


class TestLifecycle(base.TestCase):

    def test_create_mirrors_at_once(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.write(self.front(volume), 'x', 1)
        self.assertEqual({'x': 1}, self.data(A, volume))
        self.assertEqual({'x': 1}, self.data(B, volume))
        self.assertEqual('enabled', self.reload(volume).replication_status)

    def test_create_plain(self):
        driver = self.start()
        volume = self.create(driver, replicated=False)
        self.assertIn(volume.name, self.host.groups[A].volumes)
        self.assertNotIn(volume.name, self.host.groups[B].volumes)
        self.assertEqual({}, self.host.devices)
        driver.delete_volume(volume)
        self.assertNotIn(volume.name, self.host.groups[A].volumes)

    def test_delete_plain_when_its_disk_is_lost(self):
        driver = self.start()
        volume = self.create(driver, replicated=False)
        self.host.fail(A)
        self.fail_over(driver, 'lvm-b')
        driver.delete_volume(volume)
        self.assertIn(volume.name, self.host.groups[A].volumes)

    def test_delete_plain_that_stayed_behind(self):
        driver = self.start()
        volume = self.create(driver, replicated=False)
        self.fail_over(driver, 'lvm-b')
        driver.delete_volume(volume)
        self.assertNotIn(volume.name, self.host.groups[A].volumes)

    def test_second_attempt_to_start_while_failed_over(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.write(self.front(volume), 'x', 1)
        self.fail_over(driver, 'lvm-b', volume)
        driver = self.start()
        driver.do_setup(self.context)
        driver.check_for_setup_error()
        self.assertEqual({'x': 1}, self.host.read(self.front(volume)))

    def test_create_thick_is_in_sync_once_copied(self):
        driver = self.start(lvm_type='default')
        volume = self.create(driver)
        self.assertEqual('enabling', self.reload(volume).replication_status)
        driver._replication.look()
        self.assertEqual('enabling', self.reload(volume).replication_status)
        self.host.finish_recovery()
        driver._replication.look()
        self.assertEqual('enabled', self.reload(volume).replication_status)

    def test_delete_leaves_nothing(self):
        driver = self.start()
        before = [set(group.volumes) for group in self.host.groups.values()]
        volume = self.create(driver)
        driver.delete_volume(volume)
        self.assertEqual({}, self.host.devices)
        self.assertEqual(before, [set(group.volumes) for group
                                  in self.host.groups.values()])

    def test_whole_way(self):
        driver = self.start()
        self.assertEqual('enabled', self.service()['replication_status'])
        volume = self.create(driver)
        front = self.front(volume)
        self.host.write(front, 'on-a', 1)
        self.host.fail(A)
        self.host.write(front, 'after-fire', 2)

        updates = self.fail_over(driver, 'lvm-b', volume)
        self.assertEqual('failed-over',
                         updates[volume.id]['replication_status'])
        self.host.write(front, 'on-b', 3)

        self.reset()
        driver = self.start(*B_TO_C)
        self.assertEqual('disabled', self.service()['replication_status'])
        self.assertEqual('disabled', self.reload(volume).replication_status)
        self.host.write(front, 'promoted', 4)
        driver._replication.look()
        self.assertNotIn(volume.name, self.host.groups[C].volumes)

        self.set_service(replication_status='enabled')
        self.refresh(driver)
        driver._replication.look()
        self.assertEqual('enabling', self.reload(volume).replication_status)
        self.host.write(front, 'meanwhile', 5)
        driver._replication.look()
        self.assertEqual('enabling', self.reload(volume).replication_status)
        self.finish_protection(driver)
        self.assertEqual('enabled', self.reload(volume).replication_status)

        self.host.fail(B)
        self.host.write(front, 'second-fire', 6)
        self.fail_over(driver, 'lvm-c', volume)
        everything = {'on-a': 1, 'after-fire': 2, 'on-b': 3, 'promoted': 4,
                      'meanwhile': 5, 'second-fire': 6}
        self.assertEqual(everything, self.host.read(front))
        self.assertEqual(everything, self.data(C, volume))

    def test_whole_way_with_a_writer_all_the_time(self):
        written = {}
        driver = self.start()
        volume = self.create(driver)
        front = self.front(volume)

        def write():
            if not self.host.stands_still(front):
                self.host.write(front, len(written), 'x')
                written[len(written)] = 'x'
        self.host.meanwhile = write
        self.host.fail(A)
        self.fail_over(driver, 'lvm-b', volume)
        self.reset()
        driver = self.start(*B_TO_C)
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        self.finish_protection(driver)
        self.assertEqual('enabled', self.reload(volume).replication_status)
        self.assertGreater(len(written), 20)
        self.assertEqual(written, self.data(B, volume))
        self.assertEqual(written, self.data(C, volume))

    def test_start_while_failed_over(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.write(self.front(volume), 'x', 1)
        self.host.fail(A)
        self.fail_over(driver, 'lvm-b', volume)
        for what in ('service', 'host'):
            if what == 'host':
                self.host.cut_power()
            self.start(*A_TO_B)
            self.assertEqual({'x': 1}, self.host.read(self.front(volume)))
            self.assertEqual('failed-over',
                             self.reload(volume).replication_status)
            self.assertEqual('failed-over',
                             self.service()['replication_status'])

    def test_fail_over_after_a_start_without_the_primary(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.write(self.front(volume), 'x', 1)
        self.host.fail(A)
        self.host.cut_power()
        driver = self.start(*A_TO_B)
        self.assertEqual('enabled', self.service()['replication_status'])
        pool = driver.get_volume_stats(True)['pools'][0]
        self.assertEqual('down', pool['backend_state'])
        self.fail_over(driver, 'lvm-b', volume)
        self.assertEqual({'x': 1}, self.host.read(self.front(volume)))

    def test_reboot_of_a_healthy_host(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.write(self.front(volume), 'x', 1)
        # What was not acknowledged may be on one copy only.
        self.data(A, volume)['y'] = 2
        self.host.cut_power()
        driver = self.start()
        driver._replication.look()
        self.host.write(self.front(volume), 'z', 3)
        self.assertEqual({'x': 1, 'y': 2, 'z': 3}, self.data(B, volume))
        self.assertEqual(self.data(A, volume), self.data(B, volume))
        self.assertEqual('enabled', self.reload(volume).replication_status)

    def test_restart_before_discards_were_limited(self):
        volume = self.create(self.start())
        [mirror] = [device for name, device in self.host.devices.items()
                    if name.startswith('promote-mirror-' + volume.name)]
        self.assertTrue(mirror.limited)
        mirror.limited = False
        self.start()
        self.assertTrue(mirror.limited)

    def test_restart_while_copying_goes_on(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.write(self.front(volume), 'x', 1)
        self.fail_over(driver, 'lvm-b', volume)
        self.reset()
        self.start(*B_TO_C)
        self.set_service(replication_status='enabled')
        driver = self.start(*B_TO_C)
        driver._replication.look()
        for what in ('service', 'host'):
            if what == 'host':
                self.host.cut_power()
            driver = self.start(*B_TO_C)
            driver._replication.look()
            self.assertEqual('enabling',
                             self.reload(volume).replication_status)
        self.finish_protection(driver)
        self.assertEqual('enabled', self.reload(volume).replication_status)
        self.assertEqual({'x': 1}, self.data(C, volume))

    def test_lost_target_is_noticed_and_replaced(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.write(self.front(volume), 'x', 1)
        self.host.fail(B)
        self.host.write(self.front(volume), 'y', 2)
        driver._replication.look()
        self.assertEqual('error', self.reload(volume).replication_status)
        self.assertIn('promote-b',
                      self.reload(volume).replication_extended_status)
        self.host.repair(B)
        driver._replication.look()
        self.assertEqual('enabling', self.reload(volume).replication_status)
        self.finish_protection(driver)
        self.assertEqual('enabled', self.reload(volume).replication_status)
        self.assertEqual({'x': 1, 'y': 2}, self.data(B, volume))

    def test_progress_in_the_capabilities(self):
        driver = self.start()
        volume = self.create(driver)
        pool = driver.get_volume_stats(True)['pools'][0]
        self.assertEqual(
            (True, ['lvm-b'], 1, 1, 100.0),
            (pool['replication_enabled'], pool['replication_targets'],
             pool['replication_volumes'],
             pool['replication_volumes_in_sync'],
             pool['replication_sync_percent']))
        self.fail_over(driver, 'lvm-b', volume)
        self.reset()
        driver = self.start(*B_TO_C)
        pool = driver.get_volume_stats(True)['pools'][0]
        self.assertEqual((False, 0, 0.0), (
            pool['replication_enabled'], pool['replication_volumes_in_sync'],
            pool['replication_sync_percent']))
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        driver._replication.look()
        driver._replication.look()
        pool = driver.get_volume_stats(True)['pools'][0]
        self.assertEqual((True, 0, 99.9), (
            pool['replication_enabled'], pool['replication_volumes_in_sync'],
            pool['replication_sync_percent']))

    def test_devices_of_others_that_go_away(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.vanishing = 2
        driver.delete_volume(volume)
        self.assertEqual({}, self.host.devices)

    def test_deleted_while_a_disk_was_away(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.fail(B)
        driver.delete_volume(volume)
        volume.destroy()
        self.host.repair(B)
        self.assertIn(volume.name, self.host.groups[B].volumes)
        self.start()
        self.assertNotIn(volume.name, self.host.groups[B].volumes)

    def test_an_unknown_volume_is_left_alone(self):
        driver = self.start()
        volume = self.create(driver)
        self.database.execute('DELETE FROM volumes')
        self.host.cut_power()
        self.start()
        self.assertIn(volume.name, self.host.groups[A].volumes)
        self.assertIn(volume.name, self.host.groups[B].volumes)


class TestFailoverTarget(base.TestCase):

    def _refused(self, driver, backend_id):
        error = self.assertRaises(
            exception.InvalidReplicationTarget, driver.failover_host,
            self.context, [], backend_id)
        self.assertEqual('enabled', self.service()['replication_status'])
        return str(error)

    def test_unknown_target(self):
        self.assertIn('lvm-x', self._refused(self.start(), 'lvm-x'))

    def test_failing_back_without_a_failover(self):
        self.assertIn('not failed over',
                      self._refused(self.start(), 'default'))

    def test_no_target(self):
        driver = self.start(devices=[])
        self.set_service(replication_status='enabled')
        self.assertIn('replication_device', self._refused(driver, None))

    def test_first_target_when_none_is_named(self):
        driver = self.start()
        volume = self.create(driver)
        self.fail_over(driver, None, volume)
        self.assertEqual('lvm-b', self.service()['active_backend_id'])

    def test_failed_over_already(self):
        driver = self.start()
        self.fail_over(driver, 'lvm-b')
        self.assertRaises(exception.InvalidReplicationTarget,
                          driver.failover_host, self.context, [], 'lvm-b')
        self.assertEqual('lvm-b', self.service()['active_backend_id'])
