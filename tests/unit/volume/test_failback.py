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

"""Going back to the primary once it is in sync again."""

from cinder import exception

from tests.unit.volume import fake_host, killing
from tests.unit.volume.base import A, B


class FailbackTest(killing.Killing):

    def failed_over(self, **options):
        """A driver that failed over from a disk that works again."""
        self.options = options
        driver, volume = self.replicated()
        self.host.fail(A)
        self.host.write(self.front(volume), 'gap', 1)
        self.fail_over(driver, 'lvm-b', volume)
        self.host.write(self.front(volume), 'x', 2)
        self.host.repair(A)
        return driver, volume

    def ask(self, driver):
        """Ask for failing back too early."""
        error = self.assertRaises(
            exception.InvalidReplicationTarget, driver.failover_host,
            self.context, [], 'default')
        return str(error)

    def assert_back(self, driver, volume, **data):
        """It is served from A, and protected by B as ever."""
        self.until_enabled(driver, volume)
        front = self.front(volume)
        self.assertEqual(data, self.host.read(front))
        for group in (A, B):
            self.assertEqual(data, self.data(group, volume))
        self.host.fail(A)
        self.host.write(front, 'again', 1)
        self.fail_over(driver, 'lvm-b', self.reload(volume))
        self.assertEqual({**data, 'again': 1}, self.host.read(front))


class TestFailback(FailbackTest):

    def test_only_what_was_written_since_is_copied(self):
        for options in ({}, {'lvm_type': 'default'}):
            self.anew()
            driver, volume = self.failed_over(**options)
            before = self.host.groups[A].volumes[volume.name]
            self.assertIn('0 of 1', self.ask(driver))
            self.assertEqual({'x': 1}, before.data)
            self.finish_protection(driver)
            self.assertIs(before, self.host.groups[A].volumes[volume.name])
            self.assertEqual(0, self.host.copied)
            self.fail_back(driver, volume)
            self.assertEqual((None, 'enabled'), (
                self.service()['active_backend_id'] or None,
                self.service()['replication_status']))
            self.assert_back(driver, volume, x=2, gap=1)

    def test_nothing_is_written_to_the_primary_unasked(self):
        driver, volume = self.failed_over()
        self.finish_protection(driver)
        driver = self.start()
        self.finish_protection(driver)
        self.assertEqual({'x': 1}, self.data(A, volume))
        self.assertEqual('failed-over',
                         self.reload(volume).replication_status)

    def test_killed_fail_over_is_no_failback(self):
        driver, volume = self.replicated()
        self.host.meanwhile = self.crash_once_failed_over
        self.assertRaises(fake_host.Crash, self.fail_over, driver, 'lvm-b',
                          volume)
        self.host.meanwhile = None
        driver = self.start()
        self.finish_protection(driver)
        self.host.write(self.front(volume), 'y', 1)
        self.assertEqual({'x': 1}, self.data(A, volume))
        self.assertEqual({'x': 1, 'y': 1}, self.data(B, volume))

    def test_disk_that_was_replaced(self):
        driver, volume = self.failed_over()
        self.host.groups[A] = fake_host.Group(A, self.host.groups[A].disk)
        self.ask(driver)
        self.finish_protection(driver)
        self.assertGreater(self.host.copied, 0)
        self.fail_back(driver, volume)
        self.assert_back(driver, volume, x=2, gap=1)

    def test_disk_that_is_away(self):
        driver, volume = self.failed_over()
        self.host.fail(A)
        self.assertIn(A, self.ask(driver))
        self.host.repair(A)
        self.ask(driver)
        self.finish_protection(driver)
        self.fail_back(driver, volume)
        self.assert_back(driver, volume, x=2, gap=1)

    def test_restart_while_it_is_copied(self):
        driver, volume = self.failed_over()
        self.ask(driver)
        driver._replication.look()
        driver = self.start()
        self.finish_protection(driver)
        self.fail_back(driver, volume)
        self.assert_back(driver, volume, x=2, gap=1)

    def test_boot_while_it_is_copied(self):
        driver, volume = self.failed_over()
        self.ask(driver)
        driver._replication.look()
        self.host.cut_power()
        driver = self.start()
        self.host.write(self.front(volume), 'y', 3)
        self.finish_protection(driver)
        self.assertEqual(0, self.host.copied)
        self.fail_back(driver, volume)
        self.assert_back(driver, volume, x=2, gap=1, y=3)

    def test_boot_while_failed_over(self):
        driver, volume = self.failed_over()
        self.host.cut_power()
        driver = self.start()
        self.host.write(self.front(volume), 'y', 3)
        self.ask(driver)
        self.finish_protection(driver)
        self.assertEqual(0, self.host.copied)
        self.fail_back(driver, volume)
        self.assert_back(driver, volume, x=2, gap=1, y=3)

    def test_primary_is_lost_again_while_it_is_copied(self):
        driver, volume = self.failed_over()
        self.ask(driver)
        driver._replication.look()
        self.host.fail(A)
        self.host.write(self.front(volume), 'y', 3)
        driver._replication.look()
        self.assertEqual('failed-over',
                         self.reload(volume).replication_status)
        self.host.repair(A)
        self.finish_protection(driver)
        self.fail_back(driver, volume)
        self.assert_back(driver, volume, x=2, gap=1, y=3)

    def test_primary_that_somebody_wrote_to(self):
        """A copy of another generation is not what the bitmap knows."""
        driver, volume = self.failed_over()
        old = self.host.groups[A].volumes[volume.name]
        old.tags = {tag.replace('generation=1', 'generation=0')
                    for tag in old.tags}
        old.data['theirs'] = 1
        self.ask(driver)
        self.finish_protection(driver)
        self.fail_back(driver, volume)
        self.assert_back(driver, volume, x=2, gap=1)

    def test_volume_that_stayed_behind(self):
        driver, volume = self.replicated()
        other = self.create(driver)
        self.host.fail(B)
        self.host.write(self.front(other), 'z', 1)
        self.host.repair(B, pool_failed=False)
        other.status = 'available'
        other.save()
        updates = self.fail_over(driver, 'lvm-b', volume, other)
        self.assertEqual('error', updates[other.id]['status'])
        other = self.reload(other)
        other.previous_status = 'available'
        other.save()
        self.ask(driver)
        self.finish_protection(driver)
        self.fail_back(driver, volume, other)
        self.assertEqual('available', self.reload(other).status)
        self.until_enabled(driver, other)
        self.assertEqual({'z': 1}, self.data(B, other))
        self.until_enabled(driver, volume)


class TestKilled(FailbackTest):

    def test_while_it_is_copied(self):
        def act(driver, volume):
            self.ask(driver)
            self.finish_protection(driver)

        def finish(volume):
            driver = self.start()
            self.host.write(self.front(volume), 'y', 3)
            self.ask_until_ready(driver)
            self.fail_back(driver, volume)
            self.assert_back(driver, volume, x=2, gap=1, y=3)

        self.killed_everywhere(self.failed_over, act, finish)

    def ask_until_ready(self, driver):
        total, ready = driver._replication.bring_back()
        if ready < total:
            self.finish_protection(driver)

    def test_failing_back(self):
        def prepare():
            driver, volume = self.failed_over()
            self.ask(driver)
            self.finish_protection(driver)
            return driver, volume

        def finish(volume):
            driver = self.start()
            self.host.write(self.front(volume), 'y', 3)
            if self.service()['active_backend_id']:
                self.ask_until_ready(driver)
                self.fail_back(driver, volume)
            self.assert_back(driver, volume, x=2, gap=1, y=3)

        self.killed_everywhere(prepare, self.fail_back, finish)
