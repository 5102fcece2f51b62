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

"""Failing back, and more than one target."""

from cinder import exception

from tests.functional import base, blocks
from tests.unit.volume.base import A_TO_B, A, B, C

TO_B_AND_C = (A, [*A_TO_B[1], 'backend_id:lvm-c,volume_group:promote-c'])
B_TO_A_AND_C = (B, ['backend_id:lvm-a,volume_group:promote-a',
                    'backend_id:lvm-c,volume_group:promote-c'])
MIB = 1 << 20


class TestCase(base.TestCase):

    def fail_back_once_ready(self, driver, volume):
        def done():
            try:
                self.fail_back(driver, volume)
            except exception.InvalidReplicationTarget as error:
                self.assertIn('0 of 1', str(error))
                self.set_service(replication_status='failed-over')
                driver._replication.look()
                return False
            return True
        blocks.wait_until(done, 'the primary is in sync', 180)


class TestFailback(TestCase):

    def test_only_what_was_written_since(self):
        driver, volume, writer = self.used(A, A_TO_B[1])
        self.disks['a'].fail()
        self.manager_fails_over(driver, volume)
        writer.goes_on(100)
        self.end_threads()
        self.disks['a'].repair()
        before = self.written_to(A, volume)
        self.fail_back_once_ready(driver, volume)
        writer.goes_on(100)
        self.look_until(driver, volume, 'enabled')
        self.assert_protected(volume, A, B)
        self.assertLess(self.written_to(A, volume), before + 64 * MIB)
        writer.stop()
        self.assert_copies_equal(volume, A, B)
        writer.verify(self.path(volume))

    def test_disk_that_was_replaced(self):
        driver, volume, writer = self.used(A, A_TO_B[1])
        self.disks['a'].fail()
        self.manager_fails_over(driver, volume)
        writer.goes_on(100)
        self.end_threads()
        self.disks['a'].replace()
        self.fail_back_once_ready(driver, volume)
        self.assertGreater(self.written_to(A, volume), 256 * MIB)
        self.look_until(driver, volume, 'enabled')
        writer.goes_on(100)
        writer.stop()
        self.assert_protected(volume, A, B)
        self.assert_copies_equal(volume, A, B)
        writer.verify(self.path(volume))

    def test_boot_meanwhile(self):
        driver, volume, writer = self.used(A, A_TO_B[1])
        self.disks['a'].fail()
        self.manager_fails_over(driver, volume)
        writer.goes_on(100)
        writer.stop()
        self.reboot()
        driver = self.start()
        self.assert_protected(volume, B)
        writer.verify(self.path(volume))
        self.fail_back_once_ready(driver, volume)
        self.look_until(driver, volume, 'enabled')
        self.assert_protected(volume, A, B)
        self.assertLess(self.written_to(A, volume), 64 * MIB)
        self.assert_copies_equal(volume, A, B)
        writer.verify(self.path(volume))


class TestTargets(TestCase):

    def test_promotion_takes_no_copying(self):
        driver, volume, writer = self.used(*TO_B_AND_C)
        self.assert_protected(volume, A, B, C)
        before = self.written_to(C, volume)
        self.disks['a'].fail()
        self.manager_fails_over(driver, volume)
        self.assert_protected(volume, B, C)
        writer.goes_on(100)
        self.end_threads()
        self.disks['a'].repair()
        driver = self.promote(B_TO_A_AND_C, volume)
        writer.goes_on(100)
        writer.stop()
        self.assert_protected(volume, B, C, A)
        for group in (A, C):
            self.assertLess(self.written_to(group, volume),
                            before + 64 * MIB)
        self.assert_copies_equal(volume, A, B, C)
        writer.verify(self.path(volume))

    def test_the_other_one(self):
        driver, volume, writer = self.used(*TO_B_AND_C)
        self.disks['a'].fail()
        self.disks['b'].fail()
        writer.goes_on()
        self.manager_fails_over(driver, volume, 'lvm-c')
        self.assert_served_from(volume, C)
        writer.goes_on(100)
        writer.stop()
        writer.verify(self.path(volume))
