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

"""New copies get what is used of the served one, and what is written then."""

import os
import shutil
from unittest import mock

from cinder import exception
import fixtures

from cinder_promote.privsep import blocks, contents
from cinder_promote.volume import estimates, filling, superblocks
from tests.unit.volume import base, fake_host

A, B, C = base.A, base.B, base.C


class Idle:
    """A thread that does not come to run."""

    def __init__(self, target, args, daemon):
        self.start = lambda: None
        self.join = lambda timeout: None


class FillingTest(base.TestCase):
    """B was promoted and is to be protected by C."""

    def setUp(self):
        super().setUp()
        driver = self.start()
        self.volume = self.create(driver)
        for key in range(3):
            self.write(key, 'old')
        self.fail_over(driver, 'lvm-b', self.volume)
        self.reset()
        driver = self.start(*base.B_TO_C)
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        self.promoted = driver

    def write(self, key, value):
        self.host.write(self.front(self.volume), key, value)

    def look(self):
        self.promoted._replication.look()

    def status(self):
        return self.reload(self.volume).replication_status

    def copies(self):
        """The commands that copied, each with its parts."""
        return [argv for argv in self.host.commands if 'copy-nonzero' in argv]

    def at_each_copy(self, act):
        """Do something while each command copies."""
        def meanwhile():
            if self.host.commands[-1][4:5] == ['copy-nonzero']:
                act()
        self.host.meanwhile = meanwhile

    def never_run(self):
        self.run_threads(Idle)

    def assert_protected(self, **data):
        self.finish_protection(self.promoted)
        self.assertEqual('enabled', self.status())
        self.assertEqual(self.data(B, self.volume), self.data(C, self.volume))
        for key, value in data.items():
            self.assertEqual(value, self.data(C, self.volume)[key])
        self.assertEqual(set(), self.host.metadata_snapshots)

    def test_no_more_than_is_used(self):
        self.look()
        self.assertEqual(
            fake_host.BLOCK * len({fake_host.block_of(
                self.host.groups[B].volumes[self.volume.name], key)
                for key in range(3)}), self.host.copied)
        self.assert_protected()

    def test_written_meanwhile(self):
        self.at_each_copy(lambda: (self.write('late', 1), self.write(0, 'n')))
        self.look()
        self.write('later', 2)
        self.assertNotIn('later', self.data(C, self.volume))
        self.assert_protected(late=1, later=2)
        self.assertEqual('n', self.data(C, self.volume)[0])

    def test_written_while_it_joins(self):
        self.look()

        def meanwhile():
            if self.host.commands[-1][1] == 'load':
                self.host.meanwhile = None
                self.host.write(self.host.devices[self.front(
                    self.volume)].table.split('/')[-1].split()[0], 'j', 1)
        self.host.meanwhile = meanwhile
        # The mirror stands still then, so that no write is in between.
        self.assertRaises(AssertionError, self.look)

    def test_progress(self):
        self.useFixture(fixtures.MockPatchObject(
            filling, 'STEP', fake_host.BLOCK))
        seen = []
        self.at_each_copy(lambda: seen.append(self.stats()))
        self.look()
        self.assertEqual([0.0, 33.3, 66.7], seen)
        self.assertEqual(99.9, self.stats())
        self.assert_protected()
        self.assertEqual(100.0, self.stats())

    def stats(self):
        for record in self.promoted._replication._records.values():
            self.promoted._replication._is_settled(
                record, self.promoted._replication._live_mirror(
                    record.name, self.promoted._replication._mapper.devices()))
        pool = self.promoted.get_volume_stats(True)['pools'][0]
        return pool['replication_sync_percent']

    def test_nothing_is_used(self):
        volume = self.create(self.promoted)
        self.finish_protection(self.promoted)
        self.assertEqual('enabled', self.reload(volume).replication_status)

    def test_goes_on_until_it_is_done(self):
        self.never_run()
        for __ in range(3):
            self.look()
        self.assertEqual('enabling', self.status())
        self.assertEqual(1, len(self.promoted._replication._fillings))
        self.assertEqual({}, self.data(C, self.volume))

    def test_deleted_meanwhile(self):
        self.never_run()
        self.look()
        job, = self.promoted._replication._fillings.values()
        self.promoted.delete_volume(self.volume)
        job._run()
        self.assertEqual([], self.copies())
        for group in (B, C):
            self.assertNotIn(self.volume.name, self.host.groups[group].volumes)
        self.assertEqual({}, self.host.devices)

    def test_failed_over_meanwhile(self):
        self.never_run()
        self.look()
        job, = self.promoted._replication._fillings.values()
        updates = self.fail_over(self.promoted, 'lvm-c', self.volume)
        self.assertEqual('failover-error',
                         updates[self.volume.id]['replication_status'])
        job._run()
        self.assertEqual([], self.copies())

    def test_disk_of_the_new_copy_fails(self):
        self.at_each_copy(lambda: self.host.fail(C))
        self.look()
        self.look()
        volume = self.reload(self.volume)
        self.assertIn('copying volume-', volume.replication_extended_status)
        self.write('x', 1)
        self.host.meanwhile = None
        self.host.repair(C)
        self.assert_protected(x=1)

    def test_restart_begins_anew(self):
        self.never_run()
        self.look()
        self.run_threads(base.RunsAtOnce)
        self.write('x', 1)
        self.promoted = self.start(*base.B_TO_C)
        self.assertEqual('enabling', self.status())
        self.assert_protected(x=1)

    def test_power_cut_begins_anew(self):
        self.look()
        self.write('x', 1)
        self.host.cut_power()
        self.promoted = self.start(*base.B_TO_C)
        self.write('y', 2)
        self.assert_protected(x=1, y=2)

    def test_copy_that_would_be_taken_as_it_is(self):
        self.look()
        self.write('x', 1)
        metadata = self.volume.name + '.meta'
        self.host.groups[B].volumes[metadata].superblock['failed'] = set()
        self.finish_protection(self.promoted)
        self.assert_protected(x=1)

    def test_pool_that_does_not_tell(self):
        pool = '/dev/mapper/promote--b-promote--b--pool'
        self.host.metadata_snapshots.add(pool)
        self.look()
        self.assertEqual(1 << 30, self.host.copied)
        self.assertIn(pool, self.host.metadata_snapshots)
        self.assertEqual(set(), self.pool.tags)
        self.host.metadata_snapshots.clear()
        self.assert_protected()

    @property
    def pool(self):
        return self.host.groups[B].volumes['promote-b-pool']

    def test_snapshot_that_was_left(self):
        """By a service that was killed, or a host that stopped."""
        def stop():
            if self.host.commands[-1][0] == 'thin_dump':
                self.host.dead = True
                raise fake_host.Crash

        self.host.meanwhile, self.host.dies = stop, True
        self.assertRaises(fake_host.Crash, self.look)
        self.host.meanwhile, self.host.dies = None, False
        self.host.cut_power()
        shutil.rmtree(self.locks)
        os.mkdir(self.locks)
        self._assert_left()
        self.promoted = self.start(*base.B_TO_C)
        self._assert_given_back()

    def test_snapshot_whose_command_was_given_up(self):
        for verb in ('reserve_metadata_snap', 'release_metadata_snap'):
            with self._done_but_given_up(verb):
                self.promoted._replication._groups.used_parts(
                    B, self.volume.name, 1 << 30)
            self.assertEqual({contents.READING}, self.pool.tags)
        self._assert_given_back()

    def _done_but_given_up(self, verb):
        done = self.host.dm_message

        def message(words, disks):
            done(words, disks)
            if words[4] == verb:
                raise TimeoutError

        return mock.patch.object(self.host, 'dm_message', message)

    def _assert_left(self):
        self.assertEqual({contents.READING}, self.pool.tags)
        self.assertNotEqual(set(), self.host.metadata_snapshots)

    def _assert_given_back(self):
        """At the next reading, which is not of all then."""
        self.look()
        self.assertLess(self.host.copied, 1 << 30)
        self.assert_protected()
        self.assertEqual(set(), self.pool.tags)
        self.assertEqual(set(), self.host.metadata_snapshots)

    def test_what_preparing_left_is_removed(self):
        left = 'promote-mirror-%s-new-0' % self.volume.name
        self.host.run(['dmsetup', 'create', left, '--table', '0 8 zero'], 9)
        self.assert_protected()
        self.assertNotIn(left, self.host.devices)


