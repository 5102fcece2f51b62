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

"""Snapshots of volumes that somebody writes to, and what is made of them."""

from cinder import objects

from cinder_promote.volume import results
from tests.functional import base, blocks, disks
from tests.unit.volume.base import B_TO_C, A, B, C

THICK = {'lvm_type': 'default'}


class TestCase(base.TestCase):

    def written(self, **options):
        """A driver, and a volume that somebody writes to."""
        driver = self.start(**options)
        volume = self.create(driver)
        self.look_until(driver, volume, 'enabled')
        writer = self.writer(volume)
        writer.goes_on(100)
        return driver, volume, writer

    def take(self, driver, volume, writer):
        """A snapshot, and how many blocks it must have."""
        snapshot = objects.Snapshot(
            self.context, volume_id=volume.id, status='creating',
            progress='0%', volume_size=volume.size, display_name='snap',
            user_id='user', project_id=volume.project_id,
            volume_type_id=volume.volume_type_id, metadata={})
        snapshot.create()
        snapshot = objects.Snapshot.get_by_id(self.context, snapshot.id)
        acknowledged = writer.acknowledged
        driver.create_snapshot(snapshot)
        writer.goes_on()
        return snapshot, acknowledged

    def made(self, create, source, **values):
        volume = self.new_volume(**values)
        volume.update(create(volume, source) or {})
        volume.save()
        return volume

    def path_of(self, snapshot, group):
        name = '%s/_%s' % (group, snapshot.name)
        disks.run('lvchange', '--yes', '-ay', '-K', name)
        return '/dev/' + name


class TestSnapshots(TestCase):

    def check(self, **options):
        driver, volume, writer = self.written(**options)
        snapshot, acknowledged = self.take(driver, volume, writer)
        taken = {blocks.digest(self.path_of(snapshot, group))
                 for group in (A, B)}
        self.assertEqual(1, len(taken))
        writer.verify(self.path_of(snapshot, B), acknowledged)
        self.disks['a'].fail()
        self.manager_fails_over(driver, volume)
        writer.goes_on()
        made = self.made(driver.create_volume_from_snapshot, snapshot)
        self.assertEqual(taken, {blocks.digest(self.path(made))})
        driver.delete_volume(made)
        driver.delete_snapshot(snapshot)
        snapshot.destroy()
        writer.stop()
        writer.verify(self.path(volume))
        self.end_threads()
        self.disks['a'].repair()
        self.start(**options)
        self.end_threads()
        self.assertFalse([name for name in self.logical_volumes()
                          if 'snapshot' in name or made.name in name])

    def test_thin(self):
        self.check()

    def test_thick(self):
        self.check(**THICK)

    def test_disk_hangs(self):
        driver, volume, writer = self.written(replication_command_timeout=20)
        self.disks['b'].hang()
        writer.hangs()
        self.assertRaises(results.CommandFailed, self.take, driver, volume,
                          writer)
        self.disks['b'].fail()
        writer.goes_on()
        driver._replication.look()
        snapshot, acknowledged = self.take(driver, volume, writer)
        writer.verify(self.path_of(snapshot, A), acknowledged)
        writer.stop()
        writer.verify(self.path(volume))

    def test_clone(self):
        driver, volume, writer = self.written()
        acknowledged = writer.acknowledged
        clone = self.made(driver.create_cloned_volume, volume)
        self.assertEqual('enabled', clone.replication_status)
        writer.goes_on()
        self.assert_protected(clone, A, B)
        self.assert_copies_equal(clone, A, B)
        writer.verify(self.path(clone), acknowledged)
        writer.stop()

    def test_promotion(self):
        driver, volume, writer = self.written()
        snapshot, acknowledged = self.take(driver, volume, writer)
        self.disks['a'].fail()
        self.manager_fails_over(driver, volume)
        driver = self.promote(B_TO_C, volume)
        made = self.made(driver.create_volume_from_snapshot, snapshot)
        self.assert_protected(made, B, C)
        self.assert_copies_equal(made, B, C)
        writer.verify(self.path(made), acknowledged)
        driver.extend_volume(self.reload(made), 2)
        for group in (None, B, C):
            self.assertEqual('2147483648', disks.run(
                'blockdev', '--getsize64', self.path(made, group)).strip())
        writer.stop()
        self.assert_copies_equal(volume, B, C)
        writer.verify(self.path(volume))


class TestRevert(TestCase):

    def test_revert(self):
        driver, volume, writer = self.written()
        snapshot, acknowledged = self.take(driver, volume, writer)
        writer.stop()
        driver.revert_to_snapshot(self.context, volume, snapshot)
        writer.verify(self.path(volume), acknowledged)
        self.assert_copies_equal(volume, A, B)
        self.assertEqual(blocks.digest(self.path_of(snapshot, A)),
                         blocks.digest(self.path(volume)))


class TestRevertWithDiscards(base.LoopDisks, TestRevert):
    """On disks that can, nothing but what is used is copied."""
