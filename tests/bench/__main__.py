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

"""Measures what replication by the LVM driver costs.

Usage: python -m tests.bench prepare FOLDER [OPTION...]
       python -m tests.bench run [OPTION...]

``tools/bench`` calls it: ``prepare`` on the host, and ``run`` in that kernel.
"""

import argparse
import collections
import contextlib
import os
import sys
import time
import unittest

from tests.bench import loads, peers, tables
from tests.functional import base, disks, machine
from tests.unit.api import base as api_base
from tests.unit.volume.base import B_TO_C, A, B, C

MIB = 1 << 20
#: GiB of a volume that is protected again, and MiB of it in use.
SIZE = 4
USED = 2048
#: How many volumes fail over.
VOLUMES = (1, 10, 100)


def arguments(argv):
    parser = argparse.ArgumentParser(prog='tools/bench')
    parser.add_argument('--seconds', type=int, default=10, metavar='S',
                        help='that each load is measured for, under 60')
    parser.add_argument('--rounds', type=int, default=3, metavar='N',
                        help='of which the median is taken')
    parser.add_argument('--only', choices=sorted(PARTS))
    return parser.parse_args(argv)


def prepare(folder, *argv):
    arguments(argv)
    with api_base.Configuration():
        api_base.migrate(os.path.join(folder, machine.DATABASE))


class Part(base.TestCase):
    """A benchmark, on new disks; ``lines`` are what it has to say."""

    options = None
    lines = ()


class Writes(Part):
    """Writes to a replicated volume and to its peers, taking turns."""

    def test(self):
        driver = self.start()
        volume = self.create(driver)
        self.look_until(driver, volume, 'enabled')
        size = '1g'
        with contextlib.ExitStack() as stack:
            paths = {'replicated': self.path(volume),
                     'thin LV': stack.enter_context(
                         peers.thin(A, 'thin', size)),
                     'dm-raid': stack.enter_context(
                         peers.raid((A, B), size, 'nosync')),
                     'DRBD C': stack.enter_context(
                         peers.drbd((A, B), size)).path}
            for path in paths.values():
                # so that blocks are not provisioned while they are measured
                disks.run('dd', 'if=/dev/urandom', 'of=' + path, 'bs=1M',
                          'count=%d' % (loads.REGION // MIB), 'oflag=direct',
                          'status=none')
            found = collections.defaultdict(list)
            for __ in range(self.options.rounds):
                for load in loads.LOADS:
                    for name, path in paths.items():
                        found[load.name, name].append(loads.measure(
                            path, load, self.options.seconds))
            # what was measured is what was meant
            self.assert_protected(volume, A, B)
        self.lines = tables.writes({
            load.name: {name: loads.median(found[load.name, name])
                        for name in paths}
            for load in loads.LOADS})


class Failover(Part):
    """Fail-over of some volumes whose primary's disk has failed."""

    def test(self):
        taken = []
        for count in VOLUMES:
            taken.append((count, self._measure(count)))
            self.end_threads()
            self.disks = disks.new()
            self.database.execute('DELETE FROM volumes')
            self.set_service(replication_status='not-capable', disabled=0,
                             active_backend_id=None, disabled_reason=None)
        self.lines = tables.failovers(taken)

    def _measure(self, count):
        driver = self.start()
        volumes = [self.create(driver) for __ in range(count)]
        for volume in volumes:
            self.look_until(driver, volume, 'enabled')
        self.disks['a'].fail()
        begun = time.monotonic()
        updates = self.fail_over(driver, 'lvm-b', *volumes)
        seconds = time.monotonic() - begun
        self.assertEqual(
            ['failed-over'] * count,
            [update['replication_status'] for update in updates.values()])
        for volume in volumes:
            self.assert_protected(self.reload(volume), B)
        return seconds


class Protection(Part):
    """Filling a new target of a promoted volume that is written to."""

    def test(self):
        driver = self.start()
        volume = self.create(driver, size=SIZE)
        self.look_until(driver, volume, 'enabled')
        self._fill(self.path(volume))
        self.fail_over(driver, 'lvm-b', volume)
        self.reset()
        driver = self.start(*B_TO_C)
        writer = self.writer(volume)
        writer.longest_pause()
        self.set_service(replication_status='enabled')
        begun = time.monotonic()
        self.refresh(driver)
        self._look_as_often_as_the_service(driver, volume)
        seconds = {'replicated': time.monotonic() - begun}
        pause = writer.longest_pause()
        writer.stop()
        copied = self.written_to(C, volume)
        self.assert_protected(volume, B, C)
        used = float(disks.run(
            'lvs', '--noheadings', '-o', 'data_percent',
            '%s/%s' % (B, volume.name))) / 100 * (SIZE << 30)
        seconds.update(self._peers(self.path(volume, B)))
        self.lines = tables.protection(used, SIZE << 30, copied, pause,
                                       seconds)

    def _look_as_often_as_the_service(self, driver, volume):
        for __ in range(200):
            driver._replication.look()
            if self.reload(volume).replication_status == 'enabled':
                return
            time.sleep(driver.configuration.replication_check_interval)
        self.fail('%s is not enabled' % volume.name)

    def _fill(self, path, source='/dev/urandom'):
        disks.run('dd', 'if=' + source, 'of=' + path, 'bs=1M',
                  'count=%d' % USED, 'oflag=direct', 'iflag=fullblock',
                  'status=none')

    def _peers(self, source):
        size = '%dg' % SIZE
        found = {}
        with peers.thin(C, 'dd', size) as path:
            begun = time.monotonic()
            disks.run('dd', 'if=' + source, 'of=' + path, 'bs=1M',
                      'count=%d' % USED, 'iflag=direct', 'oflag=direct',
                      'status=none')
            found['dd of what is used'] = time.monotonic() - begun
        begun = time.monotonic()
        with peers.raid((B, C), size, 'rebuild', '1') as path:
            peers.rebuilt(path)
            found['dm-raid, full rebuild'] = time.monotonic() - begun
        with peers.drbd((B, C), size) as pair:
            self._fill(pair.path)
            found['DRBD, resync'] = pair.resync()
        return found


PARTS = {'writes': Writes, 'failover': Failover, 'protection': Protection}


def run(*argv):
    options = arguments(argv)
    for words in (['modprobe', '-d', '/run/modules', 'drbd',
                   # asked before a resync, it knows of no resource
                   'usermode_helper=/bin/true'],
                  ['ip', 'link', 'set', 'lo', 'up']):
        disks.run(*words)
    lines, good = [], True
    for name in [options.only] if options.only else PARTS:
        print('%s ...' % name, flush=True)
        part = PARTS[name]('test')
        part.options = options
        result = unittest.TestResult()
        part.run(result)
        for __, text in result.errors + result.failures:
            print(text, flush=True)
        good = good and result.wasSuccessful()
        lines += [*part.lines, '']
    machine.end('\n'.join(lines), good)


if __name__ == '__main__':
    {'prepare': prepare, 'run': run}[sys.argv[1]](*sys.argv[2:])
