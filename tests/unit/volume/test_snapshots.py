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

"""Snapshots and clones of replicated volumes, followed to where they serve."""

from cinder import exception, objects

from cinder_promote.volume import results, snapshots
from tests.unit.volume import base
from tests.unit.volume.base import B_TO_C, A, B, C

THICK = {'lvm_type': 'default'}


class TestCase(base.TestCase):

    def protected(self, *section, **options):
        """A driver with a volume in sync that holds something."""
        driver = self.start(*section, **options)
        volume = self.create(driver)
        self.finish_protection(driver)
        self.host.write(self.front(volume), 'x', 1)
        return driver, volume

    def anew(self):
        self.host.__init__(A, B, C)
        self.database.execute('DELETE FROM snapshots')
        self.database.execute('DELETE FROM volumes')
        self.set_service(replication_status='not-capable',
                         active_backend_id=None, disabled=0)

    def new_snapshot(self, volume):
        """A snapshot's row, as the API makes it."""
        snapshot = objects.Snapshot(
            self.context, volume_id=volume.id, status='creating',
            progress='0%', volume_size=volume.size, display_name='snap',
            user_id='user', project_id=base.base.PROJECT_ID,
            volume_type_id=volume.volume_type_id, metadata={})
        snapshot.create()
        return objects.Snapshot.get_by_id(self.context, snapshot.id)

    def take(self, driver, volume):
        snapshot = self.new_snapshot(volume)
        driver.create_snapshot(snapshot)
        return snapshot

    def from_snapshot(self, driver, snapshot, **values):
        volume = self.new_volume(**values)
        volume.update(
            driver.create_volume_from_snapshot(volume, snapshot) or {})
        volume.save()
        return volume

    def clone(self, driver, source, **values):
        volume = self.new_volume(**values)
        volume.update(driver.create_cloned_volume(volume, source) or {})
        volume.save()
        return volume

    def restart(self, *section, **options):
        self.host.dead = False
        return self.start(*section, **options)

    def promote(self, driver, *volumes, **options):
        """Fail over to B and go on with it, protected by C."""
        self.fail_over(driver, 'lvm-b', *volumes)
        self.reset()
        driver = self.start(*B_TO_C, **options)
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        self.finish_protection(driver)
        return driver

    def taken(self, group, snapshot):
        """What a snapshot in one volume group holds."""
        return self.host.groups[group].volumes['_' + snapshot.name].data

    def groups_with(self, name):
        return [group for group in (A, B, C)
                if name in self.host.groups[group].volumes]

    def assert_equal_legs(self, volume, data, *groups):
        for group in groups or (A, B):
            self.assertEqual(data, self.data(group, volume))
        self.assertEqual(data, self.host.read(self.front(volume)))

    def assert_whole(self, volume, groups=(A, B)):
        """A volume is what create_volume would have made."""
        self.assertEqual(list(groups), self.groups_with(volume.name))
        for group in groups:
            leg = self.host.groups[group].volumes[volume.name]
            self.assertIn('cinder-promote.generation=1', leg.tags)
            self.assertEqual(volume.size << 30, leg.size)
            self.assertIn(volume.name + '.meta',
                          self.host.groups[group].volumes)
        front = self.host.devices[self.front(volume)]
        self.assertEqual(volume.size << 21, int(front.table.split()[1]))
        self.assertIn('promote-mirror-', front.table)
        self.assertIn('generation', volume.replication_driver_data)

    def assert_no_snapshots(self):
        self.assertEqual([], [
            name for group in self.host.groups.values()
            for name in group.volumes
            if name.startswith(('_snapshot', 'clone-snap'))])

    def assert_nothing_stands_still(self):
        self.assertEqual([], [
            device.name for device in self.host.devices.values()
            if device.suspended])
        self.assertEqual([], [
            volume.name for group in self.host.groups.values()
            for volume in group.volumes.values() if volume.suspended])


