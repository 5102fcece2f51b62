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

"""Volumes that change: their size, their type, where they are."""

from cinder import objects

from tests.functional import base, blocks, disks
from tests.unit.volume.base import B_TO_C, A, B, C

GIB = 1 << 30


class TestExtension(base.TestCase):

    def extend(self, driver, volume, size):
        driver.extend_volume(self.reload(volume), size)
        volume = self.reload(volume)
        volume.size = size
        volume.save()

    def assert_size(self, device, size):
        self.assertEqual(str(size), disks.run(
            'blockdev', '--getsize64', device).strip())

    def test_attached(self):
        driver = self.start()
        volume = self.create(driver)
        writer = self.writer(volume)
        self.extend(driver, volume, 2)
        writer.goes_on()
        writer.stop()
        for group in (None, A, B):
            self.assert_size(self.path(volume, group), 2 * GIB)
        self.assert_protected(volume, A, B)
        self.assert_copies_equal(volume, A, B)
        writer.verify(self.path(volume))
        self.disks['a'].fail()
        self.manager_fails_over(driver, volume)
        self.assert_size(self.path(volume), 2 * GIB)
        writer.verify(self.path(volume))

    def test_while_a_target_is_filled(self):
        driver = self.start()
        volume = self.create(driver)
        writer = self.writer(volume)
        writer.goes_on(200)
        self.manager_fails_over(driver, volume)
        self.reset()
        driver = self.start(*B_TO_C)
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        driver._replication.look()
        self.assertEqual('A-', self.health(volume)[0])
        self.extend(driver, volume, 2)
        self.look_until(driver, volume, 'enabled')
        writer.stop()
        for group in (None, B, C):
            self.assert_size(self.path(volume, group), 2 * GIB)
        self.assert_copies_equal(volume, B, C)
        writer.verify(self.path(volume))

    def test_thick(self):
        driver = self.start(lvm_type='default')
        volume = self.create(driver)
        self.look_until(driver, volume, 'enabled')
        writer = self.writer(volume)
        self.extend(driver, volume, 2)
        writer.stop()
        self.assert_protected(volume, A, B)
        self.assert_copies_equal(volume, A, B)
        writer.verify(self.path(volume))
        # what the disks held there before can't be seen
        self.assertEqual(bytes(1 << 20), blocks.read(
            self.path(volume), 1 << 20, GIB))


class TestConversion(base.TestCase):

    def written(self, driver, **values):
        volume = self.create(driver, **values)
        path = (self.path(volume) if values.get('replicated', True)
                else self.path(volume, A))
        writer = blocks.Writer(path)
        writer.start()
        writer.goes_on(100)
        writer.stop()
        return volume, writer

    def retype(self, driver, volume, type_id):
        volume = self.reload(volume)
        new = objects.VolumeType.get_by_id(self.context, type_id)
        done, update = driver.retype(self.context, volume, new, {}, {
            'host': volume.host})
        self.assertTrue(done)
        volume = self.reload(volume)
        volume.update({'volume_type_id': type_id, **(update or {})})
        volume.save()
        return volume

    def test_there_and_back(self):
        driver = self.start()
        volume, writer = self.written(driver, replicated=False)
        before = self.logical_volumes()
        volume = self.retype(driver, volume, self.replicated_type)
        self.look_until(driver, volume, 'enabled')
        self.assert_protected(volume, A, B)
        self.assert_copies_equal(volume, A, B)
        writer.verify(self.path(volume))
        volume = self.retype(driver, volume, self.plain_type)
        self.assertEqual(before, {
            name for name in self.logical_volumes()
            if 'pool' not in name} | {
                name for name in before if 'pool' in name})
        self.assertEqual(set(), self.mirrors())
        writer.verify(self.path(volume, A))

    def test_let_go_and_take_over(self):
        driver = self.start()
        volume, writer = self.written(driver)
        driver.unmanage(volume)
        volume.destroy()
        self.assertEqual({'%s/%s' % (A, volume.name)}, {
            name for name in self.logical_volumes() if 'volume' in name})
        writer.verify(self.path(volume, A))
        taken = self.new_volume(status='managing', size=0)
        reference = {'source-name': volume.name}
        taken.size = driver.manage_existing_get_size(taken, reference)
        taken.save()
        taken.update(driver.manage_existing(taken, reference) or {})
        taken.save()
        self.look_until(driver, taken, 'enabled')
        self.assert_copies_equal(taken, A, B)
        writer.verify(self.path(taken, B))
