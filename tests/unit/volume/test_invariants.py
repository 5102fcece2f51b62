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

"""What must hold whatever happens: each test breaks one of the promises."""

import threading
import time

from cinder import exception

from cinder_promote.privsep import command
from cinder_promote.volume import copies, results, targets
from tests.unit.volume import base, killing
from tests.unit.volume.base import A_TO_B, B_TO_C, A, B, C

C_TO_A = (C, ['backend_id:lvm-a,volume_group:promote-a'])


class TestStaleCopies(base.TestCase):
    """The copy that is served is never an old one."""

    def setUp(self):
        super().setUp()
        self.volume = self.create(self.start())
        self.host.write(self.front(self.volume), 'old', 1)

    def _refused(self, volume_group, devices, holder):
        before = {name: dict(group.volumes)
                  for name, group in self.host.groups.items()}
        mapped = dict(self.host.devices)
        driver = self.driver(volume_group, devices)
        driver.do_setup(self.context)
        error = self.assertRaises(copies.StaleCopy,
                                  driver.check_for_setup_error)
        self.assertIn('volume group %s.' % holder, str(error))
        self.assertIn(volume_group, str(error))
        self.assertEqual(before, {name: dict(group.volumes) for name, group
                                  in self.host.groups.items()})
        self.assertEqual(mapped, self.host.devices)

    def _promote(self):
        self.fail_over(self.start(), 'lvm-b', self.volume)
        self.host.write(self.front(self.volume), 'new', 2)
        self.reset()
        return self.start(*B_TO_C)

    def test_reset_without_re_pointing(self):
        self.fail_over(self.start(), 'lvm-b', self.volume)
        self.host.write(self.front(self.volume), 'new', 2)
        self.reset()
        self._refused(*A_TO_B, holder=B)

    def test_old_configuration_after_promotion(self):
        self._promote()
        self._refused(*A_TO_B, holder=B)
        self.host.cut_power()
        self._refused(*A_TO_B, holder=B)

    def test_what_is_served_is_named_not_its_target(self):
        self._protect(self._promote())
        self.fail_over(self.start(*B_TO_C), 'lvm-c',
                       self.reload(self.volume))
        self.reset()
        self._protect(self.start(*C_TO_A))
        self._refused(*B_TO_C, holder=C)

    def _protect(self, driver):
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        self.until_enabled(driver, self.volume)

    def test_old_configuration_without_a_target(self):
        self._promote()
        self._refused(A, [], holder=B)

    def test_old_disk_while_the_current_one_is_away(self):
        self._promote()
        self.host.fail(B)
        self.host.cut_power()
        self._refused(A, ['backend_id:lvm-c,volume_group:promote-c'],
                      holder=B)

    def test_old_database(self):
        row = dict(self.reload(self.volume))
        self._promote()
        volume = self.reload(self.volume)
        volume.replication_driver_data = row['replication_driver_data']
        volume.save()
        self._refused(*A_TO_B, holder=B)

    def test_primary_restored_from_an_old_image(self):
        old = set(self.host.groups[B].volumes[self.volume.name].tags)
        self._promote()
        self.host.groups[B].volumes[self.volume.name].tags = old
        self._refused(*B_TO_C, holder=B)

    def test_copy_that_is_not_complete(self):
        driver = self._promote()
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        driver._replication.look()
        self._refused(C, ['backend_id:lvm-b,volume_group:promote-b'],
                      holder=B)

    def test_target_in_sync_is_not_the_primary(self):
        driver = self._promote()
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        self.finish_protection(driver)
        self.assertEqual('enabled',
                         self.reload(self.volume).replication_status)
        self._refused(C, ['backend_id:lvm-b,volume_group:promote-b'],
                      holder=B)

    def test_target_that_was_lost_and_came_back(self):
        driver = self.start()
        self.lose_target(driver, self.volume, 'new', 2)
        self.host.repair(B)
        self.host.cut_power()
        self._refused(B, ['backend_id:lvm-a,volume_group:promote-a'],
                      holder=A)

    def test_failed_over_but_reset_was_forgotten(self):
        self.fail_over(self.start(), 'lvm-b', self.volume)
        driver = self.driver(*B_TO_C)
        error = self.assertRaises(targets.InvalidConfiguration,
                                  driver.do_setup, self.context)
        self.assertIn('reset_active_backend', str(error))

    def test_primary_that_was_lost_and_came_back(self):
        driver = self.start()
        self.host.fail(A)
        self.host.write(self.front(self.volume), 'new', 2)
        driver._replication.look()
        self.host.repair(A)
        self.host.cut_power()
        driver = self.start()
        self.assertNotIn(self.front(self.volume), self.host.devices)
        self.fail_over(driver, 'lvm-b', self.volume)
        self.assertEqual({'old': 1, 'new': 2},
                         self.host.read(self.front(self.volume)))


