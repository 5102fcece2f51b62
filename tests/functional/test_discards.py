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

"""Long discards, which raid1 is not to get."""

import os

from tests.functional import base, blocks, disks
from tests.unit.volume.base import A, B

MIB = 1 << 20


class TestDiscards(base.LoopDisks, base.TestCase):

    def used(self):
        """Bytes that each disk's file takes up."""
        return [os.stat(disk.file).st_blocks * 512
                for disk in self.disks.values()]

    def check(self, volume):
        """Write, discard all, and see that the disks got it."""
        path = self.path(volume)
        before = self.used()
        disks.run('dd', 'if=/dev/urandom', 'of=' + path, 'bs=1M', 'count=32',
                  'oflag=direct', 'status=none')
        self.assert_copies_equal(volume, A, B)
        for was, now in list(zip(before, self.used(), strict=True))[:2]:
            self.assertGreater(now, was + 31 * MIB)
        disks.run('blkdiscard', path)
        for was, now in zip(before, self.used(), strict=True):
            self.assertLess(now, was + MIB)
        self.assertEqual(bytes(32 * MIB), blocks.read(path, 32 * MIB))
        self.assert_copies_equal(volume, A, B)

    def test_thin(self):
        driver = self.start()
        volume = self.create(driver)
        self.check(volume)
        driver.extend_volume(self.reload(volume), 2)
        self.check(volume)