class StepsTest(base.TestCase):
    def test_steps(self):
        self.assertEqual(
            [[(0, 6), (10, 4)], [(14, 10)], [(24, 2), (40, 1)]],
            list(filling.steps([(0, 6), (10, 16), (40, 1)], 10)))
        self.assertEqual([], list(filling.steps([], 10)))

    def test_rate(self):
        groups = mock.Mock()
        groups.used_parts.return_value = [(0, 100)]
        job, waited = self._paced(groups, 50)
        job._run()
        self.assertEqual([2], waited)
        self.assertTrue(job.done)
        self.assertEqual(50, job._copying.speed)

    def test_rate_that_is_changed_while_it_pauses(self):
        groups = mock.Mock()
        groups.used_parts.return_value = [(0, 1000)]
        for rates, expected in (((1, 0), [5]), ((1, 100), [5, 5]),
                                ((0,), [])):
            left = list(rates)
            job, waited = self._paced(
                groups, lambda left=left: left.pop(0) if left[1:] else left[0])
            job._run()
            self.assertEqual(expected, waited)

    def _paced(self, groups, rate):
        """A filling whose pauses take no time, and how long they are."""
        waited = []
        self.useFixture(fixtures.MockPatchObject(
            filling.time, 'monotonic', lambda: sum(waited)))
        job = filling.Filling(
            groups, 'v', 1 << 30, B, [C],
            rate if callable(rate) else lambda: rate, estimates.Copying(0))
        job._stop = mock.Mock(is_set=lambda: False, wait=waited.append)
        return job, waited

    def test_error(self):
        groups = mock.Mock()
        groups.used_parts.side_effect = (
            exception.VolumeBackendAPIException(data='x'))
        job = filling.Filling(groups, 'v', 1 << 30, B, [C], lambda: 0,
                              estimates.Copying(0))
        job._run()
        self.assertFalse(job.running or job.done)


