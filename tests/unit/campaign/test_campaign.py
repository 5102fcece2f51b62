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

import testtools

from tests.campaign import plan, ring, table


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
