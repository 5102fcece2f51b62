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

"""More than one target: all in sync, and any may be failed over to."""

from tests.unit.volume import base, killing
from tests.unit.volume.base import A, B, C

TO_A = 'backend_id:lvm-a,volume_group:promote-a'
TO_B = 'backend_id:lvm-b,volume_group:promote-b'
TO_C = 'backend_id:lvm-c,volume_group:promote-c'
FROM_A = (A, [TO_B, TO_C])
FROM_B = (B, [TO_A, TO_C])
FROM_C = (C, [TO_A, TO_B])


class TargetsTest(base.TestCase):

    options = {}

    def replicated(self):
        driver = self.start(*FROM_A, **self.options)
        volume = self.create(driver)
        self.until_enabled(driver, volume)
        self.host.write(self.front(volume), 'x', 1)
        return driver, volume

    def protect(self, section):
        """Promote a backend; the administrator enables replication at once."""
        self.reset()
        driver = self.start(*section, **self.options)
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        return driver

    def assert_held_by(self, volume, data, *groups):
        self.assertEqual(data, self.host.read(self.front(volume)))
        for group in groups:
            self.assertEqual(data, self.data(group, volume), group)


class TestTargets(TargetsTest):

    def test_all_are_kept_in_sync(self):
        __, volume = self.replicated()
        self.assert_held_by(volume, {'x': 1}, A, B, C)

    def test_any_may_be_chosen(self):
        for backend_id in ('lvm-b', 'lvm-c'):
            self.host.__init__(A, B, C)
            self.set_service(active_backend_id=None, disabled=0,
                             replication_status='not-capable')
            self.database.execute('DELETE FROM volumes')
            driver, volume = self.replicated()
            self.host.fail(A)
            self.host.write(self.front(volume), 'y', 2)
            self.fail_over(driver, backend_id, volume)
            self.host.write(self.front(volume), 'z', 3)
            self.assert_held_by(volume, {'x': 1, 'y': 2, 'z': 3}, B, C)

    def test_promotion_takes_no_copying(self):
        driver, volume = self.replicated()
        self.host.fail(A)
        self.host.write(self.front(volume), 'y', 2)
        self.fail_over(driver, 'lvm-b', volume)
        old = self.host.groups[C].volumes[volume.name]
        driver = self.protect(FROM_B)
        self.host.write(self.front(volume), 'z', 3)
        self.assertIs(old, self.host.groups[C].volumes[volume.name])
        self.assertEqual(0, self.host.copied)
        # all but A
        self.assertEqual({'x': 1, 'y': 2, 'z': 3}, self.data(C, volume))
        self.host.repair(A)
        self.until_enabled(driver, volume)
        self.assert_held_by(volume, {'x': 1, 'y': 2, 'z': 3}, A, B, C)
        self.assertEqual(0, self.host.copied)

    def test_without_the_one_that_was_lost(self):
        driver, volume = self.replicated()
        self.host.fail(A)
        self.host.write(self.front(volume), 'y', 2)
        self.fail_over(driver, 'lvm-b', volume)
        driver = self.protect((B, [TO_C]))
        driver._replication.look()
        self.assertEqual('enabled', self.reload(volume).replication_status)
        self.assertEqual(0, self.host.copied)
        self.host.write(self.front(volume), 'z', 3)
        self.assertEqual({'x': 1, 'y': 2, 'z': 3}, self.data(C, volume))

    def test_one_target_fails(self):
        driver, volume = self.replicated()
        self.host.fail(B)
        self.host.write(self.front(volume), 'y', 2)
        driver._replication.look()
        self.assertEqual('error', self.reload(volume).replication_status)
        self.assertEqual({'x': 1, 'y': 2}, self.data(C, volume))
        self.host.repair(B)
        self.until_enabled(driver, volume)
        self.assert_held_by(volume, {'x': 1, 'y': 2}, A, B, C)
        self.assertEqual(0, self.host.copied)

    def test_fail_over_to_the_one_that_lags(self):
        driver, volume = self.replicated()
        self.host.fail(B)
        self.host.write(self.front(volume), 'y', 2)
        driver._replication.look()
        self.host.repair(B)
        updates = self.fail_over(driver, 'lvm-b', volume)
        self.assertIn('not in sync',
                      updates[volume.id]['replication_extended_status'])

    def test_primary_and_a_target_fail(self):
        driver, volume = self.replicated()
        self.host.fail(A)
        self.host.fail(B)
        self.host.write(self.front(volume), 'y', 2)
        self.fail_over(driver, 'lvm-c', volume)
        self.host.write(self.front(volume), 'z', 3)
        self.assertEqual({'x': 1, 'y': 2, 'z': 3}, self.data(C, volume))

    def test_fail_over_again_with_a_mirror_that_hangs(self):
        driver, volume = self.replicated()
        self.host.hang(A)
        self.fail_over(driver, 'lvm-b', volume)
        self.host.write(self.front(volume), 'y', 2)
        self.host.fail(B)
        self.host.write(self.front(volume), 'z', 3)
        self.fail_over(driver, 'lvm-c', self.reload(volume))
        self.host.write(self.front(volume), 'w', 4)
        self.assert_held_by(volume, {'x': 1, 'y': 2, 'z': 3, 'w': 4}, C)
        self.assertIn('/dev/promote-c/',
                      self.host.devices[self.front(volume)].table)

    def test_volumes_from_before_there_were_several(self):
        for power_cut in (False, True):
            self.host.__init__(A, B, C)
            self.database.execute('DELETE FROM volumes')
            self.set_service(active_backend_id=None, disabled=0,
                             replication_status='not-capable')
            __, volume = self.replicated()
            for group in (A, B, C):
                del self.host.groups[group].volumes[volume.name + '.meta2']
            if power_cut:
                self.host.cut_power()
            driver = self.start(*FROM_A, **self.options)
            self.host.fail(A)
            self.host.write(self.front(volume), 'y', 2)
            self.fail_over(driver, 'lvm-b', volume)
            self.assert_held_by(volume, {'x': 1, 'y': 2}, B, C)

    def test_boot_while_failed_over(self):
        driver, volume = self.replicated()
        self.host.fail(A)
        self.host.write(self.front(volume), 'y', 2)
        self.fail_over(driver, 'lvm-b', volume)
        self.host.cut_power()
        self.start(*FROM_A, **self.options)
        self.host.write(self.front(volume), 'z', 3)
        for group in (B, C):
            self.assertEqual({'x': 1, 'y': 2, 'z': 3},
                             self.data(group, volume))

    def test_all_the_way_round(self):
        driver, volume = self.replicated()
        data = {'x': 1}
        for lost, section, backend_id in (
                (A, FROM_B, 'lvm-b'), (B, FROM_C, 'lvm-c'),
                (C, FROM_A, 'lvm-a')):
            self.host.fail(lost)
            data[lost] = 1
            self.host.write(self.front(volume), lost, 1)
            self.fail_over(driver, backend_id, self.reload(volume))
            driver = self.protect(section)
            self.host.repair(lost)
            self.until_enabled(driver, volume)
            self.assert_held_by(volume, data, A, B, C)
        self.assertEqual(0, self.host.copied)


class TestThickTargets(TestTargets):
    options = {'lvm_type': 'default'}


class TestKilled(killing.Killing, TargetsTest):

    def test_fail_over(self):
        def act(driver, volume):
            self.fail_over(driver, 'lvm-b', volume)

        def finish(volume):
            driver = self.start(*FROM_A)
            if not self.service()['active_backend_id']:
                self.fail_over(driver, 'lvm-b', self.reload(volume))
            self.host.write(self.front(volume), 'z', 3)
            data = {'x': 1, 'y': 2, 'z': 3}
            self.assertEqual(data, self.data(B, volume))
            # It may have been left behind, if the power was cut, too.
            self.finish_protection(driver)
            self.assertEqual(data, self.data(C, volume))
            self.assertEqual(data, self.host.read(self.front(volume)))

        def prepare():
            driver, volume = TargetsTest.replicated(self)
            self.host.fail(A)
            self.host.write(self.front(volume), 'y', 2)
            return driver, volume

        self.killed_everywhere(prepare, act, finish)
