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

"""What a fault campaign and a ring make of their seeds and figures."""

import contextlib
import io
import json
import pathlib

import fixtures
import testtools

from tests.campaign import __main__ as campaign
from tests.campaign import kernels, plan, ring, table


class TestPlan(testtools.TestCase):

    def test_longer_one_begins_with_a_shorter_one(self):
        self.assertEqual(plan.faults('7', 30), plan.faults('7', 60)[:30])

    def test_seeds_differ(self):
        self.assertNotEqual(plan.faults('7', 30), plan.faults('8', 30))

    def test_each_kind_with_one_target_and_with_two(self):
        found = {(fault.kind, fault.targets)
                 for fault in plan.faults('7', 2 * len(plan.KINDS))}
        self.assertEqual({(kind, targets) for kind in plan.KINDS
                          for targets in (1, 2)}, found)


class TestTable(testtools.TestCase):

    def test_table(self):
        lines = table.table([
            {'kind': 'power cut', 'targets': 1, 'passed': True, 'pause': 2.0,
             'until': 8.0},
            {'kind': 'power cut', 'targets': 2, 'passed': True, 'pause': 1.0,
             'until': 9.0},
            {'kind': 'pool full', 'targets': 2, 'passed': False}]).split('\n')
        self.assertEqual([
            ['pool', 'full', '0', '1', '0', '1', '0.0', 's', '0.0', 's'],
            ['power', 'cut', '1', '1', '2', '0', '2.0', 's', '9.0', 's'],
            ['all', '1', '2', '2', '1', '2.0', 's', '9.0', 's'],
        ], [line.split() for line in lines[1:]])


class TestKernels(testtools.TestCase):

    FAKE = """#!/bin/sh
echo "$*"
echo '%s' >"$KEEP_RESULTS/outcomes"
exit %d
"""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.EnvironmentVariable('CAMPAIGN_MINUTES'))

    def in_kernel(self, outcomes, status=0):
        """Have each kernel end with some outcomes and a status."""
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'fake')
        lines = '\n'.join(json.dumps(outcome) for outcome in outcomes)
        path.write_text(self.FAKE % (lines, status))
        path.chmod(0o755)
        self.useFixture(fixtures.MonkeyPatch(
            'tests.campaign.kernels.IN_KERNEL', path))

    def start(self, *words):
        """Its status and the lines that it printed."""
        with contextlib.redirect_stdout(io.StringIO()) as out:
            error = self.assertRaises(SystemExit, campaign.start, *words)
        return error.code, out.getvalue().splitlines()

    def test_shares(self):
        for faults, kernel_count, shares in (
                ((1, 200), 1, [(1, 200)]),
                ((1, 200), 2, [(1, 100), (101, 200)]),
                ((5, 11), 3, [(5, 7), (8, 9), (10, 11)]),
                ((3, 4), 5, [(3, 3), (4, 4)])):
            self.assertEqual(shares, list(kernels.shares(
                *faults, kernel_count)))

    def test_all_passed(self):
        self.in_kernel(2 * [
            {'kind': 'power cut', 'targets': 1, 'passed': True}])
        status, lines = self.start('--faults', '4', '--seed', '7',
                                   '--kernels', '2')
        self.assertFalse(status)
        for share in ('1-2', '3-4'):
            self.assertIn('%s| tests.campaign 1440 --seed 7 --only %s' % (
                share, share), lines)
        self.assertEqual(['all', '4', '0', '4', '0'], lines[-3].split()[:5])
        self.assertEqual('--seed 7', lines[-1])

    def test_one_kernel(self):
        self.useFixture(fixtures.EnvironmentVariable('CAMPAIGN_MINUTES', '5'))
        self.in_kernel([{'kind': 'power cut', 'targets': 1, 'passed': True}])
        status, lines = self.start('--only', '6', '--seed', '7')
        self.assertFalse(status)
        self.assertEqual('tests.campaign 5 --seed 7 --only 6-6', lines[0])

    def test_one_failed(self):
        self.in_kernel([{'kind': 'power cut', 'targets': 1, 'passed': False}],
                       status=1)
        status, lines = self.start('--faults', '2', '--kernels', '2')
        self.assertTrue(status)
        self.assertEqual(['all', '2', '0', '0', '2'], lines[-3].split()[:5])

    def test_kernel_that_did_not_come_to_all(self):
        self.in_kernel([{'kind': 'power cut', 'targets': 1, 'passed': True}])
        self.assertTrue(self.start('--faults', '2')[0])

    def test_nothing_to_do(self):
        for words in (('--faults', '0'), ('--only', '4-3'),
                      ('--only', '0'), ('--kernels', '0')):
            with contextlib.redirect_stderr(io.StringIO()) as said:
                self.assertEqual(2, self.start(*words)[0])
            self.assertIn('nothing to do', said.getvalue())


class TestGrown(testtools.TestCase):

    BEFORE = (3, 60, 1000, 20, 30, 40, 50)

    def grown(self, *last):
        return list(ring.grown([self.BEFORE, (6, 120, *last)]))

    def test_nothing(self):
        self.assertEqual([], self.grown(1050, 20, 30, 40, 49))

    def test_each(self):
        self.assertEqual(
            ['RSS, KiB: 1200, and 1000 after 3 promotions',
             'descriptors: 21, and 20 after 3 promotions',
             'devices: 31, and 30 after 3 promotions',
             'logical volumes: 41, and 40 after 3 promotions',
             'tags: 51, and 50 after 3 promotions'],
            self.grown(1200, 21, 31, 41, 51))
