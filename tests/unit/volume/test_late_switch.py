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

"""Volumes that a write which hung kept from failing over."""

import fixtures

from cinder_promote.volume import copies, failover
from tests.unit.volume import base, fake_host
from tests.unit.volume.base import A_TO_B, B_TO_C, A, B, C

TO_B_AND_C = (A, ['backend_id:lvm-b,volume_group:promote-b',
                  'backend_id:lvm-c,volume_group:promote-c'])


class TestLateSwitch(base.TestCase):

    def setUp(self):
        super().setUp()
        self.alone = A
        self.useFixture(fixtures.MockPatchObject(
            failover, 'LATE_SWITCH_INTERVAL', 0))

    def hung(self, section=A_TO_B, status='in-use', count=1):
        """A driver that failed over while writes hung in the primary."""
        driver = self.start(*section)
        self.volumes = [self.create(driver) for _ in range(count)]
        self.volume = self.volumes[0]
        for volume in self.volumes:
            volume.status = status
            volume.save()
        self.front_name = self.front(self.volume)
        self.host.write(self.front_name, 'x', 1)
        self.host.hang(A)
        self.host.inflight = True
        self.manager_fails_over(driver)
        self.assertEqual('error', self.reload(self.volume).status)
        return driver

    def manager_fails_over(self, driver, backend_id='lvm-b'):
        """As the manager, which also keeps the status from before."""
        before = {volume.id: volume.status for volume in self.volumes}
        self.fail_over(driver, backend_id, *self.volumes)
        for volume in map(self.reload, self.volumes):
            if volume.status == 'error':
                volume.previous_status = before[volume.id]
                volume.save()

    def no_longer_hung(self):
        self.host.inflight = False
        self.host.repair(A)

    def assert_served_from_b(self, status='in-use', replication='failed-over'):
        self.host.write(self.front_name, 'last', 1)
        self.assertEqual(1, self.data(B, self.volume)['last'])
        self.assertNotIn('last', self.data(A, self.volume))
        volume = self.reload(self.volume)
        self.assertEqual((status, replication, None), (
            volume.status, volume.replication_status,
            volume.replication_extended_status))

    def assert_not_served_from_b(self):
        volume = self.reload(self.volume)
        self.assertEqual(('error', 'failover-error'),
                         (volume.status, volume.replication_status))
        self.assertIn('not in sync', volume.replication_extended_status)
        current = copies.Current.from_driver_data(
            volume.replication_driver_data)
        self.assertEqual((self.alone, None),
                         (current.volume_group, current.mirror))
        for what in ('service', 'host'):
            if what == 'host':
                self.host.cut_power()
            driver = self.start()
            driver._replication.look()
            self.assertEqual('failover-error', self.reload(
                self.volume).replication_status)
        self.assertNotIn(self.front_name, self.host.devices)
        self.reset()
        self.start(*B_TO_C)
        self.assertNotIn(self.front_name, self.host.devices)

    def test_disk_answers_again(self):
        driver = self.hung()
        driver._replication.look()
        self.assertEqual('error', self.reload(self.volume).status)
        self.assertFalse(self.host.devices[self.front_name].suspended)
        self.no_longer_hung()
        self.host.write(self.front_name, 'y', 2)
        driver._replication.look()
        self.assert_served_from_b()
        self.assertEqual({'x': 1, 'y': 2, 'last': 1},
                         self.host.read(self.front_name))
        self.assertEqual(2, len(self.host.devices))

    def test_disk_answers_with_errors(self):
        driver = self.hung(status='available')
        self.host.inflight = False
        self.host.fail(A)
        self.host.write(self.front_name, 'y', 2)
        driver._replication.look()
        self.assert_served_from_b('available')

    def test_service_is_started_anew(self):
        self.hung()
        driver = self.start()
        self.assertEqual('error', self.reload(self.volume).status)
        self.no_longer_hung()
        driver._replication.look()
        self.assert_served_from_b()

    def test_disk_answers_before_the_service_is_started(self):
        self.hung()
        self.no_longer_hung()
        self.start()
        self.assert_served_from_b()

    def test_host_is_started_while_the_disk_hangs(self):
        self.hung()
        self.host.cut_power()
        self.start()
        self.assert_served_from_b()

    def test_host_is_started_with_the_disk(self):
        self.hung()
        self.no_longer_hung()
        self.host.write(self.front_name, 'y', 2)
        self.host.cut_power()
        self.start()
        self.assertEqual({'x': 1, 'y': 2}, self.host.read(self.front_name))
        self.assert_served_from_b()
        self.assertEqual(2, len(self.host.devices))

    def test_promotion(self):
        self.hung()
        self.reset()
        driver = self.start(*B_TO_C)
        self.no_longer_hung()
        driver._replication.look()
        self.assert_served_from_b(replication='disabled')

    def test_promotion_after_a_start_of_the_host(self):
        self.hung()
        self.reset()
        self.host.cut_power()
        self.start(*B_TO_C)
        self.assert_served_from_b(replication='disabled')

    def test_target_misses_writes_before_the_switch(self):
        driver = self.hung()
        self.no_longer_hung()
        self.host.fail(B)
        self.host.write(self.front_name, 'y', 2)
        self.host.repair(B)
        driver._replication.look()
        self.assertEqual({'x': 1, 'y': 2}, self.host.read(self.front_name))
        self.assert_not_served_from_b()

    def test_target_that_misses_writes_is_noted_between_two_attempts(self):
        driver = self.hung()
        failover.LATE_SWITCH_INTERVAL = 600
        driver._replication.look()
        self.no_longer_hung()
        driver._replication.look()
        self.assertEqual('error', self.reload(self.volume).status)
        self.host.fail(B)
        self.host.write(self.front_name, 'y', 2)
        driver._replication.look()
        self.host.repair(B)
        self.assert_not_served_from_b()

    def test_only_the_mirror_knows_that_the_target_missed_writes(self):
        for section, self.alone in ((A_TO_B, A), (TO_B_AND_C, C)):
            self.host.__init__(A, B, C)
            self.database.execute('DELETE FROM volumes')
            self.set_service(replication_status='not-capable', disabled=0,
                             active_backend_id=None, disabled_reason=None)
            self.hung(section)
            self.no_longer_hung()
            self.host.fail(B)
            self.host.write(self.front_name, 'y', 2)
            self.host.repair(B)
            for group in {A, C} - {self.alone}:
                self.host.fail(group)
            self.host.cut_power()
            self.start(*section)
            self.assertNotIn(self.front_name, self.host.devices)
            self.assertEqual({'x': 1, 'y': 2},
                             self.data(self.alone, self.volume))
            for group in (A, C):
                self.host.repair(group)
            self.assert_not_served_from_b()

    def killed(self):
        """Kill a fail-over before it switches anything, and start again."""
        driver = self.start()
        self.volume = self.create(driver)
        self.front_name = self.front(self.volume)
        self.host.write(self.front_name, 'x', 1)
        self.host.hang(A)
        self.host.inflight = True
        self.host.meanwhile = self.crash_once_failed_over
        self.assertRaises(fake_host.Crash, self.fail_over, driver, 'lvm-b',
                          self.volume)
        self.host.meanwhile = None
        driver = self.start()
        self.assertEqual('failover-error',
                         self.reload(self.volume).replication_status)
        self.no_longer_hung()
        return driver

    def test_killed_fail_over(self):
        self.killed()._replication.look()
        self.assert_served_from_b('available')

    def test_target_misses_writes_after_a_killed_fail_over(self):
        self.killed()
        self.host.fail(B)
        self.host.write(self.front_name, 'y', 2)
        self.host.repair(B)
        self.host.cut_power()
        self.start()
        self.assertNotIn(self.front_name, self.host.devices)
        self.assertEqual({'x': 1, 'y': 2}, self.data(A, self.volume))

    def test_target_missed_writes_before_a_killed_fail_over(self):
        driver = self.start()
        self.volume = self.create(driver)
        self.front_name = self.front(self.volume)
        self.host.fail(B)
        self.host.write(self.front_name, 'y', 2)
        self.host.repair(B)
        self.set_service(replication_status='failed-over', disabled=1,
                         active_backend_id='lvm-b',
                         disabled_reason='failed-over')
        self.start()
        self.assertEqual({'y': 2}, self.host.read(self.front_name))
        self.host.cut_power()
        self.start()
        self.assertNotIn(self.front_name, self.host.devices)

    def test_wrong_group_after_the_fail_over(self):
        self.hung()
        self.no_longer_hung()
        self.host.cut_power()
        self.reset()
        self.start(*A_TO_B)
        self.assertNotIn(self.front_name, self.host.devices)
        self.assertEqual('failover-error',
                         self.reload(self.volume).replication_status)

    def test_manager_has_not_written_yet(self):
        driver = self.start()
        self.volumes = [self.create(driver)]
        self.volume, = self.volumes
        self.host.hang(A)
        self.host.inflight = True
        driver.failover_host(self.context, self.volumes, 'lvm-b')
        self.no_longer_hung()
        driver._replication.look()
        self.assertEqual('enabled',
                         self.reload(self.volume).replication_status)
        self.assertEqual(2, self.host.devices[
            self.front(self.volume)].table.count('mirror') + 1)

    def test_volume_that_was_in_error_before(self):
        driver = self.hung(status='error')
        self.no_longer_hung()
        driver._replication.look()
        self.assertEqual(('error', 'failed-over'), (
            self.reload(self.volume).status,
            self.reload(self.volume).replication_status))

    def test_one_that_hangs_ends_a_round(self):
        driver = self.hung(count=3)
        at = len(self.host.commands)
        first = []
        for _ in range(3):
            driver._replication.look()
            suspended = [words[-1] for words in self.host.commands[at:]
                         if 'suspend' in words]
            self.assertEqual(1, len(suspended))
            first += suspended
            at = len(self.host.commands)
        self.assertEqual(3, len(set(first)))

    def test_killed_anywhere(self):
        driver = self.hung()
        self.no_longer_hung()
        for _ in self.kills(lambda driver: driver._replication.look(),
                            driver, more_than=5):
            host, database = self.host.snapshot(), self.database.snapshot()
            for power_cut in (False, True):
                self.host.restore(host)
                self.database.restore(database)
                if power_cut:
                    self.host.cut_power()
                self.start()
                self.assert_served_from_b()
