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

"""What is left when disks go and come back, and processes are killed."""

import time

import fixtures

from cinder_promote import promotion
from cinder_promote.privsep import command
from cinder_promote.volume import copies, groups, results
from tests.unit.volume import base, fake_host
from tests.unit.volume.base import A_TO_B, B_TO_C, A, B, C

B_TO_A = (B, ['backend_id:lvm-a,volume_group:promote-a'])

TO_B_AND_C = (A, ['backend_id:lvm-b,volume_group:promote-b',
                  'backend_id:lvm-c,volume_group:promote-c'])


class ComeBackTest(base.TestCase):
    """A copy that missed writes is not served when its disk is back."""

    def test_primary_lost_after_one_of_two_targets(self):
        driver = self.start(*TO_B_AND_C)
        volume = self.create(driver)
        front = self.front(volume)
        self.host.fail(B)
        self.host.write(front, 'x', 1)
        driver._replication.look()
        self.host.fail(A)
        self.host.write(front, 'y', 2)
        driver._replication.look()
        self.host.repair(A)
        self.host.repair(B)
        driver._replication.look()
        self.assertEqual({'x': 1, 'y': 2}, self.host.read(front))
        self.assertEqual({'x': 1, 'y': 2}, self.data(C, volume))
        current = copies.Current.from_driver_data(
            self.reload(volume).replication_driver_data)
        self.assertEqual((C, A), (current.volume_group, current.lost))
        self.fail_over(driver, 'lvm-c', self.reload(volume))
        self.assertEqual({'x': 1, 'y': 2}, self.host.read(front))

    def test_second_target_lost_later(self):
        driver = self.start(*TO_B_AND_C)
        volume = self.create(driver)
        front = self.front(volume)
        for disk in (B, C):
            self.host.fail(disk)
            self.host.write(front, disk, 1)
            driver._replication.look()
        generation = self.reload(volume).replication_driver_data
        driver._replication.look()
        self.assertEqual(generation,
                         self.reload(volume).replication_driver_data)
        self.host.cut_power()
        self.host.repair(C)
        driver = self.start(*TO_B_AND_C)
        updates = self.fail_over(driver, 'lvm-c', self.reload(volume))
        self.assertEqual('failover-error',
                         updates[volume.id]['replication_status'])

    def test_primary_lost_while_the_target_is_not_seen(self):
        driver = self.start()
        volume = self.create(driver)
        front = self.front(volume)
        self.host.fail(A)
        self.host.write(front, 'x', 1)
        # slow to answer once, so that LVM was not asked about it for a while
        driver._groups._hung['/dev/mapper/disk-b'] = time.monotonic() + 300
        driver._replication.look()
        driver._groups._hung.clear()
        self.host.repair(A)
        driver._replication.look()
        self.assertEqual({'x': 1}, self.host.read(front))
        self.host.cut_power()
        driver = self.start()
        self.assertNotIn(front, self.host.devices)
        self.fail_over(driver, 'lvm-b', self.reload(volume))
        self.assertEqual({'x': 1}, self.host.read(front))

    def test_target_is_not_seen_when_it_is_in_sync(self):
        driver = self.start()
        volume, other = self.create(driver), self.create(driver)
        for each in (volume, other):
            self.lose_target(driver, each)
        self.host.repair(B, pool_failed=False)
        for __ in range(2):
            driver._replication.look()
            self.host.finish_recovery()
        self.host.hidden.add('/dev/mapper/disk-b')
        driver._replication.look()
        for each in (volume, other):
            self.assertIn('promote-b can not be seen',
                          self.reload(each).replication_extended_status)
        self.host.hidden.clear()
        for each in (volume, other):
            self.until_enabled(driver, each)

    def test_only_the_mirror_knows_that_the_target_was_dropped(self):
        driver = self.start()
        volume = self.create(driver)
        front = self.front(volume)
        self.host.fail(B)
        self.host.write(front, 'x', 1)
        self.host.repair(B)
        self.host.cut_power()
        self.slow_recovery()
        self.start()
        self.assertEqual({'x': 1}, self.host.read(front))
        self.assertEqual('enabling', self.reload(volume).replication_status)
        self.host.fail(A)
        self.host.cut_power()
        driver = self.start()
        updates = self.fail_over(driver, 'lvm-b', self.reload(volume))
        self.assertEqual('failover-error',
                         updates[volume.id]['replication_status'])

    def test_only_the_mirror_knows_that_the_primary_was_dropped(self):
        driver = self.start()
        volume = self.create(driver)
        front = self.front(volume)
        self.host.fail(A)
        self.host.write(front, 'x', 1)
        self.host.repair(A)
        self.host.cut_power()
        self.slow_recovery()
        driver = self.start()
        self.assertNotIn(front, self.host.devices)
        self.fail_over(driver, 'lvm-b', self.reload(volume))
        self.assertEqual({'x': 1}, self.host.read(front))

    def slow_recovery(self):
        """Have mirrors copy nothing from now on."""
        real = fake_host.FakeHost._start_mirror

        def start_mirror(host, device):
            before = [(leg, dict(leg.data)) for leg in host._legs(device)]
            real(host, device)
            for (leg, data), health in zip(before, device.health,
                                           strict=True):
                if health == 'a':
                    leg.data = data

        self.useFixture(fixtures.MockPatchObject(
            fake_host.FakeHost, '_start_mirror', start_mirror))