class TestSnapshots(TestCase):

    def test_on_every_leg(self):
        for options in ({}, THICK):
            self.anew()
            driver, volume = self.protected(**options)
            snapshot = self.take(driver, volume)
            self.host.write(self.front(volume), 'x', 2)
            for group in (A, B):
                self.assertEqual({'x': 1}, self.taken(group, snapshot))
            self.assertEqual([A, B], self.groups_with('_' + snapshot.name))
            self.assert_nothing_stands_still()

    def test_under_a_writer_legs_are_equal(self):
        written = []
        driver, volume = self.protected()
        front = self.front(volume)

        def write():
            if not self.host.devices[front].suspended:
                written.append(1)
                self.host.write(front, 'x', len(written))
        self.host.meanwhile = write
        snapshot = self.take(driver, volume)
        self.host.meanwhile = None
        self.assertGreater(len(written), 3)
        self.assertEqual(self.taken(A, snapshot), self.taken(B, snapshot))

    def test_nothing_but_snapshots_is_made_while_it_stands_still(self):
        driver, volume = self.protected()
        at = len(self.host.commands)
        self.take(driver, volume)
        words = [words[:2] for words in self.host.commands[at:]]
        began = words.index(['dmsetup', 'suspend'])
        ended = words.index(['dmsetup', 'resume'])
        self.assertEqual([['dmsetup', 'status'], ['lvcreate', '--yes'],
                          ['lvcreate', '--yes']], words[began + 1:ended])

    def test_two_instants(self):
        for options in ({}, THICK):
            self.anew()
            driver, volume = self.protected(**options)
            first = self.take(driver, volume)
            self.host.write(self.front(volume), 'x', 2)
            second = self.take(driver, volume)
            driver.delete_snapshot(first)
            self.assertEqual({'x': 2}, self.taken(B, second))
            driver.delete_snapshot(second)
            self.assert_no_snapshots()

    def test_what_is_deleted_twice(self):
        driver, volume = self.protected()
        snapshot = self.take(driver, volume)
        driver.delete_snapshot(snapshot)
        driver.delete_snapshot(snapshot)
        self.assert_no_snapshots()

    def test_plain(self):
        # Clearing would be Cinder's own, which looks for a real device.
        for options in ({}, {'volume_clear': 'none', **THICK}):
            self.anew()
            driver = self.start(**options)
            volume = self.create(driver, replicated=False)
            snapshot = self.take(driver, volume)
            self.assertEqual([A], self.groups_with('_' + snapshot.name))
            driver.delete_snapshot(snapshot)
            self.assert_no_snapshots()

    def test_thick_volume_is_not_deleted_with_its_snapshot(self):
        driver, volume = self.protected(**THICK)
        snapshot = self.take(driver, volume)
        self.assertRaises(exception.VolumeIsBusy, driver.delete_volume,
                          self.reload(volume))
        self.assert_equal_legs(volume, {'x': 1})
        driver.delete_snapshot(snapshot)
        driver.delete_volume(self.reload(volume))
        self.assertEqual({}, self.host.groups[A].volumes)

    def test_unprotected(self):
        driver = self.start(devices=[])
        volume = self.create(driver)
        snapshot = self.take(driver, volume)
        self.assertEqual([A], self.groups_with('_' + snapshot.name))

    def test_not_offered_to_manage(self):
        driver, volume = self.protected()
        self.take(driver, volume)
        self.assertEqual(['promote-a-pool'], [
            each['name'] for each in driver.vg.get_volumes()])


