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

"""Extending replicated volumes."""

from cinder import exception
import fixtures

from cinder_promote.volume import results
from tests.unit.volume import killing
from tests.unit.volume.base import B_TO_C, A, B, C

GIB = 1 << 30
THICK = {'lvm_type': 'default'}
OLD_DATA = 'old data of others'


class ExtendingTest(killing.Killing):

    def extend(self, driver, volume, size=2):
        """As the manager, which writes the size last."""
        volume = self.reload(volume)
        driver.extend_volume(volume, size)
        volume.size = size
        volume.save()

    def mirror(self, volume):
        name, = [name for name in self.host.devices
                 if name.startswith('promote-mirror-' + volume.name)]
        return self.host.devices[name]

    def assert_extended(self, driver, volume, *groups):
        self.assertEqual(2 * GIB, self.front_size(volume))
        self.assertEqual(2 * GIB,
                         driver._replication._records[volume.name].size)
        for group in groups:
            self.assertEqual(2 * GIB, self.copy_size(group, volume))
        held = self.host.read(self.front(volume))
        self.assertEqual(1, held['x'])
        self.assertNotIn(OLD_DATA, held)

    def assert_extended_wherever(self, driver, volume):
        """Also after a fail-over, without the primary."""
        self.assert_extended(driver, volume, A, B)
        self.host.write(self.front(volume), 'late', 2)
        self.host.fail(A)
        self.fail_over(driver, 'lvm-b', self.reload(volume))
        self.assert_extended(driver, volume, B)
        self.assertEqual(2, self.host.read(self.front(volume))['late'])


class BothKinds:
    """What is the same for thin and thick volumes."""

    def test_target_that_was_lost(self):
        driver, volume = self.replicated()
        self.lose_target(driver, volume)
        self.extend(driver, volume)
        self.assert_extended(driver, volume, A)
        self.host.repair(B)
        self.until_enabled(driver, volume)
        self.assert_extended_wherever(driver, volume)

    def test_killed(self):
        def finish(volume):
            driver = self.start(**self.options)
            self.assertIn(self.front_size(volume), (GIB, 2 * GIB))
            self.assertEqual({'x': 1}, self.host.read(self.front(volume)))
            self.until_enabled(driver, volume)
            self.assertEqual({'x': 1}, self.host.read(self.front(volume)))
            self.extend(driver, volume)
            self.until_enabled(driver, volume)
            self.assert_extended_wherever(driver, volume)

        self.killed_everywhere(self.replicated, self.extend, finish)

    def test_killed_and_failed_over(self):
        def finish(volume):
            self.host.fail(A)
            driver = self.start(**self.options)
            self.fail_over(driver, 'lvm-b', self.reload(volume))
            self.assertEqual({'x': 1}, self.host.read(self.front(volume)))
            self.extend(driver, volume)
            self.assert_extended(driver, volume, B)

        self.killed_everywhere(self.replicated, self.extend, finish)