class PoolThatFailedTest(base.TestCase):
    """The disk works again, its thin pool not by itself."""

    def failed_over(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.write(self.front(volume), 'x', 1)
        self.host.fail(A)
        self.fail_over(driver, 'lvm-b', volume)
        self.host.repair(A)
        return volume

    def to_b_and_back(self):
        self.reset()
        driver = self.start(*B_TO_A)
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        return driver

    def test_is_a_target_again(self):
        volume = self.failed_over()
        self.until_enabled(self.to_b_and_back(), volume)
        self.assertEqual({'x': 1}, self.data(A, volume))

    def test_is_a_target_without_a_start(self):
        volume = self.failed_over()
        driver = self.to_b_and_back()
        self.host.fail(A)
        self.finish_protection(driver)
        self.host.repair(A)
        self.until_enabled(driver, volume)
        self.assertEqual({'x': 1}, self.data(A, volume))

    def test_has_no_copy(self):
        self.start()
        self.host.fail(B)
        self.host.repair(B)
        driver = self.start()
        volume = self.create(driver)
        self.until_enabled(driver, volume)
        self.host.write(self.front(volume), 'x', 1)
        self.assertEqual({'x': 1}, self.data(B, volume))

    def test_has_no_copy_once_the_service_runs(self):
        driver = self.start()
        self.host.fail(B)
        self.host.repair(B)
        volume = self.create(driver)
        self.until_enabled(driver, volume)
        self.host.write(self.front(volume), 'x', 1)
        self.assertEqual({'x': 1}, self.data(B, volume))

    def test_is_in_use(self):
        volume = self.failed_over()
        other = self.host.groups[A].volumes[volume.name]
        other.opened = True
        driver = self.to_b_and_back()
        self.finish_protection(driver)
        self.assertEqual({}, {name: mapped.health for name, mapped
                              in self.host.devices.items()
                              if 'mirror' in name})
        self.assertTrue(all(
            each.active for each in self.host.groups[A].volumes.values()
            if each.name == volume.name))
        other.opened = False
        self.until_enabled(driver, volume)


class LeftBehindTest(base.TestCase):
    """A volume that could not be failed over does not stop the others."""

    def manager_fails_over(self, driver, backend_id, *volumes):
        """As the manager does with those that are not protected."""
        protected = []
        for volume in map(self.reload, volumes):
            if volume.replication_status == 'disabled':
                volume.status = 'error'
                volume.replication_status = 'not-capable'
                volume.save()
            else:
                protected.append(volume)
        return self.fail_over(driver, backend_id, *protected)

    def unprotected_and_protected(self):
        """A promoted host with a volume that is not protected yet."""
        driver = self.start()
        good = self.create(driver)
        self.fail_over(driver, 'lvm-b', good)
        self.reset()
        driver = self.start(*B_TO_C)
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        self.finish_protection(driver)
        driver._replication._fills = False
        late = self.create(driver)
        driver._replication._fills = True
        self.host.fail(B)
        self.manager_fails_over(driver, 'lvm-c', good, late)
        self.host.write(self.front(good), 'x', 1)
        return good, late

    def assert_served(self, good, late):
        self.assertEqual({'x': 1}, self.host.read(self.front(good)))
        late = self.reload(late)
        self.assertEqual('failover-error', late.replication_status)

    def test_start_while_failed_over(self):
        good, late = self.unprotected_and_protected()
        self.host.repair(B)
        self.start(*B_TO_C)
        self.assert_served(good, late)

    def test_promoted_start(self):
        good, late = self.unprotected_and_protected()
        self.host.repair(B)
        self.reset()
        self.start(C, ['backend_id:lvm-a,volume_group:promote-a'])
        self.assert_served(good, late)

    def test_killed_once_the_row_is_written(self):
        driver = self.start()
        good, bad = self.create(driver), self.create(driver)
        # so that the one that nobody writes to is not found lost
        driver._replication.look()
        self.host.fail(B)
        self.host.write(self.front(bad), 'y', 1)
        driver._replication.look()
        self.host.repair(B, pool_failed=False)
        self.host.meanwhile = self.crash_once_failed_over
        self.assertRaises(fake_host.Crash, self.fail_over, driver, 'lvm-b',
                          good, bad)
        self.host.meanwhile = None
        self.start()
        self.host.write(self.front(good), 'x', 1)
        self.assertEqual({'x': 1}, self.data(B, good))
        self.assertEqual('failover-error',
                         self.reload(bad).replication_status)

    def test_created_while_the_host_fails_over(self):
        driver = self.start()
        known = self.create(driver)
        late = self.create(driver)
        self.fail_over(driver, 'lvm-b', known)
        self.assertEqual('failed-over', self.reload(late).replication_status)
        self.reset()
        self.start(*B_TO_C)
        self.assertIn(self.front(late), self.host.devices)

    def test_wrong_group_while_failed_over_is_refused(self):
        driver = self.start()
        volume = self.create(driver)
        self.fail_over(driver, 'lvm-b', volume)
        self.assertRaises(
            copies.StaleCopy, self.start, A,
            ['backend_id:lvm-b,volume_group:promote-c'])
        self.assertEqual('failed-over',
                         self.reload(volume).replication_status)

    def test_database_away_as_the_primary_is_lost(self):
        driver = self.start()
        volume = self.create(driver)
        front = self.front(volume)
        self.host.fail(A)
        self.host.write(front, 'x', 1)
        with fixtures.MonkeyPatch(
                'cinder_promote.volume.records.save', self.no_database):
            self.assertRaises(RuntimeError, driver._replication.look)
        driver._replication.look()
        self.host.repair(A)
        self.host.cut_power()
        driver = self.start()
        self.fail_over(driver, 'lvm-b', self.reload(volume))
        self.assertEqual({'x': 1}, self.host.read(front))

    @staticmethod
    def no_database(*arguments):
        raise RuntimeError()


class GoOnTest(base.TestCase):
    """What fails on one disk does not stop what others serve."""

    def test_enabled_while_the_new_target_can_not_be_prepared(self):
        driver = self.start()
        volume = self.create(driver)
        self.fail_over(driver, 'lvm-b', volume)
        self.reset()
        driver = self.start(*B_TO_C)
        self.set_service(replication_status='enabled')
        with self.refusing('lvcreate', 'promote-c-pool'):
            self.assertRaises(results.CommandFailed,
                              driver.get_volume_stats, True)
        driver.get_volume_stats(True)
        driver._replication.look()
        self.assertEqual('enabling', self.reload(volume).replication_status)

    def test_left_copy_can_not_be_removed(self):
        driver = self.start()
        kept, deleted = self.create(driver), self.create(driver)
        self.fail_over(driver, 'lvm-b', kept, deleted)
        self.host.fail(A)
        driver.delete_volume(self.reload(deleted))
        deleted.destroy()
        self.reset()
        self.host.repair(A)
        self.host.cut_power()
        with self.refusing('lvremove', A + '/'):
            self.start(*B_TO_C)
        self.assertIn(self.front(kept), self.host.devices)

    def test_known_target_can_not_be_written_to(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.cut_power()
        self.host.groups[B].tags.clear()
        with self.refusing('vgchange', ' ' + B):
            self.start()
        self.assertIn(self.front(volume), self.host.devices)

    def assert_found_without_the_primary(self, volume):
        """Partners that remember each other tell a lost disk."""
        self.assertEqual('enabled', self.reload(volume).replication_status)
        self.host.fail(A)
        self.host.cut_power()
        self.fail_over(self.start(), 'lvm-b', self.reload(volume))
        self.assertEqual({'x': 1}, self.host.read(self.front(volume)))

    def test_target_is_replaced_by_an_empty_disk(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.fail(B)
        self.host.write(self.front(volume), 'x', 1)
        driver._replication.look()
        self.host.replace(B)
        driver._replication.look()
        self.assertEqual('enabling', self.reload(volume).replication_status)
        self.finish_protection(driver)
        self.assert_found_without_the_primary(volume)

    def test_disk_that_is_in_no_group_yet(self):
        driver = self.start()
        volume = self.create(driver)
        # between pvcreate and vgcreate, for one that is replaced
        self.host.unused_disks.append('/dev/new')
        self.fail_over(driver, 'lvm-b', volume)
        self.assertEqual('failed-over',
                         self.reload(volume).replication_status)

    def test_empty_target_is_replaced(self):
        driver = self.start()
        self.host.replace(B)
        volume = self.create(driver)
        self.host.write(self.front(volume), 'x', 1)
        self.assert_found_without_the_primary(volume)

    def test_replaced_target_can_not_be_prepared(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.fail(B)
        self.host.write(self.front(volume), 'x', 1)
        self.host.replace(B)
        with self.refusing('lvcreate', 'promote-b-pool'):
            driver._replication.look()
        self.assertEqual('error', self.reload(volume).replication_status)
        self.finish_protection(driver)
        self.assert_found_without_the_primary(volume)

    def test_new_target_can_not_be_prepared(self):
        with self.refusing('lvcreate', 'promote-b-pool'):
            self.assertRaises(results.CommandFailed, self.start)

    def test_another_target_is_lost_while_failed_over(self):
        driver = self.start(*TO_B_AND_C)
        volume = self.create(driver)
        self.host.fail(A)
        self.fail_over(driver, 'lvm-b', volume)
        self.host.fail(C)
        self.host.cut_power()
        self.start(*TO_B_AND_C)
        self.assertIn(self.front(volume), self.host.devices)

    def test_primary_and_another_target_are_lost(self):
        driver = self.start(*TO_B_AND_C)
        volume = self.create(driver)
        self.host.fail(A)
        self.host.fail(C)
        self.host.cut_power()
        driver = self.start(*TO_B_AND_C)
        updates = self.fail_over(driver, 'lvm-b', volume)
        self.assertEqual('failed-over',
                         updates[volume.id]['replication_status'])

    def test_start_after_a_fail_over_that_ended_with_an_error(self):
        driver = self.start()
        volume = self.create(driver)
        with self.refusing('lvchange', '--addtag'):
            self.assertRaises(results.CommandFailed, driver.failover_host,
                              self.context, [volume], 'lvm-b')
        self.set_service(replication_status='failover-error', disabled=1)
        self.start()
        self.assertEqual('failed-over', self.service()['replication_status'])
        self.set_service(frozen=1)
        promotion.reset_active_backend(self.context, base.HOST)
        self.assertEqual('disabled', self.service()['replication_status'])

    def test_one_copy_can_not_be_created(self):
        for section in (A_TO_B, TO_B_AND_C):
            for group in (A, B):
                driver = self.start(*section)
                before = self.what_there_is()
                volume = self.new_volume()
                with self.refusing('lvcreate', 'volume-',
                                   '%s/%s-pool' % (group, group)):
                    self.assertRaises(results.CommandFailed,
                                      driver.create_volume, volume)
                self.assertEqual(before, self.what_there_is())

    def test_devices_can_not_be_created(self):
        driver = self.start()
        before = self.what_there_is()
        for name in ('promote-mirror-', 'promote-volume-'):
            volume = self.new_volume()
            with self.refusing('dmsetup', 'create', name):
                self.assertRaises(results.CommandFailed,
                                  driver.create_volume, volume)
            self.assertEqual(before, self.what_there_is())
            self.assertNotIn(volume.name, driver._replication._records)

    def test_what_is_left_of_a_creation_can_not_be_removed(self):
        driver = self.start()
        before = self.what_there_is()
        volume = self.new_volume()
        with self.refusing('lvcreate', A), self.refusing('lvremove'):
            error = self.assertRaises(results.CommandFailed,
                                      driver.create_volume, volume)
        self.assertIn('creating', str(error))
        driver.delete_volume(volume)
        self.assertEqual(before, self.what_there_is())

    def test_copy_that_was_there_before_a_creation(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.write(self.front(volume), 'x', 1)
        error = self.assertRaises(results.CommandFailed,
                                  driver.create_volume, volume)
        self.assertIn('already', str(error))
        self.assertEqual({'x': 1}, self.host.read(self.front(volume)))

    def what_there_is(self):
        return (set(self.host.devices),
                {name: set(group.volumes)
                 for name, group in self.host.groups.items()})

    def refusing(self, *words):
        """Have commands that hold all of some words fail."""
        run = command.run

        def refuse(argv, timeout, stdin=None):
            line = ' '.join(argv)
            if all(word in line for word in words):
                return 5, '', 'refused'
            return run(argv, timeout, stdin)

        return fixtures.MonkeyPatch('cinder_promote.privsep.command.run',
                                    refuse)


class PlainVolumesTest(base.TestCase):
    """Volumes that are not replicated stay behind, and can be deleted."""

    def promoted(self):
        """A promoted backend, and a volume that it had before."""
        driver = self.start()
        volume = self.create(driver, replicated=False)
        self.fail_over(driver, 'lvm-b')
        self.reset()
        return self.start(*B_TO_C), volume

    def test_after_a_promotion(self):
        driver, volume = self.promoted()
        driver.delete_volume(volume)
        self.assertNotIn(volume.name, self.host.groups[A].volumes)

    def test_after_two_promotions(self):
        driver, volume = self.promoted()
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        late = self.create(driver, replicated=False)
        self.fail_over(driver, 'lvm-c')
        driver.delete_volume(late)
        self.reset()
        driver = self.start(C, ['backend_id:lvm-a,volume_group:promote-a'])
        driver.delete_volume(volume)
        for group in (A, B, C):
            self.assertEqual({group + '-pool'} & set(
                self.host.groups[group].volumes),
                set(self.host.groups[group].volumes))

    def test_disk_is_away(self):
        driver, volume = self.promoted()
        self.host.fail(A)
        driver.delete_volume(volume)
        self.assertIn(volume.name, self.host.groups[A].volumes)

    def test_in_a_group_of_others(self):
        driver = self.start(*B_TO_C)
        volume = self.new_volume(replicated=False)
        self.host.run(['lvcreate', '-n', volume.name, '-L', '1g', A], 1)
        driver.delete_volume(volume)
        self.assertIn(volume.name, self.host.groups[A].volumes)

    def test_row_of_a_volume_that_was_migrated_away(self):
        driver, volume = self.promoted()
        old = self.new_volume(replicated=False, _name_id=volume.id)
        self.assertEqual(volume.name, old.name)
        driver.delete_volume(old)
        self.assertIn(volume.name, self.host.groups[A].volumes)

    def test_volume_that_was_migrated_here(self):
        driver, old = self.promoted()
        volume = self.new_volume(replicated=False, _name_id=old.id)
        old.destroy()
        driver.delete_volume(volume)
        self.assertNotIn(volume.name, self.host.groups[A].volumes)

    def test_row_whose_data_goes_by_another_name(self):
        driver, volume = self.promoted()
        self.new_volume(replicated=False, _name_id=volume.id)
        driver.delete_volume(volume)
        self.assertIn(volume.name, self.host.groups[A].volumes)

    def test_replicated_copy_of_that_name(self):
        driver = self.start()
        volume = self.create(driver)
        self.fail_over(driver, 'lvm-b', volume)
        self.reset()
        driver = self.start(*B_TO_C)
        volume.replication_driver_data = None
        volume.volume_type_id = self.plain_type
        volume.save()
        driver.delete_volume(self.reload(volume))
        self.assertIn(volume.name, self.host.groups[A].volumes)


class HiddenDisksTest(base.TestCase):
    """What LVM's global_filter rejects is not looked at: guests' disks."""

    def setUp(self):
        super().setUp()
        # A guest made a volume group of the backend's name on its disk.
        self.host.groups['guest'] = fake_host.Group(
            'promote-b', '/dev/mapper/disk.of+guest')
        self.host.hidden.add('/dev/mapper/disk.of+guest')

    def test_while_all_disks_answer(self):
        self.assertEqual('/dev/mapper/disk-b', self.disk_of(B))

    def test_while_another_disk_hangs(self):
        self.host.hang(A)
        self.assertEqual('/dev/mapper/disk-b', self.disk_of(B))

    def test_the_hidden_one_hangs(self):
        self.host.hang('guest')
        self.assertEqual('/dev/mapper/disk-b', self.disk_of(B))

    def test_hidden_by_a_devices_file(self):
        self.host.hidden.clear()
        self.host.settings = 'use_devicesfile=1\ndevicesfile="own.devices"'
        files = self.useFixture(fixtures.TempDir())
        self.useFixture(fixtures.MonkeyPatch(
            'cinder_promote.privsep.lvm.DEVICES_FILES', files.path))
        with open(files.join('own.devices'), 'w') as listed:
            for group in (A, B, C):
                listed.write('DEVNAME=%s\n' % self.host.groups[group].disk)
        self.host.hang(A)
        self.assertEqual('/dev/mapper/disk-b', self.disk_of(B))

    def test_name_that_is_a_pattern(self):
        self.host.hidden.clear()
        del self.host.groups[B]
        self.host.hang(A)
        self.assertEqual('/dev/mapper/disk.of+guest', self.disk_of(B))

    def test_every_command_on_a_group_leaves_other_disks_alone(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.hang(C)
        at = len(self.host.commands)
        driver.delete_volume(volume)
        self.assertIn('lvremove', [words[0] for words
                                   in self.host.commands[at:]])
        self.assertNotIn(volume.name, self.host.groups[A].volumes)
        self.assertNotIn('--devices', [word for words in self.host.commands
                                       for word in words])

    @staticmethod
    def disk_of(group):
        view = groups.VolumeGroups(base.HOST, 1, None)
        return ' '.join(view.scan()[group].disks)