class TestBadLegs(TestCase):

    def test_target_that_is_not_in_sync_has_none(self):
        driver, volume = self.protected()
        self.host.fail(B)
        self.host.write(self.front(volume), 'x', 2)
        self.host.repair(B)
        snapshot = self.take(driver, volume)
        self.assertEqual([A], self.groups_with('_' + snapshot.name))
        self.assertEqual({'x': 2}, self.taken(A, snapshot))

    def test_target_that_is_dropped_just_before(self):
        driver, volume = self.protected()

        def drop():
            if self.host.commands[-1][:2] == ['dmsetup', 'suspend']:
                self.host.meanwhile = None
                self.host.fail(B)
                self.host.write(self.front(volume), 'x', 2)
                self.host.repair(B)
        self.host.meanwhile = drop
        snapshot = self.take(driver, volume)
        self.assertEqual([A], self.groups_with('_' + snapshot.name))
        self.assertEqual({'x': 2}, self.taken(A, snapshot))
        self.assert_nothing_stands_still()

    def test_target_that_errors(self):
        driver, volume = self.protected()
        self.host.fail(B)
        snapshot = self.take(driver, volume)
        self.assertEqual([A], self.groups_with('_' + snapshot.name))
        self.assert_nothing_stands_still()

    def test_target_that_hangs_costs_no_pause(self):
        driver, volume = self.protected()
        self.host.hang(B)
        at = len(self.host.commands)
        snapshot = self.take(driver, volume)
        self.assertEqual([A], self.groups_with('_' + snapshot.name))
        self.assertEqual(1, len([
            words for words in self.host.commands[at:]
            if words[0] == 'lvcreate']))
        self.assert_nothing_stands_still()

    def hang_as_it_stands_still(self, group):
        def hang():
            if self.host.commands[-1][:2] == ['dmsetup', 'suspend']:
                self.host.hang(group)
        self.host.meanwhile = hang

    def test_target_that_begins_to_hang(self):
        driver, volume = self.protected()
        self.hang_as_it_stands_still(B)
        snapshot = self.take(driver, volume)
        self.host.meanwhile = None
        self.assertEqual([A], self.groups_with('_' + snapshot.name))
        self.assert_nothing_stands_still()
        self.host.repair(B)
        driver.delete_snapshot(snapshot)
        self.assert_no_snapshots()

    def test_primary_that_begins_to_hang(self):
        driver, volume = self.protected()
        self.hang_as_it_stands_still(A)
        self.assertRaises(results.CommandTimedOut, self.take, driver, volume)
        self.host.meanwhile = None
        self.assert_nothing_stands_still()
        self.host.repair(A)
        self.assert_no_snapshots()

    def test_copy_that_is_left_suspended_goes_on(self):
        for group in (A, B):
            self.anew()
            driver, volume = self.protected()
            self.host.stuck = group
            if group == A:
                self.assertRaises(results.CommandTimedOut, self.take, driver,
                                  volume)
                self.assert_no_snapshots()
            else:
                self.take(driver, volume)
            self.assert_nothing_stands_still()
            self.host.write(self.front(volume), 'x', 2)

    def test_copy_that_goes_away_once_it_is_taken(self):
        for group in (B, A):
            self.anew()
            driver, volume = self.protected()

            def fail(group=group):
                if self.host.commands[-1][:2] == ['dmsetup', 'resume']:
                    self.host.fail(group)
            self.host.meanwhile = fail
            snapshot = self.new_snapshot(volume)
            if group == A:
                self.assertRaises(results.CommandFailed,
                                  driver.create_snapshot, snapshot)
            else:
                driver.create_snapshot(snapshot)
            self.host.meanwhile = None
            self.host.repair(group)
            if group == B:
                self.fail_over(driver, 'lvm-b', volume)
            self.assertRaises(snapshots.SnapshotMissing, self.from_snapshot,
                              driver, snapshot)

    def test_snapshot_that_was_half_made_is_not_used(self):
        driver, volume = self.protected()
        snapshot = self.take(driver, volume)
        half = self.host.groups[B].volumes['_' + snapshot.name]
        half.tags = {tag.replace('generation=1', 'generation=0')
                     for tag in half.tags}
        clone = self.from_snapshot(driver, snapshot)
        self.assert_equal_legs(clone, {'x': 1})
        self.fail_over(driver, 'lvm-b', volume)
        error = self.assertRaises(snapshots.SnapshotMissing,
                                  self.from_snapshot, driver, snapshot)
        self.assertIn('Volume group promote-b has no snapshot _snapshot-',
                      str(error))

    def test_volume_group_that_is_away_had_the_only_one(self):
        driver, volume = self.protected()
        self.host.fail(B)
        snapshot = self.take(driver, volume)
        self.host.repair(B)
        self.host.fail(A)
        self.fail_over(driver, 'lvm-b', volume)
        new = self.new_volume()
        self.assertRaises(snapshots.SnapshotMissing,
                          driver.create_volume_from_snapshot, new, snapshot)
        self.assertEqual([], self.groups_with(new.name))

    def test_primary_that_can_not_be_seen(self):
        driver, volume = self.protected()
        self.host.hang(A)
        at = len(self.host.commands)
        self.assertRaises(results.CommandFailed, self.take, driver, volume)
        self.assertNotIn('suspend', [words[1] for words
                                     in self.host.commands[at:]])

    def test_volume_whose_primary_is_lost(self):
        driver, volume = self.protected()
        self.host.fail(A)
        self.host.write(self.front(volume), 'x', 2)
        driver._replication.look()
        self.assertRaises(results.CommandFailed, self.take, driver, volume)
        self.assert_nothing_stands_still()
        self.host.repair(A)
        self.assert_no_snapshots()

    def test_deleted_with_a_leg_away(self):
        for options in ({}, THICK):
            self.anew()
            driver, volume = self.protected(**options)
            snapshot = self.take(driver, volume)
            kept = self.take(driver, volume)
            self.host.fail(B)
            driver.delete_snapshot(snapshot)
            snapshot.destroy()
            self.host.repair(B, pool_failed=False)
            self.assertEqual([B], self.groups_with('_' + snapshot.name))
            self.start(**options)
            self.assertEqual([], self.groups_with('_' + snapshot.name))
            self.assertEqual([A, B], self.groups_with('_' + kept.name))
            if options:
                self.assertEqual({}, self.host.groups[B].remains)

    def test_all_deleted_with_a_leg_away(self):
        for options in ({}, THICK):
            self.anew()
            driver, volume = self.protected(**options)
            snapshot = self.take(driver, volume)
            self.host.write(self.front(volume), 'x', 2)
            self.host.fail(B)
            driver.delete_snapshot(snapshot)
            snapshot.destroy()
            driver.delete_volume(self.reload(volume))
            volume.destroy()
            self.host.repair(B)
            self.start(**options)
            self.assertEqual([], self.groups_with('_' + snapshot.name))
            self.assertEqual([], self.groups_with(volume.name))
            self.assertEqual({}, self.host.groups[B].remains)

    def test_leg_that_is_filled_again_keeps_its_snapshots(self):
        for options in ({}, THICK):
            self.anew()
            driver, volume = self.protected(**options)
            snapshot = self.take(driver, volume)
            self.host.fail(B)
            self.host.write(self.front(volume), 'x', 2)
            driver._replication.look()
            self.host.repair(B)
            self.finish_protection(driver)
            self.assertEqual('enabled',
                             self.reload(volume).replication_status)
            self.assert_equal_legs(volume, {'x': 2})
            self.fail_over(driver, 'lvm-b', volume)
            clone = self.from_snapshot(driver, snapshot)
            self.assertEqual({'x': 1}, self.host.read(self.front(clone)))

    def test_thick_leg_that_is_too_small_goes_with_its_snapshots(self):
        driver, volume = self.protected(**THICK)
        snapshot = self.take(driver, volume)
        self.host.fail(B)
        self.host.write(self.front(volume), 'x', 2)
        driver._replication.look()
        self.host.repair(B)
        self.host.groups[B].volumes[volume.name].size -= 4 << 20
        self.finish_protection(driver)
        self.assertEqual('enabled', self.reload(volume).replication_status)
        self.assertEqual([A], self.groups_with('_' + snapshot.name))
        self.assertEqual({}, self.host.groups[B].remains)


