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

"""Volumes from snapshots and clones, in every combination, and reverting."""

from unittest import mock

from cinder import objects

from cinder_promote.volume import results, snapshots
from tests.unit.volume import base, fake_host, test_snapshots
from tests.unit.volume.base import A, B, C

THICK = test_snapshots.THICK


class TestNewVolumes(test_snapshots.TestCase):

    def copied(self, at):
        return [words for words in self.host.commands[at:]
                if words[0] == 'copy']

    def each(self):
        """Thin and thick, same and larger size, by snapshot and clone."""
        for options in ({}, THICK):
            for size in (1, 2):
                for make in (self.by_snapshot, self.clone):
                    yield options, size, make

    def by_snapshot(self, driver, source, **values):
        snapshot = self.take(driver, source)
        try:
            return self.from_snapshot(driver, snapshot, **values)
        finally:
            driver.delete_snapshot(snapshot)

    def test_replicated_to_replicated(self):
        for options, size, make in self.each():
            self.anew()
            driver, source = self.protected(**options)
            at = len(self.host.commands)
            volume = make(driver, source, size=size)
            self.assertEqual(bool(options), bool(self.copied(at)))
            self.finish_protection(driver)
            self.assert_whole(self.reload(volume))
            self.assert_equal_legs(volume, {'x': 1})
            self.assertEqual('enabled',
                             self.reload(volume).replication_status)
            self.host.write(self.front(volume), 'y', 2)
            self.assert_equal_legs(source, {'x': 1})
            self.assert_no_snapshots()
            self.fail_over(driver, 'lvm-b', self.reload(source),
                           self.reload(volume))
            self.assertEqual({'x': 1, 'y': 2},
                             self.host.read(self.front(volume)))

    def test_replicated_to_plain(self):
        for options, size, make in self.each():
            self.anew()
            driver, source = self.protected(**options)
            volume = make(driver, source, size=size, replicated=False)
            plain = self.host.groups[A].volumes[volume.name]
            self.assertEqual([A], self.groups_with(volume.name))
            self.assertEqual((size << 30, {'x': 1}, set(), True), (
                plain.size, plain.data, plain.tags, plain.active))
            self.assertIsNone(self.reload(volume).replication_driver_data)
            self.assert_no_snapshots()
            self.assert_nothing_stands_still()

    def test_plain_to_replicated(self):
        for options, size, make in self.each():
            self.anew()
            driver = self.start(volume_clear='none', **options)
            source = self.create(driver, replicated=False)
            self.host.groups[A].volumes[source.name].data['x'] = 1
            volume = make(driver, source, size=size)
            self.finish_protection(driver)
            self.assert_whole(self.reload(volume))
            self.assert_equal_legs(volume, {'x': 1})
            self.assert_no_snapshots()

    def test_plain_to_plain(self):
        for options, size, make in self.each():
            self.anew()
            driver = self.start(volume_clear='none', **options)
            source = self.create(driver, replicated=False)
            self.host.groups[A].volumes[source.name].data['x'] = 1
            volume = make(driver, source, size=size, replicated=False)
            self.assertEqual([A], self.groups_with(volume.name))
            self.assertEqual({'x': 1}, self.data(A, volume))
            self.assert_no_snapshots()

    def test_clone_under_a_writer_has_equal_legs(self):
        written = []
        driver, source = self.protected()
        front = self.front(source)

        def write():
            if not self.host.devices[front].suspended:
                written.append(1)
                self.host.write(front, 'x', len(written))
        self.host.meanwhile = write
        volume = self.clone(driver, source)
        self.host.meanwhile = None
        self.assertEqual(self.data(A, volume), self.data(B, volume))
        self.assert_whole(volume)

    def test_source_with_a_leg_that_is_not_in_sync(self):
        driver, source = self.protected()
        self.host.fail(B)
        self.host.write(self.front(source), 'x', 2)
        self.host.repair(B, pool_failed=False)
        at = len(self.host.commands)
        volume = self.clone(driver, source)
        self.assertEqual(1, len(self.copied(at)))
        self.assert_whole(volume)
        self.assert_equal_legs(volume, {'x': 2})
        self.assert_no_snapshots()

    def test_snapshot_that_one_leg_has(self):
        driver, source = self.protected()
        self.host.fail(B)
        self.host.write(self.front(source), 'x', 2)
        snapshot = self.take(driver, source)
        self.host.repair(B, pool_failed=False)
        volume = self.from_snapshot(driver, snapshot)
        self.assert_whole(volume)
        self.assert_equal_legs(volume, {'x': 2})

    def test_legs_that_are_being_made_equal(self):
        # A crash may have left them different in what was not acknowledged.
        for make in (self.by_snapshot, self.clone):
            self.anew()
            driver, source = self.protected()
            self.data(A, source)['torn'] = 1
            mirror = next(device for device in self.host.devices.values()
                          if ' raid ' in device.table)
            mirror.action = 'repair'
            volume = make(driver, source)
            self.assert_whole(volume)
            self.assert_equal_legs(volume, {'x': 1, 'torn': 1})
            plain = make(driver, source, replicated=False)
            self.assertEqual(
                set(), self.host.groups[A].volumes[plain.name].tags)

    def test_row_that_was_copied_from_the_source(self):
        # As Cinder's manager clones image volumes.
        for replicated in (True, False):
            self.anew()
            driver, source = self.protected()
            source = self.reload(source)
            source.replication_driver_data = (
                '{"generation": 7, "volume_group": "promote-a"}')
            source.save()
            volume = self.new_volume(
                replicated=replicated,
                replication_driver_data=source.replication_driver_data)
            self.host.dies = True
            self.host.crash_before = len(self.host.commands) + 20
            try:
                driver.create_cloned_volume(volume, source)
            except fake_host.Crash:
                pass
            self.assertIsNone(self.reload(volume).replication_driver_data)

    def test_copying_fails(self):
        for options in ({}, THICK):
            self.anew()
            driver = self.start(volume_clear='none', **options)
            source = self.create(driver, replicated=False)
            with mock.patch('cinder.volume.volume_utils.copy_volume',
                            side_effect=OSError('Input/output error')):
                self.assertRaises(OSError, self.clone, driver, source)
            self.assertEqual({}, self.host.devices)
            self.assert_no_snapshots()
            self.assertEqual(
                [], [name for name in self.host.groups[B].volumes
                     if name.startswith('volume')])

    def test_a_leg_of_a_clone_fails(self):
        driver, source = self.protected()
        self.host.stuck = B
        new = self.new_volume()
        self.assertRaises(results.CommandTimedOut,
                          driver.create_cloned_volume, new, source)
        self.assertEqual([], self.groups_with(new.name))
        self.assert_nothing_stands_still()
        self.host.write(self.front(source), 'x', 2)

    def test_temporary_snapshot_of_a_killed_clone_is_removed(self):
        driver, source = self.protected(**THICK)

        def kill():
            if self.host.commands[-1][0] == 'copy':
                raise fake_host.Crash()
        self.host.dies = True
        self.host.meanwhile = kill
        new = self.new_volume()
        with mock.patch.object(driver._snapshots, 'take_back'):
            self.assertRaises(fake_host.Crash, driver.create_cloned_volume,
                              new, source)
        self.host.meanwhile = None
        self.assertEqual([A], self.groups_with('clone-snap-' + new.id))
        self.restart(**THICK)
        self.assert_no_snapshots()

    def test_backup_of_a_volume_in_use(self):
        driver, source = self.protected()
        source.previous_status = 'in-use'
        source.save()
        backup = objects.Backup(
            self.context, volume_id=source.id, status='creating',
            user_id='user', project_id=base.base.PROJECT_ID)
        backup.create()
        device, is_snapshot = driver.get_backup_device(self.context, backup)
        self.assertFalse(is_snapshot)
        self.assertNotEqual(source.id, device.id)
        self.assert_whole(self.reload(device))
        self.assert_equal_legs(device, {'x': 1})
        driver.delete_volume(self.reload(device))
        self.assertEqual([], self.groups_with(device.name))


