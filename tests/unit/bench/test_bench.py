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

import json

import testtools

from tests.bench import loads, tables

REPORT = json.dumps({'jobs': [{'write': {
    'bw_bytes': 2 << 20, 'lat_ns': {'mean': 1500000.0},
    'clat_ns': {'percentile': {'95.000000': 1, '99.000000': 4000000}}}}]})


class TestLoads(testtools.TestCase):

    def test_parse(self):
        self.assertEqual(loads.Measured(2 << 20, 0.0015, 0.004),
                         loads.parse(REPORT))

    def test_median(self):
        self.assertEqual(
            loads.Measured(2, 5, 8),
            loads.median([loads.Measured(1, 5, 9), loads.Measured(2, 4, 8),
                          loads.Measured(3, 6, 7)]))


class TestTables(testtools.TestCase):

    def test_writes(self):
        theirs = loads.Measured(4 << 20, 0.002, 0.004)
        head, *lines = tables.writes({'4 KiB': {
            'replicated': loads.Measured(2 << 20, 0.003, 0.008),
            **dict.fromkeys(tables.PEERS, theirs)}})
        self.assertEqual(
            ['4', 'KiB', '2.0', 'MiB/s', *['4.0', 'MiB/s'] * 3,
             *['0.50'] * 3], lines[0].split())
        self.assertEqual(
            ['4', 'KiB,', 'mean', '3.00', 'ms', *['2.00', 'ms'] * 3,
             *['1.50'] * 3], lines[1].split())
        self.assertEqual(
            ['4', 'KiB,', '99', '%', '8.00', 'ms', *['4.00', 'ms'] * 3,
             *['2.00'] * 3], lines[2].split())
        self.assertEqual({len(head)}, set(map(len, lines)))

    def test_failovers(self):
        self.assertEqual(
            [['1', 'volume', '0.50', 's', '500', 'ms'],
             ['10', 'volumes', '1.00', 's', '100', 'ms']],
            [line.split() for line
             in tables.failovers([(1, 0.5), (10, 1.0)])[1:]])

    def test_protection(self):
        lines = tables.protection(
            100 << 20, 200 << 20, 104 << 20, 0.25,
            {'replicated': 6.0, 'dd': 5.0})
        self.assertEqual([['replicated', '6.0', '1.00'],
                          ['dd', '5.0', '1.20']],
                         [line.split() for line in lines[1:3]])
        self.assertEqual(
            '100 of 200 MiB in use; copied 104 MiB, 1.04 of what is in use; '
            'longest pause of a writer 0.2 s', lines[-1])
