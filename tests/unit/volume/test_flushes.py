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

"""A disk that fails with writes that it had acknowledged, not written."""

import time
import types

from cinder import exception
import fixtures

from cinder_promote.volume import devices, flushes
from tests.unit.volume import base, fake_host
from tests.unit.volume.base import A, B, C
from tests.unit.volume.test_targets import FROM_A


class FlushesTest(base.TestCase):

    def setUp(self):
        super().setUp()
        self.skipped = 0
        self.useFixture(fixtures.MonkeyPatch(
            'cinder_promote.volume.flushes.time', types.SimpleNamespace(
                monotonic=lambda: time.monotonic() + self.skipped)))
        self.backend = self.start(*FROM_A)
        self.volume = self.create(self.backend)
        self.until_enabled(self.backend, self.volume)

    def pass_time(self):
        """Let so much time pass that bits are cleared."""
        self.skipped += devices.BITMAP_DELAY
        self.host.clear_bits()

    def write(self, **data):
        for key, value in data.items():
            self.host.write(self.front(self.volume), key, value)

    def lose_target(self, *lost):
        """Lose a target with some of what it acknowledged."""
        self.host.fail(B, lost)
        self.write(after=1)
        self.backend._replication.look()

    def come_back(self):
        """Let the target work again."""
        self.host.repair(B)
        self.until_enabled(self.backend, self.volume)

    def assert_equal_copies(self):
        held = self.host.read(self.front(self.volume))
        for group in (A, B, C):
            self.assertEqual(held, self.data(group, self.volume), group)

    def test_what_it_may_have_lost_is_copied_again(self):
        self.write(x=1)
        self.lose_target('x')
        self.come_back()
        self.assert_equal_copies()
        self.assertEqual(0, self.host.copied)

    def test_it_was_flushed_as_long_as_bits_are_kept(self):
        self.write(x=1)
        self.skipped += devices.BITMAP_DELAY // 2
        self.backend._replication.look()
        self.skipped += devices.BITMAP_DELAY // 2
        self.host.clear_bits()
        self.write(y=1)
        self.lose_target('y')
        self.come_back()
        self.assert_equal_copies()
        self.assertEqual(0, self.host.copied)

    def test_bits_that_are_gone_are_not_relied_on(self):
        self.write(x=1)
        self.pass_time()
        self.lose_target('x')
        self.come_back()
        self.assert_equal_copies()

    def test_what_could_not_be_flushed_is_not_relied_on(self):
        self.write(x=1)
        self.host.fail(B, ['x'])
        self.backend._replication.look()
        self.pass_time()
        self.backend._replication.look()
        self.lose_target()
        self.come_back()
        self.assert_equal_copies()

    def fail_idle(self, *groups):
        """Let disks fail while nobody writes, until that is noticed."""
        self.write(x=1)
        self.backend._replication.look()
        for group in groups:
            self.host.fail(group)
        self.skipped += flushes.INTERVAL
        self.backend._replication.look()

    def test_target_that_nobody_writes_to(self):
        self.fail_idle(B)
        self.assertEqual('error',
                         self.reload(self.volume).replication_status)
        self.write(y=1)
        self.assertNotIn('y', self.data(B, self.volume))
        self.come_back()
        self.assert_equal_copies()
        self.assertEqual(0, self.host.copied)

    def test_primary_that_nobody_writes_to(self):
        self.fail_idle(A)
        self.assertEqual('error',
                         self.reload(self.volume).replication_status)
        self.write(y=1)
        self.host.repair(A)
        self.fail_over(self.backend, 'lvm-b', self.volume)
        self.assertRaises(exception.InvalidReplicationTarget,
                          self.backend.failover_host, self.context, [],
                          'default')
        self.finish_protection(self.backend)
        self.fail_back(self.backend, self.volume)
        self.assert_equal_copies()

    def test_last_copy_is_kept(self):
        self.fail_idle(A, B, C)
        for group in (A, B, C):
            self.host.repair(group)
        self.host.cut_power()
        self.backend = self.start(*FROM_A)
        self.until_enabled(self.backend, self.volume)
        self.assert_equal_copies()

    def test_what_is_no_error_of_the_disk_drops_no_copy(self):
        path = '/dev/%s/%s' % (B, self.volume.name)

        def sync(words, disks):
            if path in words:
                raise fake_host.SyncFailed(
                    "sync: error opening '%s': Too many open files\n" % path)

        self.host.sync = sync
        self.skipped += flushes.INTERVAL
        self.backend._replication.look()
        self.assertEqual(['A', 'A', 'A'], self.only_mirror().health)

    def only_mirror(self):
        mirror, = [device for name, device in self.host.devices.items()
                   if 'mirror' in name]
        return mirror

    def test_extension_clears_bits(self):
        self.write(x=1)
        self.backend.extend_volume(self.volume, 2)
        self.host.finish_recovery()
        self.lose_target('x')
        self.come_back()
        self.assert_equal_copies()

    def test_service_that_was_away(self):
        self.write(x=1)
        self.pass_time()
        self.host.fail(B, ['x'])
        self.write(y=1)
        self.backend = self.start(*FROM_A)
        self.backend._replication.look()
        self.come_back()
        self.assert_equal_copies()

    def test_primary_that_is_lost_long_before_the_fail_over(self):
        self.write(x=1)
        self.host.fail(A, ['x'])
        self.write(y=1)
        self.backend._replication.look()
        self.pass_time()
        self.fail_over(self.backend, 'lvm-b', self.volume)
        self.write(z=1)
        self.host.repair(A)
        self.assertRaises(exception.InvalidReplicationTarget,
                          self.backend.failover_host, self.context, [],
                          'default')
        self.finish_protection(self.backend)
        self.fail_back(self.backend, self.volume)
        self.assert_equal_copies()
        self.assertEqual(0, self.host.copied)

    def test_leg_that_fails_once_it_was_filled(self):
        self.lose_target()
        self.host.repair(B)
        self.write(x=1)
        self.backend._replication.look()
        self.host.finish_recovery()
        self.pass_time()
        self.lose_target('x')
        self.come_back()
        self.assert_equal_copies()

    def test_leg_that_does_not_keep_what_it_was_filled_with(self):
        self.lose_target()
        self.host.repair(B)
        self.write(x=1)
        self.backend._replication.look()
        self.host.finish_recovery()
        self.host.groups[B].flushes = False
        self.backend._replication.look()
        self.assertEqual('enabling',
                         self.reload(self.volume).replication_status)
        self.assertIn('flushing copies in promote-b', self.reload(
            self.volume).replication_extended_status)
        self.host.groups[B].flushes = True
        self.until_enabled(self.backend, self.volume)

    def test_leg_that_was_filled_and_failed_with_the_service_away(self):
        self.lose_target()
        self.host.repair(B)
        self.write(x=1)
        self.backend._replication.look()
        self.host.finish_recovery()
        self.pass_time()
        self.host.fail(B, ['x'])
        self.write(y=1)
        self.host.repair(B)
        self.host.cut_power()
        self.backend = self.start(*FROM_A)
        self.until_enabled(self.backend, self.volume)
        self.assert_equal_copies()

    def test_leg_that_fails_as_it_is_filled(self):
        self.lose_target()
        self.host.repair(B)
        self.write(x=1)
        self.backend._replication.look()
        self.backend._replication.look()
        self.lose_target('x')
        self.come_back()
        self.assert_equal_copies()
        self.assertEqual(0, self.host.copied)

    def test_fail_over_to_a_pool_that_failed(self):
        self.write(x=1)
        self.host.fail(B, ['x'])
        self.host.repair(B)
        updates = self.fail_over(self.backend, 'lvm-b', self.volume)
        self.assertEqual(
            'its copy in volume group promote-b can not be written to',
            updates[self.volume.id]['replication_extended_status'])
        self.assertEqual({'x': 1}, self.data(C, self.volume))
