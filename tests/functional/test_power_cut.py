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

"""The power is cut while somebody writes: the kernel is killed."""

import contextlib
import json
import os
import sqlite3

from cinder_promote_tempest.common.probes import numbered_blocks
from tests.functional import base, blocks, disks, machine
from tests.unit.volume.base import A, B

#: A disk of no volume group, which keeps what the writer noted.
NOTES = '/dev/ubdd'
#: Blocks for which a thin pool allots space at once, and for which one bit of
#: the write-intent bitmap stands. The first write to either waits for both
#: legs before it reaches one.
CHUNK = 16


class TestPowerCut(base.TestCase):

    def setUp(self):
        self.before = json.loads(
            ''.join(machine.lines('before-cut')) or 'null')
        super().setUp()

    def attach_disks(self):
        return disks.attach() if self.before else super().attach_disks()

    def test_under_a_writer(self):
        if not self.before:
            self._until_the_cut()
        with contextlib.closing(sqlite3.connect(self._saved)) as saved:
            saved.backup(self.database.connection)
        volume = self.reload(self.before['volume'])
        writer = blocks.Writer(self.path(volume), NOTES, self.before['seed'])
        self.assertNotIn(self.front(volume), disks.devices())
        driver = self.start()
        blocks.wait_until(
            lambda: self.health(volume) == ('AA', 'idle') and
            blocks.digest(self.path(volume, A)) ==
            blocks.digest(self.path(volume, B)),
            'the copies are equal', 180)
        writer.verify(self.path(volume))
        self.look_until(driver, volume, 'enabled')

    _saved = os.path.join(machine.RESULTS, 'before-cut.sqlite')

    def _until_the_cut(self):
        disks.clear(NOTES, 1)
        volume = self.create(self.start())
        writer = self.writer(volume, NOTES)
        writer.goes_on(100)
        with contextlib.closing(sqlite3.connect(self._saved)) as saved:
            self.database.connection.backup(saved)
        machine.write('before-cut', json.dumps(
            {'volume': volume.id, 'seed': writer.seed}))
        # One leg has a write that was not acknowledged, the other has not.
        self.disks['b'].hang()
        writer.hangs()
        while not self._first_leg_is_ahead(writer, volume):
            self.disks['b'].repair()
            writer.goes_on(5)
            self.disks['b'].hang()
            writer.hangs()
        machine.cut_power()

    def _first_leg_is_ahead(self, writer, volume):
        count = writer.acknowledged + 1
        return count % CHUNK != 1 and not numbered_blocks.find_wrong(
            blocks.read(self.path(volume, A),
                        count * numbered_blocks.BLOCK_SIZE),
            writer.seed, count)