class TestManaging(TestCase):

    def existing(self, **options):
        """A driver, a volume, and what is to be its snapshot."""
        driver, volume = self.protected(**options)
        size = ['-n', 'theirs', '-s', '%s/%s' % (A, volume.name)]
        if options:
            size += ['-L', '1g']
        self.host.execute('lvcreate', *size)
        self.host.write(self.front(volume), 'x', 2)
        return driver, volume, self.new_snapshot(volume)

    def manage(self, driver, volume, snapshot):
        """As the manager."""
        reference = {'source-name': 'theirs'}
        self.assertEqual(1, driver.manage_existing_snapshot_get_size(
            snapshot, reference))
        driver.manage_existing_snapshot(snapshot, reference)

    def test_it_is_copied_to_the_target(self):
        for options in ({}, THICK):
            self.anew()
            driver, volume, snapshot = self.existing(**options)
            self.manage(driver, volume, snapshot)
            for group in (A, B):
                self.assertEqual({'x': 1}, self.taken(group, snapshot))
            self.assertEqual([], self.groups_with('theirs'))
            driver = self.start(**options)
            self.host.fail(A)
            self.fail_over(driver, 'lvm-b', self.reload(volume))
            made = self.from_snapshot(driver, snapshot)
            self.assertEqual({'x': 1}, self.host.read(self.front(made)))
            self.host.repair(A)
            driver.delete_snapshot(snapshot)
            self.assert_no_snapshots()

    def test_target_that_is_away(self):
        driver, volume, snapshot = self.existing()
        self.host.fail(B)
        self.manage(driver, volume, snapshot)
        self.assertEqual({'x': 1}, self.taken(A, snapshot))
        self.assertEqual([A], self.groups_with('_' + snapshot.name))

    def test_target_that_is_lost_meanwhile(self):
        driver, volume, snapshot = self.existing()

        def meanwhile():
            if 'copy-nonzero' in self.host.commands[-1]:
                self.host.hang(B)
        self.host.meanwhile = meanwhile
        self.manage(driver, volume, snapshot)
        self.host.meanwhile = None
        self.host.repair(B)
        self.assertEqual({'x': 1}, self.taken(A, snapshot))
        self.fail_over(driver, 'lvm-b', self.reload(volume))
        self.assertRaises(snapshots.SnapshotMissing, self.from_snapshot,
                          driver, snapshot)

    def test_volume_that_is_not_served(self):
        driver, volume, snapshot = self.existing()
        del driver._replication._records[volume.name]
        self.assertRaises(results.CommandFailed, self.manage, driver, volume,
                          snapshot)
        self.assertEqual([A], self.groups_with('theirs'))
        self.assertEqual(set(),
                         self.host.groups[A].volumes['theirs'].tags)

    def test_plain_snapshot(self):
        driver = self.start()
        volume = self.create(driver, replicated=False)
        self.host.execute('lvcreate', '-n', 'theirs', '-s',
                          '%s/%s' % (A, volume.name))
        snapshot = self.new_snapshot(volume)
        self.manage(driver, volume, snapshot)
        self.assertEqual([A], self.groups_with('_' + snapshot.name))


