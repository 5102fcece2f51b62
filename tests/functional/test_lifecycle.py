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

"""Volumes while no disk fails."""

import os
import re

from tests.functional import base, blocks, disks
from tests.unit.volume.base import A, B

LVM_CONF = '/etc/lvm/lvm.conf'
DEVICES = '/etc/lvm/devices/system.devices'


class TestLifecycle(base.TestCase):

    def test_write_and_delete(self):
        driver = self.start()
        other = self.create(driver)
        before = disks.devices(), self.logical_volumes()
        volume = self.create(driver)
        self.assertEqual('enabled', volume.replication_status)
        self.assert_protected(volume, A, B)
        writer = self.writer(volume)
        writer.goes_on(200)
        writer.stop()
        for group in (None, A, B):
            writer.verify(self.path(volume, group))
        self.assert_copies_equal(volume, A, B)
        driver.delete_volume(volume)
        self.assertEqual(before, (disks.devices(), self.logical_volumes()))
        self.assert_protected(other, A, B)

    def test_thick(self):
        driver = self.start(lvm_type='default')
        before = disks.devices(), self.logical_volumes()
        volume = self.create(driver)
        self.assertEqual('enabling', volume.replication_status)
        writer = self.writer(volume)
        self.look_until(driver, volume, 'enabled')
        self.assert_protected(volume, A, B)
        writer.stop()
        writer.verify(self.path(volume, B))
        self.assert_copies_equal(volume, A, B)
        seed = writer.seed.encode()
        for letter in 'ab':
            self.assertTrue(blocks.holds(self.disks[letter].device, seed))
        driver.delete_volume(volume)
        self.assertEqual(before, (disks.devices(), self.logical_volumes()))
        for letter in 'ab':
            self.assertFalse(blocks.holds(self.disks[letter].device, seed))


class TestDevicesFile(base.TestCase):
    """A host that lists the disks that LVM may use."""

    def attach_disks(self):
        with open(LVM_CONF) as conf:
            before = conf.read()
        self.addCleanup(self._configure, before)
        self._configure(re.sub('use_devicesfile = 0', 'use_devicesfile = 1',
                               before))
        os.makedirs(os.path.dirname(DEVICES), exist_ok=True)
        with open(DEVICES, 'w'):
            pass
        self.addCleanup(os.unlink, DEVICES)
        return super().attach_disks()

    @staticmethod
    def _configure(text):
        with open(LVM_CONF, 'w') as conf:
            conf.write(text)

    def test_primary_that_hangs(self):
        driver = self.start(replication_command_timeout=20)
        volume = self.create(driver)
        writer = self.writer(volume)
        writer.stop()
        disks.run('lvm', 'lvmdevices', '--deldev',
                  '/dev/mapper/' + self.disks['c'].layer)
        self.disks['a'].hang()
        update = self.manager_fails_over(driver, volume)
        self.assertEqual('failed-over', update['replication_status'])
        writer.verify(self.path(volume))
        # neither the one that hangs nor the one that is hidden
        self.assertEqual({B}, set(driver._groups.scan()))