class TestThin(BothKinds, ExtendingTest):

    def test_in_sync(self):
        driver, volume = self.replicated()
        mirror = self.mirror(volume)
        self.extend(driver, volume)
        self.assertIs(mirror, self.mirror(volume))
        self.assertEqual(2 * GIB, self.host._size(mirror))
        self.assertEqual('enabled', self.reload(volume).replication_status)
        self.assert_extended_wherever(driver, volume)

    def test_writer(self):
        driver, volume = self.replicated()
        front = self.front(volume)
        written = {}

        def write():
            if not self.host.stands_still(front):
                self.host.write(front, len(written), 'x')
                written[len(written)] = 'x'

        self.host.meanwhile = write
        self.extend(driver, volume)
        self.assertGreater(len(written), 10)
        for group in (A, B):
            self.assertEqual({'x': 1, **written}, self.data(group, volume))

    def test_again(self):
        driver, volume = self.replicated()
        self.extend(driver, volume)
        at = len(self.host.commands)
        self.extend(driver, volume)
        self.assertFalse([words for words in self.host.commands[at:]
                          if 'lvextend' in words or 'suspend' in words])
        self.extend(driver, volume, 3)
        self.assertEqual(3 * GIB, self.front_size(volume))

    def test_mirror_is_too_large_for_nobody_after_a_boot(self):
        driver, volume = self.replicated()
        self.extend(driver, volume)
        self.host.cut_power()
        driver = self.start(**self.options)
        self.assert_extended(driver, volume, A, B)

    def test_target_that_is_being_filled(self):
        driver, volume = self.replicated()
        self.lose_target(driver, volume)
        self.host.repair(B)
        driver._replication.look()
        self.assertEqual('enabling', self.reload(volume).replication_status)
        self.extend(driver, volume)
        self.assert_extended(driver, volume, A)
        self.until_enabled(driver, volume)
        self.assert_extended_wherever(driver, volume)

    def test_target_that_is_lost_unnoticed(self):
        driver, volume = self.replicated()
        self.host.fail(B)
        self.extend(driver, volume)
        self.assert_extended(driver, volume, A)
        self.host.repair(B)
        self.until_enabled(driver, volume)
        self.assert_extended_wherever(driver, volume)

    def test_failed_over_and_promoted(self):
        driver, volume = self.replicated()
        self.host.fail(A)
        self.fail_over(driver, 'lvm-b', volume)
        self.extend(driver, volume)
        self.assert_extended(driver, volume, B)
        self.reset()
        driver = self.start(*B_TO_C, **self.options)
        self.assert_extended(driver, volume, B)
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        self.until_enabled(driver, volume)
        self.assert_extended(driver, volume, B, C)
        self.host.fail(B)
        self.fail_over(driver, 'lvm-c', self.reload(volume))
        self.assert_extended(driver, volume, C)

    def test_primary_is_lost(self):
        driver, volume = self.replicated()
        self.host.fail(A)
        self.host.write(self.front(volume), 'y', 1)
        driver._replication.look()
        error = self.assertRaises(results.CommandFailed, driver.extend_volume,
                                  self.reload(volume), 2)
        self.assertIn(A, str(error))
        self.assertEqual(GIB, self.copy_size(B, volume))
        self.assertEqual(GIB, self.front_size(volume))

    def test_primary_is_lost_unnoticed(self):
        driver, volume = self.replicated()
        self.host.fail(A)
        self.assertRaises(results.CommandFailed, driver.extend_volume,
                          self.reload(volume), 2)
        self.assertEqual(GIB, self.front_size(volume))
        self.fail_over(driver, 'lvm-b', self.reload(volume))
        self.extend(driver, volume)
        self.assert_extended(driver, volume, B)

    def test_disk_hangs(self):
        driver, volume = self.replicated()
        for group in (A, B):
            def hang(group=group):
                if self.host.commands[-1][0] == 'lvextend':
                    self.host.hang(group)

            self.host.meanwhile = hang
            self.assertRaises(results.CommandFailed, driver.extend_volume,
                              self.reload(volume), 2)
            self.host.meanwhile = None
            self.assertEqual(GIB, self.front_size(volume))
            self.host.repair(group)
            driver._groups._hung.clear()
        self.extend(driver, volume)
        self.assert_extended_wherever(driver, volume)

    def test_disk_hangs_before_the_mirror_grows(self):
        driver, volume = self.replicated()

        def hang():
            if self.host.commands[-1][:2] == ['dmsetup', 'load']:
                self.host.hang(B)

        self.host.meanwhile = hang
        self.assertRaises(results.CommandTimedOut, driver.extend_volume,
                          self.reload(volume), 2)
        self.host.meanwhile = None
        self.assertEqual(GIB, self.front_size(volume))
        self.assertFalse(self.mirror(volume).suspended)
        self.assertFalse(self.host.devices[self.front(volume)].suspended)

    def test_unknown_volume(self):
        driver = self.start()
        self.assertRaises(results.CommandFailed, driver.extend_volume,
                          self.new_volume(), 2)

    def test_kernel_that_leaves_the_mirror_as_it_is(self):
        driver, volume = self.replicated()
        self.useFixture(fixtures.MonkeyPatch(
            'tests.unit.volume.fake_host.FakeHost._resize_mirror',
            lambda host, device, *rest: None))
        error = self.assertRaises(results.CommandFailed, driver.extend_volume,
                                  self.reload(volume), 2)
        self.assertIn('expected 2147483648', str(error))
        self.assertEqual(GIB, self.front_size(volume))

    def test_repair_that_runs_goes_on_afterwards(self):
        driver, volume = self.replicated()
        self.host.cut_power()
        driver = self.start()
        mirror = self.mirror(volume)
        mirror.action = 'repair'
        self.extend(driver, volume)
        self.host.repaired.clear()
        driver._replication.look()
        self.assertEqual([], self.host.repaired)
        self.host.finish_recovery()
        for _ in range(2):
            driver._replication.look()
        self.assertEqual([mirror.name], self.host.repaired)

    def test_target_is_told(self):
        driver, volume = self.replicated()
        told = []
        self.useFixture(fixtures.MockPatchObject(
            driver.target_driver, 'extend_target', told.append))
        self.extend(driver, volume)
        self.assertEqual([volume.id], [each.id for each in told])

    def test_target_can_not_be_told(self):
        driver, volume = self.replicated()
        self.useFixture(fixtures.MockPatchObject(
            driver.target_driver, 'extend_target', side_effect=OSError))
        self.assertRaises(exception.TargetUpdateFailed, driver.extend_volume,
                          self.reload(volume), 2)
        self.assert_extended(driver, volume, A, B)

    def test_front_never_shrinks(self):
        driver, volume = self.replicated()
        # Killed before the manager writes the size.
        driver.extend_volume(self.reload(volume), 2)
        driver = self.start(**self.options)
        self.lose_target(driver, volume)
        self.host.repair(B)
        self.until_enabled(driver, volume)
        self.assert_extended(driver, volume, A, B)

    def test_front_does_not_shrink_without_the_primary(self):
        driver, volume = self.replicated()
        driver.extend_volume(self.reload(volume), 2)
        self.host.fail(A)
        driver = self.start(**self.options)
        self.fail_over(driver, 'lvm-b', self.reload(volume))
        self.assert_extended(driver, volume, B)

    def test_new_target_that_is_being_filled(self):
        driver, volume = self.replicated()
        self.host.fail(A)
        self.fail_over(driver, 'lvm-b', volume)
        self.reset()
        driver = self.start(*B_TO_C, **self.options)
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        driver._replication.look()
        self.assertEqual('enabling', self.reload(volume).replication_status)
        self.extend(driver, volume)
        self.assert_extended(driver, volume, B)
        self.until_enabled(driver, volume)
        self.assert_extended(driver, volume, B, C)

    def test_killed_while_a_target_is_filled(self):
        def filling():
            driver, volume = self.replicated()
            self.lose_target(driver, volume, 'x')
            self.host.repair(B)
            driver._replication.look()
            return driver, volume

        def finish(volume):
            driver = self.start(**self.options)
            self.assertEqual({'x': 1}, self.host.read(self.front(volume)))
            self.extend(driver, volume)
            self.until_enabled(driver, volume)
            self.assert_extended_wherever(driver, volume)

        self.killed_everywhere(filling, self.extend, finish)