class TestElsewhere(test_snapshots.TestCase):
    """Snapshots where they are after fail-over and promotion."""

    def test_volume_after_fail_over(self):
        for options in ({}, THICK):
            self.anew()
            driver, source = self.protected(**options)
            snapshot = self.take(driver, source)
            self.host.write(self.front(source), 'x', 2)
            self.host.fail(A)
            self.fail_over(driver, 'lvm-b', source)
            volume = self.from_snapshot(driver, snapshot)
            self.assertEqual({'x': 1}, self.data(B, volume))
            self.assertEqual([B], [group for group in (B, C)
                                   if volume.name in
                                   self.host.groups[group].volumes])

    def test_snapshot_of_the_target_after_a_reboot(self):
        driver, source = self.protected()
        snapshot = self.take(driver, source)
        self.host.fail(A)
        self.fail_over(driver, 'lvm-b', source)
        self.host.cut_power()
        driver = self.start()
        volume = self.from_snapshot(driver, snapshot, replicated=False)
        self.assertEqual({'x': 1}, self.data(B, volume))

    def test_revert_after_promotion(self):
        for options in ({}, THICK):
            self.anew()
            driver, volume = self.protected(**options)
            snapshot = self.take(driver, volume)
            self.host.write(self.front(volume), 'y', 2)
            driver = self.promote(driver, volume, **options)
            volume = self.reload(volume)
            self.assertEqual('enabled', volume.replication_status)
            driver.revert_to_snapshot(self.context, volume, snapshot)
            self.assert_equal_legs(volume, {'x': 1}, B, C)
            self.assertEqual({'x': 1}, self.taken(B, snapshot))

    def test_volume_after_promotion_is_copied(self):
        # What fills C anew knows nothing of snapshots.
        driver, source = self.protected()
        snapshot = self.take(driver, source)
        driver = self.promote(driver, source)
        self.assertEqual([A, B], self.groups_with('_' + snapshot.name))
        volume = self.from_snapshot(driver, snapshot)
        self.assert_whole(volume, (B, C))
        self.assert_equal_legs(volume, {'x': 1}, B, C)

    def test_delete_after_promotion(self):
        for options in ({}, THICK):
            self.anew()
            driver, volume = self.protected(**options)
            snapshot = self.take(driver, volume)
            driver = self.promote(driver, volume, **options)
            driver.delete_snapshot(snapshot)
            self.assert_no_snapshots()

    def test_snapshot_of_the_second_pair(self):
        driver, volume = self.protected()
        first = self.take(driver, volume)
        driver = self.promote(driver, volume)
        volume = self.reload(volume)
        self.host.write(self.front(volume), 'x', 2)
        second = self.take(driver, volume)
        self.assertEqual([B, C], self.groups_with('_' + second.name))
        self.fail_over(driver, 'lvm-c', volume)
        clone = self.from_snapshot(driver, second)
        self.assertEqual({'x': 2}, self.host.read(self.front(clone)))
        self.assertRaises(snapshots.SnapshotMissing, self.from_snapshot,
                          driver, first)


