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

"""A thin pool fails with its disk."""

import fixtures

from tests.functional import base, blocks, disks
from tests.unit.volume.base import A, B


class TestPools(base.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'cinder_promote.volume.flushes.INTERVAL', 1))
        self.driver, self.volume, self.written = self.used()

    def fail_target(self):
        """Let its disk fail right after a write, then nobody writes.

        What the writer asked to be on the disks is, what comes last is not.
        """
        self.written.goes_on(100)
        self.written.stop()
        self.disks['b'].fail_after(
            'dd if=/dev/urandom of=%s bs=64K seek=4K count=64 oflag=direct '
            'status=none' % self.path(self.volume))
        blocks.wait_until(self.pool_failed, 'the pool fails')

    @staticmethod
    def pool_failed():
        status = disks.run('dmsetup', 'status', '--target', 'thin-pool')
        return any('Fail' in line or ' ro ' in line
                   for line in status.splitlines()
                   if line.startswith('promote--b'))

    def test_nobody_writes(self):
        self.fail_target()
        self.look_until(self.driver, self.volume, 'error')
        self.assert_protected(self.volume, A)
        self.disks['b'].repair()
        self.look_until(self.driver, self.volume, 'enabled')
        self.assert_protected(self.volume, A, B)
        self.assert_copies_equal(self.volume, A, B)
        self.written.verify(self.path(self.volume, B))
        self.assertFalse(self.pool_failed())
        # of 256 MiB, since the pool works again
        self.assertLess(self.written_to(B, self.volume), 64 << 20)
