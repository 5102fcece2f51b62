# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Fail-over and promotion while somebody writes."""

import json
import time

import fixtures

from cinder_promote.volume import failover
from tests.functional import base, disks
from tests.unit.volume.base import A_TO_B, B_TO_C, A, B, C

TO_B_AND_C = (A, [*A_TO_B[1], 'backend_id:lvm-c,volume_group:promote-c'])
#: Seconds that one command may take, so that a disk that hangs does not hold
#: up the tests for long.
TIMEOUT = 20
#: Seconds that a fail-over may take: looking at all disks and then at each,
#: and trying to suspend a volume and to back out of that.
BOUND = 4 * TIMEOUT


class TestFailover(base.TestCase):

    def test_primary_fails(self):
        driver = self.start()
        volume = self.create(driver)
        writer = self.writer(volume)
        self.disks['a'].fail()
        writer.goes_on()
        self.look_until(driver, volume, 'error')
        self.assertEqual(('-A', 'lost the copy in volume group promote-a'), (
            self.health(volume)[0],
            self.reload(volume).replication_extended_status))
        update = self.manager_fails_over(driver, volume)
        self.assertEqual('failed-over', update['replication_status'])
        self.assert_served_from(volume, B)
        writer.goes_on()
        self.promote(B_TO_C, volume)
        self.assert_protected(volume, B, C)
        writer.goes_on()
        writer.stop()
        self.assert_copies_equal(volume, B, C)
        writer.verify(self.path(volume, C))


class TestRepair(base.TestCase):

    def test_old_primary_becomes_the_target(self):
        driver = self.start()
        volume = self.create(driver)
        writer = self.writer(volume)
        self.disks['a'].fail()
        # The pool fails once it has to write its metadata.
        disks.run('dmsetup', 'message', 'promote--a-promote--a--pool-tpool',
                  '0', 'create_thin 99')
        self.manager_fails_over(driver, volume)
        writer.goes_on()
        self.end_threads()
        self.disks['a'].repair()
        self.assertEqual('failed', disks.run(
            'lvs', '--noheadings', '-o', 'lv_health_status',
            A + '/%s-pool' % A).strip())
        self.promote((B, ['backend_id:lvm-a,volume_group:promote-a']), volume)
        writer.stop()
        self.assert_protected(volume, B, A)
        self.assert_copies_equal(volume, B, A)
        writer.verify(self.path(volume))


class TestHang(base.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(
            failover, 'LATE_SWITCH_INTERVAL', 0))
        self.useFixture(fixtures.MockPatchObject(
            failover, 'LATE_SWITCH_TIMEOUT', 2))

    def start(self, *section):
        return super().start(*section, replication_command_timeout=TIMEOUT)

    def hang(self, *section):
        """A driver that failed over while a write hung in the primary."""
        driver = self.start(*section)
        self.volume = self.create(driver, status='in-use')
        self.writer = self.writer(self.volume)
        self.disks['a'].hang()
        self.writer.hangs()
        begun = time.monotonic()
        update = self.manager_fails_over(driver, self.volume)
        self.assertLess(time.monotonic() - begun, BOUND)
        self.assertEqual(('error', 'failover-error'), (
            update['status'], update['replication_status']))
        return driver

    def assert_state(self, *expected):
        volume = self.reload(self.volume)
        self.assertEqual(expected,
                         (volume.status, volume.replication_status))

    def assert_switched(self, driver):
        driver._replication.look()
        self.assert_state('in-use', 'failed-over')
        self.assert_served_from(self.volume, B)
        self.writer.goes_on()
        self.writer.stop()
        self.writer.verify(self.path(self.volume))

    def test_switched_once_the_disk_fails(self):
        driver = self.hang(*A_TO_B)
        driver._replication.look()
        self.assert_state('error', 'failover-error')
        self.disks['a'].fail()
        self.writer.goes_on()
        self.assert_switched(driver)

    def test_switched_once_the_disk_answers(self):
        driver = self.hang(*A_TO_B)
        self.disks['a'].repair()
        self.writer.goes_on()
        self.assert_switched(driver)

    def test_nobody_writes(self):
        driver = self.start()
        volume = self.create(driver)
        writer = self.writer(volume)
        writer.stop()
        self.disks['a'].hang()
        begun = time.monotonic()
        update = self.manager_fails_over(driver, volume)
        self.assertLess(time.monotonic() - begun, BOUND)
        self.assertEqual('failed-over', update['replication_status'])
        writer.verify(self.path(volume))
        self.end_threads()
        self.disks['a'].repair()
        self.start()
        self.assert_served_from(volume, B)

    def test_boot_without_the_disk(self):
        """A mirror with a leg that is missing tells of the others."""
        self.hang(*TO_B_AND_C)
        self.assertEqual([A, B, C], json.loads(self.reload(
            self.volume).replication_driver_data)['mirror'])
        self.disks['a'].fail()
        self.writer.goes_on()
        self.writer.kill()
        self.reboot()
        self.disks['a'].fail()
        self.start(*TO_B_AND_C)
        self.assert_state('in-use', 'failed-over')
        self.assert_protected(self.volume, B, C)
        self.writer.verify(self.path(self.volume))
        self.assert_copies_equal(self.volume, B, C)
