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

"""What is told of a target that is being filled, here and by the command."""

import json
import os
import pathlib
import subprocess
import sys
import time

import fixtures
from oslo_config import cfg

from cinder_promote.volume import filling
from tests.functional import base, blocks, disks
from tests.unit.volume.base import B_TO_C, A, B, C

MIB, GIB = 1 << 20, 1 << 30
WRITTEN = 24 * MIB
#: MiB a second.
RATE = 1


class TestProgress(base.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(filling, 'STEP', 2 * MIB))
        self.dir = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.dir / 'cinder.conf').write_text(
            '[DEFAULT]\nenabled_backends = lvm-a\nstate_path = %s\n'
            '[lvm-a]\nvolume_group = promote-b\nreplication_device = %s\n'
            % (self.dir, B_TO_C[1][0]))
        (self.dir / 'host.conf').write_text(
            '[host]\ncinder_config_file = %s/cinder.conf\n'
            'other_cinder_config =\nstatus_command = echo active\n'
            % self.dir)

    def test_while_a_target_is_filled(self):
        driver = self.start()
        volume = self.create(driver)
        disks.run('dd', 'if=/dev/urandom', 'of=' + self.path(volume), 'bs=1M',
                  'count=%d' % (WRITTEN // MIB), 'oflag=direct')
        self.manager_fails_over(driver, volume)
        self.reset()
        driver = self.start(*B_TO_C, replication_copy_rate=RATE)
        cfg.CONF.set_override('state_path', str(self.dir))
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        told = []

        def in_sync():
            driver._replication_look()
            stats = driver.get_volume_stats(True)
            told.append((time.monotonic(), *(
                stats['replication_sync_' + key]
                for key in ('bytes', 'bytes_total', 'seconds_left'))))
            return stats['replication_volumes_in_sync'] == 1

        blocks.wait_until(lambda: in_sync() or told[-1][1], 'it is copied')
        shown = self.show()
        self.assertEqual((1, 0, False, None), tuple(shown[key] for key in (
            'volumes', 'volumes_in_sync', 'stale', 'problem')))
        self.assertGreaterEqual(shown['bytes_total'], WRITTEN)
        self.assertGreater(shown['bytes'], 0)
        self.assertLess(shown['bytes'], shown['bytes_total'])
        blocks.wait_until(in_sync, '%s is in sync' % volume.name, 180)
        self.assertIsNone(self.show())
        end, copied, total, seconds = told[-1]
        self.assertEqual((total, 0), (copied, seconds))
        self.assertGreaterEqual(total, WRITTEN)
        copied = [each[1] for each in told]
        self.assertEqual(sorted(copied), copied)
        estimates = [each for each in told if each[3]]
        self.assertNotEqual([], estimates)
        for now, copied, of, seconds in estimates:
            self.assertEqual(total, of)
            # It is no faster than it may be, nor much slower.
            self.assertGreaterEqual(seconds, (of - copied) / (RATE * MIB))
            self.assertLess(seconds, 5 * (end - now) + 10)
        self.assert_protected(volume, B, C)
        self.assert_copies_equal(volume, B, C)

    def test_thick(self):
        """The kernel copies all of it, and tells itself how far it is."""
        driver = self.start(lvm_type='default')
        cfg.CONF.set_override('state_path', str(self.dir))
        volume = self.create(driver)
        told = []

        def in_sync():
            driver._replication_look()
            told.append(driver._replication.progress())
            return not told[-1].pending

        blocks.wait_until(in_sync, '%s is in sync' % volume.name, 180)
        self.assertEqual(
            (GIB, GIB, 0),
            (told[-1].copied, told[-1].total, told[-1].seconds))
        self.assertEqual({GIB}, {each.total for each in told})
        self.assert_protected(volume, A, B)

    def show(self):
        """What the storage host command tells, in a process of its own."""
        out = subprocess.run(
            [sys.executable, '-m', 'cinder_promote.cmd.host', '--config-file',
             str(self.dir / 'host.conf'), '--json', 'show', 'lvm-a'],
            check=True, stdout=subprocess.PIPE, text=True,
            env=dict(os.environ)).stdout
        return json.loads(out)['backends']['lvm-a']['copying']
