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

"""What a deleted thick volume held can't be read through a new one."""

import threading

from cinder_promote.volume import results
from tests.unit.volume import base, fake_host
from tests.unit.volume.base import B_TO_C, A, B, C

THICK = {'lvm_type': 'default'}


class TestThick(base.TestCase):

    def protected(self, *section, **options):
        """A driver with a volume in sync that holds something."""
        driver = self.start(*section, **THICK, **options)
        volume = self.create(driver)
        self.sync(driver)
        self.host.write(self.front(volume), 'secret', 1)
        return driver, volume

    def anew(self):
        self.host.__init__(A, B, C)
        self.database.execute('DELETE FROM volumes')

    def sync(self, driver):
        driver._replication.look()
        self.host.finish_recovery()
        driver._replication.look()

    def delete(self, driver, volume):
        driver.delete_volume(self.reload(volume))
        volume.destroy()

    def assert_nothing_left(self, *groups):
        for group in groups or (A, B, C):
            self.assertEqual({}, self.host.groups[group].volumes)
            self.assertEqual({}, self.host.groups[group].remains)

    def test_every_copy_is_cleared(self):
        self.delete(*self.protected())
        self.assert_nothing_left()
        self.assertEqual({}, self.host.devices)

    def test_copy_of_the_old_primary(self):
        driver, volume = self.protected()
        self.fail_over(driver, 'lvm-b', volume)
        self.reset()
        driver = self.start(*B_TO_C, **THICK)
        self.delete(driver, volume)
        self.assert_nothing_left()

    def test_copy_that_is_not_active(self):
        driver, volume = self.protected()
        self.fail_over(driver, 'lvm-b', volume)
        self.reset()
        self.host.cut_power()
        self.delete(self.start(*B_TO_C, **THICK), volume)
        self.assert_nothing_left()

    def test_dropped_copy(self):
        driver, volume = self.protected()
        self.lose_target(driver, volume, 'secret', 2)
        self.host.repair(B)
        self.delete(driver, volume)
        self.assert_nothing_left()

    def test_copy_on_a_disk_that_was_away(self):
        driver, volume = self.protected()
        self.host.fail(B)
        self.delete(driver, volume)
        self.host.repair(B)
        self.start(**THICK)
        self.assert_nothing_left()

    def test_copy_that_is_filled_again(self):
        driver, volume = self.protected()
        self.lose_target(driver, volume, 'secret', 2)
        self.host.repair(B)
        at = len(self.host.commands)
        driver._replication.look()
        # Clearing it would hold up the other volumes.
        self.assertNotIn('lvremove', [words[0] for words
                                      in self.host.commands[at:]])
        self.assertIn('cinder-promote.generation=0',
                      self.host.groups[B].volumes[volume.name].tags)
        self.sync(driver)
        self.assertEqual('enabled', self.reload(volume).replication_status)
        self.assertEqual({'secret': 2}, self.data(B, volume))
        self.assertEqual({}, self.host.groups[B].remains)
        self.delete(driver, volume)
        self.assert_nothing_left()

    def test_copy_that_is_too_small_to_be_filled_again(self):
        driver, volume = self.protected()
        self.lose_target(driver, volume, 'secret', 2)
        self.host.repair(B)
        self.host.groups[B].volumes[volume.name].size -= 4 << 20
        self.sync(driver)
        self.assertEqual('enabled', self.reload(volume).replication_status)
        self.assertEqual(1 << 30,
                         self.host.groups[B].volumes[volume.name].size)
        self.assertEqual({}, self.host.groups[B].remains)

    def test_killed_while_an_old_copy_is_filled_again(self):
        driver, volume = self.protected()
        self.lose_target(driver, volume, 'secret', 2)
        self.host.repair(B)
        for _ in self.kills(lambda driver: driver._replication.look(),
                            driver, more_than=5):
            self.host.cut_power()
            driver = self.start(**THICK)
            self.assertEqual({'secret': 2},
                             self.host.read(self.front(volume)))
            self.sync(driver)
            self.assertEqual('enabled',
                             self.reload(volume).replication_status)
            self.assertEqual({'secret': 2}, self.data(B, volume))

    def test_plain_volume_that_stayed_behind(self):
        driver = self.start(**THICK)
        volume = self.create(driver, replicated=False)
        self.host.groups[A].volumes[volume.name].data['secret'] = 1
        self.fail_over(driver, 'lvm-b')
        driver.delete_volume(volume)
        self.assert_nothing_left()

    def test_half_made_volume(self):
        driver = self.start(**THICK)
        volume = self.new_volume()
        self.host.crash_before = len(self.host.commands) + 4
        self.assertRaises(fake_host.Crash, driver.create_volume, volume)
        self.delete(self.start(**THICK), volume)
        self.assert_nothing_left()

    def test_killed_while_it_is_deleted(self):
        driver, volume = self.protected()
        volume.status = 'deleting'
        volume.save()
        for _ in self.kills(lambda driver: driver.delete_volume(volume),
                            driver, more_than=10):
            self.start(**THICK).delete_volume(self.reload(volume))
            self.assert_nothing_left()

    def test_disk_that_hangs_ends_it(self):
        driver, volume = self.protected()

        def hang():
            if self.host.commands[-1][0] == 'dd':
                self.host.hang(B)

        self.host.meanwhile = hang
        error = self.assertRaises(results.CommandTimedOut,
                                  driver.delete_volume, self.reload(volume))
        self.assertIn('clearing promote-b/volume-', str(error))
        self.host.meanwhile = None
        self.host.repair(B)
        self.delete(driver, volume)
        self.assert_nothing_left()

    def test_fail_over_does_not_wait_for_it(self):
        driver, volume = self.protected()
        free = []

        def take_lock():
            lock = driver._replication._lock
            free.append(lock.acquire(timeout=5))
            if free[-1]:
                lock.release()

        def take_lock_elsewhere():
            if self.host.commands[-1][0] == 'dd' and not free:
                other = threading.Thread(target=take_lock)
                other.start()
                other.join()

        self.host.meanwhile = take_lock_elsewhere
        driver.delete_volume(self.reload(volume))
        self.assertEqual([True], free)


class TestOptions(base.TestCase):

    def cleared(self, **options):
        """The commands that clear as a volume is deleted."""
        driver = self.start(**options)
        volume = self.create(driver)
        at = len(self.host.commands)
        driver.delete_volume(volume)
        return [words for words in self.host.commands[at:] if 'dd' in words]

    def test_thin(self):
        self.assertEqual([], self.cleared())

    def test_none(self):
        self.assertEqual([], self.cleared(volume_clear='none', **THICK))

    def test_all(self):
        commands = self.cleared(**THICK)
        self.assertEqual(2 * [64 << 20] * 16, [
            int(word.partition('=')[2]) for words in commands
            for word in words if word.startswith('count=')])
        self.assertEqual({'dd'}, {words[0] for words in commands})

    def test_size(self):
        commands = self.cleared(volume_clear_size=65, **THICK)
        self.assertEqual(
            2 * [(0, 64 << 20), (64 << 20, 1 << 20)],
            [tuple(int(word.partition('=')[2]) for word in words
                   if word.startswith(('seek=', 'count=')))
             for words in commands])

    def test_io_priority(self):
        commands = self.cleared(volume_clear_size=1,
                                volume_clear_ionice='-c3', **THICK)
        self.assertEqual(2 * [['ionice', '-c3', 'dd']],
                         [words[:3] for words in commands])