class TestRevert(test_snapshots.TestCase):

    def changed(self, **options):
        driver, volume = self.protected(**options)
        snapshot = self.take(driver, volume)
        self.host.write(self.front(volume), 'x', 2)
        self.host.write(self.front(volume), 'y', 2)
        return driver, volume, snapshot

    def test_both_legs(self):
        for options in ({}, THICK):
            self.anew()
            driver, volume, snapshot = self.changed(**options)
            for __ in range(2):
                driver.revert_to_snapshot(self.context, volume, snapshot)
                self.assert_equal_legs(volume, {'x': 1})
                for group in (A, B):
                    self.assertEqual({'x': 1}, self.taken(group, snapshot))
                self.host.write(self.front(volume), 'z', 3)

    def test_pool_that_does_not_discard_all(self):
        # 2 MiB: blocks larger than the pieces that raid1 makes.
        for granularity, longest in ((192 << 10, 16 << 20),
                                     (2 << 20, 16 << 20), (64 << 10, 0),
                                     (0, 0)):
            self.anew()
            driver, volume, snapshot = self.changed()
            self.host.granularity = granularity
            self.host.longest_discard = longest
            driver.revert_to_snapshot(self.context, volume, snapshot)
            self.assert_equal_legs(volume, {'x': 1})
            self.assertNotIn('blkdiscard', [words[0] for words
                                            in self.host.commands])

    def test_without_a_snapshot_nothing_is_discarded(self):
        driver, volume, snapshot = self.changed()
        del self.host.groups[A].volumes['_' + snapshot.name]
        self.assertRaises(snapshots.SnapshotMissing,
                          driver.revert_to_snapshot, self.context, volume,
                          snapshot)
        self.assert_equal_legs(volume, {'x': 2, 'y': 2})

    def test_plain_is_left_to_cinder(self):
        driver = self.start()
        volume = self.create(driver, replicated=False)
        snapshot = self.take(driver, volume)
        self.assertRaises(NotImplementedError, driver.revert_to_snapshot,
                          self.context, volume, snapshot)