class TestFailover(base.TestCase):

    def test_primary_that_hangs(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.write(self.front(volume), 'x', 1)
        self.host.hang(A)
        updates = self.fail_over(driver, 'lvm-b', volume)
        self.assertEqual('failed-over',
                         updates[volume.id]['replication_status'])
        self.host.write(self.front(volume), 'y', 2)
        self.assertEqual({'x': 1, 'y': 2}, self.data(B, volume))

    def test_primary_that_hangs_with_a_write_in_it(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.hang(A)
        self.host.inflight = True
        updates = self.fail_over(driver, 'lvm-b', volume)
        self.assertEqual('error', updates[volume.id]['status'])
        self.assertFalse(self.host.devices[self.front(volume)].suspended)

    def test_target_that_is_slow_beside_a_primary_that_hangs(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.hang(A)
        run = self.host.run

        def slow(argv, timeout, stdin=None):
            if argv[:2] == ['lvm', 'fullreport'] and timeout < 60:
                return command.TIMED_OUT, '', 'gave up'
            return run(argv, timeout, stdin)
        self.useFixture(base.fixtures.MonkeyPatch(
            'cinder_promote.privsep.command.run', slow))
        updates = self.fail_over(driver, 'lvm-b', volume)
        self.assertEqual('failed-over',
                         updates[volume.id]['replication_status'])
        self.host.write(self.front(volume), 'y', 2)
        self.assertEqual({'y': 2}, self.data(B, volume))

    def test_target_that_hangs_beside_a_primary_that_hangs(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.hang(A)
        self.host.hang(B)
        self.assertRaises(exception.UnableToFailOver, self.fail_over, driver,
                          'lvm-b', volume)

    def test_volumes_are_switched_at_the_same_time(self):
        self.useFixture(base.fixtures.MonkeyPatch(
            'cinder_promote.privsep.command.WORKERS', 3))
        driver = self.start()
        volumes = [self.create(driver) for __ in range(3)]
        for volume in volumes:
            self.host.write(self.front(volume), 'x', volume.id)
        together = threading.Barrier(3, timeout=30)
        run = self.host.run

        def wait_for_the_others(argv, timeout, stdin=None):
            if argv[1] == 'suspend':
                together.wait()
            return run(argv, timeout, stdin)
        self.useFixture(base.fixtures.MonkeyPatch(
            'cinder_promote.privsep.command.run', wait_for_the_others))
        updates = self.fail_over(driver, 'lvm-b', *volumes)
        for volume in volumes:
            self.assertEqual('failed-over',
                             updates[volume.id]['replication_status'])
            self.host.write(self.front(volume), 'y', 2)
            self.assertEqual({'x': volume.id, 'y': 2}, self.data(B, volume))

    def test_every_command_on_the_host_is_bounded(self):
        bounds = []
        run = self.host.run

        def bounded(argv, timeout, stdin=None):
            bounds.append(timeout)
            return run(argv, timeout, stdin)
        driver = self.start(replication_command_timeout=7)
        volume = self.create(driver)
        self.host.hang(A)
        self.useFixture(base.fixtures.MonkeyPatch(
            'cinder_promote.privsep.command.run', bounded))
        self.fail_over(driver, 'lvm-b', volume)
        self.assertEqual({5, 7}, set(bounds))

    def test_target_that_is_not_in_sync(self):
        driver = self.start()
        good, bad = self.create(driver), self.create(driver)
        self.host.fail(B)
        self.host.write(self.front(bad), 'new', 1)
        self.host.repair(B, pool_failed=False)
        updates = self.fail_over(driver, 'lvm-b', good, bad)
        self.assertEqual('failed-over',
                         updates[good.id]['replication_status'])
        self.assertEqual('error', updates[bad.id]['status'])
        self.assertIn('not in sync',
                      updates[bad.id]['replication_extended_status'])
        self.assertEqual({'new': 1}, self.host.read(self.front(bad)))
        for what in ('service', 'host'):
            if what == 'host':
                self.host.cut_power()
            self.start()
            self.host.write(self.front(good), 'good', 2)
        self.assertNotIn(self.front(bad), self.host.devices)

    def test_target_that_is_still_being_filled(self):
        driver = self.start(lvm_type='default')
        volume = self.create(driver)
        self.host.write(self.front(volume), 'x', 1)
        updates = self.fail_over(driver, 'lvm-b', volume)
        self.assertEqual('failover-error',
                         updates[volume.id]['replication_status'])
        self.assertEqual({'x': 1}, self.host.read(self.front(volume)))

    def test_target_that_missed_writes_and_came_back(self):
        driver = self.start()
        volume = self.create(driver)
        self.lose_target(driver, volume, 'new')
        self.host.repair(B)
        self.host.fail(A)
        self.host.cut_power()
        updates = self.fail_over(self.start(), 'lvm-b', volume)
        self.assertEqual('failover-error',
                         updates[volume.id]['replication_status'])
        self.assertNotIn(self.front(volume), self.host.devices)

    def test_target_that_was_away_during_a_boot(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.fail(B)
        self.host.cut_power()
        self.start()
        self.host.write(self.front(volume), 'new', 1)
        self.host.repair(B)
        self.host.cut_power()
        updates = self.fail_over(self.start(), 'lvm-b', volume)
        self.assertEqual('failover-error',
                         updates[volume.id]['replication_status'])
        self.assertEqual({'new': 1}, self.host.read(self.front(volume)))

    def test_target_that_is_gone(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.fail(B)
        self.assertRaises(exception.UnableToFailOver, driver.failover_host,
                          self.context, [volume], 'lvm-b')
        self.assertIsNone(self.service()['active_backend_id'])
        self.host.write(self.front(volume), 'x', 1)

    def test_row_changed_by_somebody_else(self):
        driver = self.start()
        volume = self.create(driver)
        get_service = self.module.records.get_service

        def changed_meanwhile(host):
            service = get_service(host)
            self.set_service(active_backend_id='lvm-x')
            return service
        self.useFixture(base.fixtures.MonkeyPatch(
            'cinder_promote.volume.records.get_service', changed_meanwhile))
        self.assertRaises(exception.UnableToFailOver, driver.failover_host,
                          self.context, [volume], 'lvm-b')
        self.host.write(self.front(volume), 'x', 1)
        self.assertEqual({'x': 1}, self.data(A, volume))


class TestFailoverIsFirst(base.TestCase):
    """Who holds the lock gives way to a fail-over after one volume."""

    def setUp(self):
        super().setUp()
        self.driver = self.start()
        self.volumes = [self.create(self.driver) for _ in range(3)]
        self.failing_over = None

    def fail_over_while(self, busy):
        """Begin to fail over while a first command is at work.

        :param busy: tells that command from others
        """
        replication = self.driver._replication

        def begin():
            if self.failing_over is None and busy(self.host.commands[-1]):
                self.failing_over = threading.Thread(
                    target=replication.fail_over, daemon=True, args=(
                        self.driver._targets[0], [], A,
                        [volume.name for volume in self.volumes],
                        lambda: None))
                self.failing_over.start()
                while replication._no_failover.is_set():
                    time.sleep(0.01)

        self.host.meanwhile = begin

    def assert_failed_over(self):
        self.failing_over.join(60)
        self.assertEqual(A, self.driver._replication._home)

    def test_look(self):
        self.host.fail(B)
        for volume in self.volumes:
            self.host.write(self.front(volume), 'x', 1)
        self.host.repair(B)
        self.fail_over_while(lambda words: 'suspend' in words)
        for _ in range(2):
            self.driver._replication.look()
        self.assert_failed_over()
        self.assertEqual([self.front(self.volumes[0])], list(dict.fromkeys(
            words[-1] for words in self.host.commands
            if 'suspend' in words)))

    def test_delete(self):
        self.host.hang(A)
        self.fail_over_while(lambda words: 'remove' in words)
        for volume in self.volumes[:2]:
            self.assertRaises(results.CommandTimedOut,
                              self.driver.delete_volume, volume)
        self.assert_failed_over()
        switched = [words[2] for words in self.host.commands
                    if 'resume' in words]
        self.assertIn(self.front(self.volumes[1]), switched)

    def test_create_waits_for_it(self):
        self.fail_over_while(lambda words: words[0] == 'lvcreate')
        first, second = self.new_volume(), self.new_volume()
        self.driver.create_volume(first)
        self.driver.create_volume(second)
        self.assert_failed_over()
        self.assertIn(first.name, self.host.groups[A].volumes)
        self.assertNotIn(second.name, self.host.groups[A].volumes)
        self.assertIn(second.name, self.host.groups[B].volumes)

    def test_others_go_on_after_a_refused_one(self):
        self.assertRaises(
            exception.UnableToFailOver, self.driver._replication.fail_over,
            self.module.targets.Target('lvm-x', 'promote-x'), [], A, [],
            None)
        self.driver.delete_volume(self.volumes[0])
        self.assertNotIn(self.front(self.volumes[0]), self.host.devices)


class TestHold(base.TestCase):

    def test_promoted_host_stays_unprotected_over_restarts(self):
        driver = self.start()
        volume = self.create(driver)
        self.fail_over(driver, 'lvm-b', volume)
        self.reset()
        for _ in range(3):
            driver = self.start(*B_TO_C)
            driver._replication.look()
            self.assertEqual('disabled',
                             self.service()['replication_status'])
            self.assertEqual('disabled',
                             self.reload(volume).replication_status)
        self.assertEqual({}, self.host.groups[C].volumes)

    def test_volume_created_while_held(self):
        driver = self.start()
        self.set_service(replication_status='disabled')
        driver = self.start()
        volume = self.create(driver)
        self.assertEqual('disabled', self.reload(volume).replication_status)
        self.host.write(self.front(volume), 'x', 1)
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        self.finish_protection(driver)
        self.assertEqual('enabled', self.reload(volume).replication_status)
        self.assertEqual({'x': 1}, self.data(B, volume))


class TestKilled(killing.Killing):
    """SIGKILL before any one command; the next start puts things right."""

    def _volume(self):
        driver = self.start()
        volume = self.create(driver)
        self.host.write(self.front(volume), 'x', 1)
        return driver, volume

    def _promoted(self):
        driver, volume = self._volume()
        self.fail_over(driver, 'lvm-b', volume)
        self.reset()
        return self.start(*B_TO_C), volume

    def test_create(self):
        def finish(volume):
            driver = self.start()
            driver.delete_volume(self.reload(volume))
            self.assertEqual({}, self.host.devices)
            for name, group in self.host.groups.items():
                self.assertEqual(set(group.volumes) & {name + '-pool'},
                                 set(group.volumes))

        self.killed_everywhere(
            lambda: (self.start(), self.new_volume()),
            lambda driver, volume: driver.create_volume(volume), finish)

    def test_delete(self):
        def finish(volume):
            volume = self.reload(volume)
            volume.status = 'deleting'
            volume.save()
            self.start().delete_volume(volume)
            self.assertEqual({}, self.host.devices)
            for group in self.host.groups.values():
                self.assertNotIn(volume.name, group.volumes)

        self.killed_everywhere(
            self._volume,
            lambda driver, volume: driver.delete_volume(volume), finish)

    def _finish_failover(self, volume):
        if self.service()['active_backend_id'] is None:
            # The manager puts 'failing-over' right as it starts.
            driver = self.start()
            self.assertEqual('enabled',
                             self.service()['replication_status'])
            self.host.write(self.front(volume), 'y', 2)
            self.until_enabled(driver, volume)
            self.fail_over(driver, 'lvm-b', self.reload(volume))
        else:
            self.assertEqual('failed-over',
                             self.service()['replication_status'])
            self.start()
            self.host.write(self.front(volume), 'y', 2)
        self.host.write(self.front(volume), 'z', 3)
        self.assertEqual({'x': 1, 'y': 2, 'z': 3}, self.data(B, volume))
        self.assertEqual('failed-over',
                         self.reload(volume).replication_status)

    def test_fail_over(self):
        self.killed_everywhere(
            self._volume,
            lambda driver, volume: self.fail_over(driver, 'lvm-b', volume),
            self._finish_failover)

    def test_promotion(self):
        def failed_over():
            driver, volume = self._volume()
            self.fail_over(driver, 'lvm-b', volume)
            self.reset()
            self.host.cut_power()
            return None, volume

        def finish(volume):
            self.start(*B_TO_C)
            self.host.write(self.front(volume), 'y', 2)
            self.assertEqual({'x': 1, 'y': 2}, self.data(B, volume))
            self.assertEqual('disabled',
                             self.reload(volume).replication_status)

        self.killed_everywhere(
            failed_over, lambda driver, volume: self.start(*B_TO_C), finish)

    def _finish_protection(self, volume):
        driver = self.start(*B_TO_C)
        self.host.write(self.front(volume), 'y', 2)
        self.until_enabled(driver, volume)
        self.host.write(self.front(volume), 'z', 3)
        for group in (B, C):
            self.assertEqual({'x': 1, 'y': 2, 'z': 3},
                             self.data(group, volume))

    def _protect(self, driver, volume):
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        self.until_enabled(driver, volume)

    def test_protection(self):
        self.killed_everywhere(self._promoted, self._protect,
                               self._finish_protection)