class FormatsTest(base.TestCase):
    def test_mappings(self):
        self.assertEqual([(0, 3 << 16), (100 << 16, 1 << 16)],
                         contents.parse_mappings(
            '<superblock data_block_size="128"><device dev_id="1">'
            '<range_mapping origin_begin="0" data_begin="5" length="2"/>'
            '<single_mapping origin_block="2" data_block="9"/>'
            '<single_mapping origin_block="100" data_block="1"/>'
            '</device></superblock>'))

    def test_superblock(self):
        # As dm-raid of Linux 6.1 wrote it.
        text = '446d52640100000002000000010000000300000000000000' + '00' * 40
        self.assertEqual(superblocks.Superblock(2, 1, 3, 0, 0),
                         superblocks.parse(text))
        for none in ('-', '00' * 4096):
            self.assertIsNone(superblocks.parse(none))

    def test_zeros_are_left_out(self):
        data = bytearray(5 * blocks.GRAIN)
        data[blocks.GRAIN + 7] = 1
        data[4 * blocks.GRAIN] = 1
        grain = blocks.GRAIN
        self.assertEqual([(grain, 2 * grain), (4 * grain, 5 * grain)],
                         list(blocks._grains(memoryview(data))))
        self.assertEqual([], list(blocks._grains(bytes(grain + 5))))
