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

"""What the backend tells of what is being copied."""

import os
import time

import fixtures
from oslo_config import cfg

from cinder_promote import progress_file
from cinder_promote.volume import estimates, filling
from tests.unit.volume import base, fake_host, test_filling

A, B, C = base.A, base.B, base.C
B_TO_C_AND_A = (B, [*base.B_TO_C[1],
                    'backend_id:lvm-a,volume_group:promote-a'])
USED = 3 * fake_host.BLOCK


class TestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.useFixture(fixtures.MockPatchObject(
            time, 'monotonic', lambda: self.now))
        self.state_path = self.useFixture(fixtures.TempDir()).path
        self.useFixture(fixtures.MockPatchObject(
            filling, 'STEP', fake_host.BLOCK))

    def promoted(self, number=1, devices=base.B_TO_C, **options):
        """A driver for B, promoted, with volumes of which three blocks each
        are used, and which were not copied to C yet."""
        driver = self.start(**options)
        self.volumes = [self.create(driver) for __ in range(number)]
        for volume in self.volumes:
            for key in range(3):
                self.host.write(self.front(volume), key, 'old')
        self.finish_protection(driver)
        self.fail_over(driver, 'lvm-b', *self.volumes)
        self.reset()
        driver = self.start(*devices, **options)
        cfg.CONF.set_override('state_path', self.state_path)
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        return driver

    def told(self, driver):
        """Bytes copied, bytes to copy, and seconds left."""
        stats = driver.get_volume_stats(True)
        keys = ['replication_sync_' + key
                for key in ('bytes', 'bytes_total', 'seconds_left')]
        self.assertEqual([stats[key] for key in keys],
                         [stats['pools'][0][key] for key in keys])
        return tuple(stats[key] for key in keys)

    def at_each_copy(self, act):
        def meanwhile():
            if self.host.commands[-1][4:5] == ['copy-nonzero']:
                act()
        self.host.meanwhile = meanwhile