class TestUnmanaging(TestCase):

    def unmanage(self, driver, snapshot):
        """As the manager."""
        driver.unmanage_snapshot(snapshot)
        snapshot.destroy()

    def test_one_stays_with_what_it_held(self):
        for options in ({}, THICK):
            self.anew()
            driver, volume = self.protected(**options)
            snapshot = self.take(driver, volume)
            self.host.write(self.front(volume), 'x', 2)
            self.unmanage(driver, snapshot)
            self.start(**options)
            name = '_' + snapshot.name
            self.assertEqual([A], self.groups_with(name))
            self.assertEqual(set(), self.host.groups[A].volumes[name].tags)
            self.assertEqual({'x': 1}, self.taken(A, snapshot))
            self.assert_equal_legs(volume, {'x': 2})

    def test_disk_that_is_away(self):
        driver, volume = self.protected()
        snapshot = self.take(driver, volume)
        self.host.fail(B)
        self.unmanage(driver, snapshot)
        self.host.repair(B, pool_failed=False)
        self.assertEqual([A, B], self.groups_with('_' + snapshot.name))
        self.start()
        self.assertEqual([A], self.groups_with('_' + snapshot.name))

    def test_snapshot_that_is_elsewhere(self):
        driver, volume = self.protected()
        self.host.fail(B)
        self.host.write(self.front(volume), 'x', 2)
        driver._replication.look()
        snapshot = self.take(driver, volume)
        self.host.repair(B)
        self.finish_protection(driver)
        self.fail_over(driver, 'lvm-b', self.reload(volume))
        self.assertRaises(snapshots.SnapshotMissing,
                          driver.unmanage_snapshot, snapshot)
        self.assertEqual([A], self.groups_with('_' + snapshot.name))

    def test_plain_snapshot(self):
        driver = self.start()
        snapshot = self.take(driver, self.create(driver, replicated=False))
        self.unmanage(driver, snapshot)
        self.assertEqual([A], self.groups_with('_' + snapshot.name))