class TestThick(BothKinds, ExtendingTest):

    options = THICK

    def test_in_sync(self):
        driver, volume = self.replicated()
        self.extend(driver, volume)
        for group in (A, B):
            self.assertEqual(
                [], self.host.groups[group].volumes[volume.name].old_data)
        self.assert_extended_wherever(driver, volume)

    def test_target_has_no_room(self):
        driver, volume = self.replicated()
        self.host.groups[B].size = GIB + (16 << 20)
        self.assertRaises(results.CommandFailed, driver.extend_volume,
                          self.reload(volume), 2)
        for group in (A, B):
            self.assertEqual(GIB, self.copy_size(group, volume))
        self.assertEqual('enabled', self.reload(volume).replication_status)

    def test_primary_has_no_room(self):
        driver, volume = self.replicated()
        self.host.groups[A].size = GIB + (16 << 20)
        self.assertRaises(results.CommandFailed, driver.extend_volume,
                          self.reload(volume), 2)
        self.host.cut_power()
        driver = self.start(**THICK)
        self.assertEqual(GIB, self.front_size(volume))
        self.assertEqual('enabled', self.reload(volume).replication_status)
        self.host.groups[A].size = 6 * GIB
        self.extend(driver, volume)
        self.assert_extended_wherever(driver, volume)

    def clearing(self, act):
        """Do something once while the new part is cleared."""
        def meanwhile():
            words = self.host.commands[-1]
            if words[0] == 'dd' and 'seek=%d' % GIB in words:
                self.host.meanwhile = None
                act()

        self.host.meanwhile = meanwhile

    def test_fail_over_does_not_wait_for_clearing(self):
        driver, volume = self.replicated()
        self.clearing(lambda: self.fail_over(driver, 'lvm-b',
                                             self.reload(volume)))
        self.extend(driver, volume)
        self.assertEqual('failed-over',
                         self.reload(volume).replication_status)
        self.assert_extended(driver, volume, B)

    def test_look_waits_for_clearing(self):
        driver, volume = self.replicated()
        self.lose_target(driver, volume)
        self.host.repair(B)
        seen = []

        def look():
            driver._replication.look()
            seen.append(self.host.devices[self.front(volume)].table)

        self.clearing(look)
        self.extend(driver, volume)
        self.assertNotIn('promote-mirror-', seen[0])
        self.until_enabled(driver, volume)
        self.assert_extended_wherever(driver, volume)

    def test_what_lies_beneath_changes_each_time(self):
        driver, volume = self.replicated()
        self.useFixture(fixtures.MockPatchObject(
            driver._replication, '_extend_front', return_value=False))
        error = self.assertRaises(results.CommandFailed, driver.extend_volume,
                                  self.reload(volume), 2)
        self.assertIn('changed', str(error))
        self.assertEqual(GIB, self.front_size(volume))

    def killed_everywhere(self, *args):
        self.useFixture(fixtures.MonkeyPatch(
            'cinder_promote.volume.groups.CLEAR_STEP', GIB // 2))
        super().killed_everywhere(*args)

    def test_clearing_fails(self):
        driver, volume = self.replicated()
        self.clearing(lambda: self.host.hang(B))
        self.assertRaises(results.CommandFailed, driver.extend_volume,
                          self.reload(volume), 2)
        self.assertEqual(GIB, self.front_size(volume))
        self.host.repair(B)
        self.extend(driver, volume)
        self.assert_extended_wherever(driver, volume)