class CapabilitiesTest(TestCase):

    def test_nothing_to_copy(self):
        driver = self.start()
        self.assertEqual((0, 0, 0), self.told(driver))
        self.create(driver)
        self.assertEqual((0, 0, 0), self.told(driver))

    def test_not_protected(self):
        driver = self.promoted()
        driver._replication._fills = False
        self.assertEqual((0, 0, None), self.told(driver))

    def test_filled(self):
        driver = self.promoted()
        seen = []

        def takes_a_while():
            seen.append(self.told(driver))
            self.now += 10
        self.at_each_copy(takes_a_while)
        self.assertEqual((0, 0, None), self.told(driver))
        driver._replication.look()
        block = fake_host.BLOCK
        self.assertEqual([(0, USED, None), (block, USED, 20),
                          (2 * block, USED, 10)], seen)
        # The bitmap's part, of which nobody knows how much it is.
        self.assertEqual((USED, USED, None), self.told(driver))
        self.finish_protection(driver)
        self.assertEqual((USED, USED, 0), self.told(driver))

    def test_to_two_targets(self):
        driver = self.promoted(devices=B_TO_C_AND_A)
        self.run_threads(test_filling.Idle)
        self.finish_protection(driver)
        job, = driver._replication._fillings.values()
        # What A misses, its bitmap knows.
        self.assertEqual([C], job.targets)
        job._run()
        self.assertEqual((USED, USED, None), self.told(driver))

    def test_volumes_that_wait(self):
        driver = self.promoted(2)
        self.run_threads(test_filling.Idle)
        expected = round(2 * 0.02 / 100 * (1 << 30))
        seen = []
        begin = driver._replication._begin_anew

        def begins(*words):
            seen.append(self.told(driver))
            begin(*words)
        self.useFixture(fixtures.MockPatchObject(
            driver._replication, '_begin_anew', begins))
        driver._replication.look()
        self.assertAlmostEqual(expected, seen[0][1], delta=1)
        self.assertEqual([(0, None)] * 2, [(told[0], told[2])
                                           for told in seen])
        first, second = driver._replication._fillings.values()
        self.at_each_copy(lambda: setattr(self, 'now', self.now + 10))
        first._run()
        self.assertEqual((USED, None),
                         (self.told(driver)[0], self.told(driver)[2]))
        second._run()
        self.assertEqual((2 * USED, 2 * USED, None), self.told(driver))

    def test_volume_group_that_is_away(self):
        driver = self.promoted()
        self.host.fail(C)
        driver._replication.look()
        self.assertEqual((0, 0, None), self.told(driver))
        self.host.repair(C, pool_failed=False)
        self.at_each_copy(lambda: setattr(self, 'now', self.now + 10))
        driver._replication.look()
        self.finish_protection(driver)
        self.assertEqual((USED, USED, 0), self.told(driver))

    def test_one_of_two_targets_is_away(self):
        driver = self.promoted(devices=B_TO_C_AND_A)
        self.host.fail(A)
        seen = []

        def takes_a_while():
            seen.append(self.told(driver))
            self.now += 10
        self.at_each_copy(takes_a_while)
        driver._replication.look()
        self.assertEqual((2 * fake_host.BLOCK, USED, None), seen[-1])

    def test_the_next_copying_begins_at_nothing(self):
        driver = self.promoted()
        self.finish_protection(driver)
        self.assertEqual((USED, USED, 0), self.told(driver))
        another = self.create(driver)
        self.assertEqual((USED, USED, 0), self.told(driver))
        record = driver._replication._records[another.name]
        record.status = 'enabling'
        driver._replication._begin_copying(record, 7)
        self.assertEqual((0, 7, None), self.told(driver))

    def test_what_a_bitmap_tells(self):
        driver = self.start()
        volume = self.create(driver)
        self.finish_protection(driver)
        driver._replication._flushes.flush({volume.name: [A, B]})
        self.host.write(self.front(volume), 'x', 1)
        self.lose_target(driver, volume)
        driver._replication.look()
        self.assertEqual((0, 0, None), self.told(driver))
        self.assertEqual(0, driver.get_volume_stats()[
            'replication_volumes_in_sync'])
        self.host.repair(B, pool_failed=False)
        driver._replication.look()
        self.assertEqual((0, 0, None), self.told(driver))
        self.assertEqual(0, self.host.copied)
        self.until_enabled(driver, volume)
        self.assertEqual((0, 0, 0), self.told(driver))

    def test_disk_that_fails_meanwhile(self):
        driver = self.promoted()
        self.at_each_copy(lambda: self.host.fail(C))
        driver._replication.look()
        driver._replication.look()
        self.host.meanwhile = None
        driver._replication.look()
        self.assertIsNone(self.told(driver)[2])

    def test_thick(self):
        driver = self.promoted(lvm_type='default')
        size = 1 << 30
        driver._replication.look()
        self.assertEqual((0, size, None), self.told(driver))
        mirror, = (device for device in self.host.devices.values()
                   if 'a' in device.health)
        driver._replication.look()
        # As far as the kernel was when somebody looked first, the time it
        # took is not known.
        self.assertEqual((size // 4, size, None), self.told(driver))
        self.now += 10
        self.useFixture(fixtures.MockPatchObject(
            self.host, 'synced_part', 2))
        driver._replication.look()
        self.assertEqual((size // 2, size, 20), self.told(driver))
        self.finish_protection(driver)
        self.assertEqual((size, size, 0), self.told(driver))


class EstimateTest(base.base.TestCase):

    def setUp(self):
        super().setUp()
        self.now = 50.0
        self.useFixture(fixtures.MockPatchObject(
            time, 'monotonic', lambda: self.now))

    def copying(self, total, *copied):
        copying = estimates.Copying(total)
        for number in copied:
            copying.note(number)
            self.now += 10
        return copying

    def test_speed(self):
        self.assertEqual(0, self.copying(100).speed)
        self.assertEqual(0, self.copying(100, 30).speed)
        self.assertEqual(1, self.copying(100, 30, 40).speed)
        self.assertEqual(2, self.copying(100, 30, 40, 70).speed)

    def test_all_of_it(self):
        self.assertIsNone(estimates.seconds_left([self.copying(100)]))
        self.assertEqual(6, estimates.seconds_left(
            [self.copying(100, 30, 40)] * 2, 0) // 10)
        self.assertEqual(160, estimates.seconds_left(
            [self.copying(100, 30, 40), self.copying(100)]))

    def test_no_faster_than_the_rate(self):
        copyings = [self.copying(100, 0, 90), self.copying(100, 0, 10)]
        self.assertEqual(10, estimates.seconds_left(copyings))
        self.assertEqual(30, estimates.seconds_left(copyings, 3))


class FileTest(TestCase):

    def look(self, driver):
        driver._replication_look()
        return progress_file.read(self.path)

    @property
    def path(self):
        return progress_file.path(self.state_path, 'lvm-a')

    def test_written_and_removed(self):
        driver = self.promoted()
        self.run_threads(test_filling.Idle)
        told = self.look(driver)
        self.assertEqual((1, 0, 0, 0.0, None, 10), tuple(
            told[key] for key in ('volumes', 'volumes_in_sync', 'bytes',
                                  'percent', 'seconds_left', 'interval')))
        job, = driver._replication._fillings.values()
        job._run()
        self.assertEqual((USED, USED), tuple(
            self.look(driver)[key] for key in ('bytes', 'bytes_total')))
        self.finish_protection(driver)
        self.assertIsNone(self.look(driver))
        self.assertEqual([], os.listdir(os.path.dirname(self.path)))

    def test_nothing_of_a_backend_that_is_not_protected(self):
        driver = self.promoted()
        driver._replication._fills = False
        self.assertIsNone(self.look(driver))

    def test_that_can_not_be_written(self):
        driver = self.promoted()
        with open(os.path.join(self.state_path, 'cinder-promote'), 'w'):
            pass
        log = self.useFixture(fixtures.FakeLogger('cinder_promote'))
        for __ in range(2):
            driver._replication_look()
        self.assertEqual(1, log.output.count('cinder-promote-host'))
        self.assertEqual('enabling', self.reload(
            self.volumes[0]).replication_status)


class RateTest(TestCase):

    def test_changed_while_the_service_runs(self):
        driver = self.promoted(replication_copy_rate=1)
        rate = driver._replication._rate
        self.assertEqual(1 << 20, rate())
        path, = cfg.CONF.config_file
        with open(path) as stream:
            text = stream.read()
        with open(path, 'w') as stream:
            stream.write(text.replace('rate = 1', 'rate = 3'))
        # as at SIGHUP
        cfg.CONF.mutate_config_files()
        self.assertEqual(3 << 20, rate())