class TestKilled(TestCase):

    def each_kill(self, prepare, operate, **options):
        """Kill before each command; gives what ``prepare`` did, restarted."""
        self.anew()
        for things in self.kills(operate, *prepare(), more_than=5):
            yield self.start(**options), things

    def test_as_it_is_taken(self):
        def prepare():
            driver, volume = self.protected()
            return driver, volume, self.new_snapshot(volume)

        def operate(driver, volume, snapshot):
            driver.create_snapshot(snapshot)

        for driver, (volume, snapshot) in self.each_kill(prepare, operate):
            self.assert_nothing_stands_still()
            self.host.write(self.front(volume), 'y', 1)
            self.assert_equal_legs(volume, {'x': 1, 'y': 1})
            driver.delete_snapshot(snapshot)
            self.assert_no_snapshots()

    def test_as_lvm_had_a_copy_suspended(self):
        for group in (A, B):
            self.anew()
            __, volume = self.protected()
            self.host.devices[self.front(volume)].suspended = True
            self.host.groups[group].volumes[volume.name].suspended = True
            self.restart()
            self.assert_nothing_stands_still()

    def test_as_it_is_deleted(self):
        def prepare():
            driver, volume = self.protected(**THICK)
            return driver, volume, self.take(driver, volume)

        def operate(driver, volume, snapshot):
            driver.delete_snapshot(snapshot)

        for driver, (volume, snapshot) in self.each_kill(
                prepare, operate, **THICK):
            driver.delete_snapshot(snapshot)
            self.assert_no_snapshots()
            self.assert_equal_legs(volume, {'x': 1})
            for group in (A, B):
                self.assertEqual({}, self.host.groups[group].remains)

    def test_as_a_volume_is_made(self):
        for options in ({}, THICK):
            def prepare(options=options):
                driver, volume = self.protected(**options)
                return (driver, volume, self.take(driver, volume),
                        self.new_volume())

            for operation in ('create_volume_from_snapshot',
                              'create_cloned_volume'):
                def operate(driver, volume, snapshot, new,
                            operation=operation):
                    getattr(driver, operation)(
                        new, snapshot if 'snapshot' in operation else volume)

                for driver, (volume, __, new) in self.each_kill(
                        prepare, operate, **options):
                    self.assert_nothing_stands_still()
                    driver.delete_volume(self.reload(new))
                    self.assertEqual([], self.groups_with(new.name))
                    self.assertEqual([], self.groups_with(
                        new.name + '.meta'))
                    self.assertEqual([], self.groups_with(
                        'clone-snap-' + new.id))
                    self.assert_equal_legs(volume, {'x': 1})

    def test_as_it_is_managed(self):
        managing = TestManaging

        def prepare():
            return managing.existing(self)

        def operate(driver, volume, snapshot):
            managing.manage(self, driver, volume, snapshot)

        for driver, (__, snapshot) in self.each_kill(prepare, operate):
            if self.groups_with('theirs'):
                self.assertEqual({'x': 1}, self.host.groups[
                    A].volumes['theirs'].data)
                continue
            self.assertEqual({'x': 1}, self.taken(A, snapshot))
            driver.delete_snapshot(snapshot)
            self.assert_no_snapshots()

    def test_as_it_is_reverted(self):
        def prepare():
            driver, volume = self.protected()
            snapshot = self.take(driver, volume)
            self.host.write(self.front(volume), 'y', 2)
            return driver, volume, snapshot

        def operate(driver, volume, snapshot):
            driver.revert_to_snapshot(self.context, volume, snapshot)

        for driver, (volume, snapshot) in self.each_kill(prepare, operate):
            self.assertEqual(self.data(A, volume), self.data(B, volume))
            operate(driver, volume, snapshot)
            self.assert_equal_legs(volume, {'x': 1})
