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

"""A wrong section of cinder.conf stops the driver and changes nothing."""

import copy

import testscenarios

from cinder_promote.volume import targets
from tests.unit.volume import base

B_TARGET = 'backend_id:lvm-b,volume_group:promote-b'
load_tests = testscenarios.load_tests_apply_scenarios


class TestRefused(base.TestCase):

    scenarios = [
        ('no such volume group', {
            'group': 'promote-x', 'devices': [B_TARGET],
            'option': 'volume_group', 'says': 'promote-x does not exist'}),
        ('no such target volume group', {
            'devices': ['backend_id:lvm-x,volume_group:promote-x'],
            'says': 'promote-x of target lvm-x does not exist'}),
        ('target is the backend itself', {
            'devices': ['backend_id:lvm-b,volume_group:promote-a'],
            'says': 'target lvm-b is the backend itself'}),
        ('two targets with one id', {
            'devices': [B_TARGET, 'backend_id:lvm-b,volume_group:promote-c'],
            'says': 'two targets have the backend_id lvm-b'}),
        ('two targets with one volume group', {
            'devices': [B_TARGET, 'backend_id:lvm-c,volume_group:promote-b'],
            'says': 'two targets have the volume_group promote-b'}),
        ('no volume group', {
            'devices': ['backend_id:lvm-b'],
            'says': 'volume_group is missing'}),
        ('no backend id', {
            'devices': ['volume_group:promote-b'],
            'says': 'backend_id is missing'}),
        ('unknown key', {
            'devices': [B_TARGET + ',san_ip:192.0.2.1'],
            'says': 'unknown key san_ip'}),
        ('reserved id', {
            'devices': ['backend_id:default,volume_group:promote-b'],
            'says': 'reserved'}),
        ('LVM mirrors', {
            'devices': [B_TARGET], 'options': {'lvm_mirrors': 1},
            'option': 'lvm_mirrors', 'says': 'together'}),
    ]
    group = base.A
    option = 'replication_device'
    options = {}

    def test_refused(self):
        before = copy.deepcopy(self.host.groups)
        row = self.service()
        driver = self.driver(self.group, self.devices, **self.options)

        def start():
            driver.do_setup(self.context)
            driver.check_for_setup_error()
        error = self.assertRaises(targets.InvalidConfiguration, start)
        self.assertIn('Option %s in section [lvm-a] is wrong: ' % self.option,
                      str(error))
        self.assertIn(self.says, str(error))
        self.assertNotIn('\n', str(error))
        self.assertEqual(before, self.host.groups)
        self.assertEqual({}, self.host.devices)
        self.assertEqual(row, self.service())


class TestLostDisk(base.TestCase):
    """A volume group that was there before is lost, not a wrong name."""

    def test_lost_target(self):
        volume = self.create(self.start())
        self.host.fail(base.B)
        driver = self.start()
        self.host.write(self.front(volume), 'x', 1)
        driver._replication.look()
        self.assertEqual('error', self.reload(volume).replication_status)

    def test_lost_primary(self):
        self.start()
        self.host.fail(base.A)
        driver = self.start()
        self.assertEqual(0, driver.get_volume_stats(True)['pools'][0][
            'free_capacity_gb'])

    def test_lost_active_target(self):
        driver = self.start()
        self.fail_over(driver, 'lvm-b')
        self.host.fail(base.B)
        driver = self.driver()
        driver.do_setup(self.context)
        error = self.assertRaises(targets.InvalidConfiguration,
                                  driver.check_for_setup_error)
        self.assertIn('promote-b does not exist', str(error))
