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

"""Promotes around the ring of backends, again and again.

Usage: python -m tests.campaign.ring prepare FOLDER [OPTION...]
       python -m tests.campaign.ring run [OPTION...]

``tools/ring`` calls it: ``prepare`` on the host, and ``run`` in that kernel.
One process is the volume service all the time; for each promotion it makes
another driver, so that what a driver does not give back adds up.
"""

import argparse
import os
import sys
import time
import unittest

from tests.campaign import checks, recovery, state
from tests.campaign import system as system_module
from tests.functional import disks, machine
from tests.unit.api import base

#: Promotions after which each backend has been each other's target.
ROUND = 3
#: How much more resident memory is nothing: what Python keeps for later.
ALLOWANCE = 1.1
COLUMNS = '%10s %10s %9s %12s %9s %16s %6s'
HEAD = ('promotions', 'seconds', 'RSS, KiB', 'descriptors', 'devices',
        'logical volumes', 'tags')


def arguments(argv):
    parser = argparse.ArgumentParser(prog='tools/ring')
    parser.add_argument('--promotions', type=int, default=100, metavar='N')
    return parser.parse_args(argv)


def prepare(folder, *argv):
    arguments(argv)
    with base.Configuration():
        base.migrate(os.path.join(folder, machine.DATABASE))


class Ring(system_module.System):
    """One volume that is written to while its backend is promoted."""

    #: Seconds between two writes, so that the volume is large enough.
    PAUSE = 0.1
    promotions = 0

    def setUp(self):
        super().setUp()
        self.measured = []
        self.begun = time.monotonic()

    def test(self):
        self.start_service()
        self.do('create', 0)
        recovery.wait(self)
        for number in range(1, self.promotions + 1):
            self._promote()
            checks.check(self)
            if number % ROUND == 0:
                self._measure(number)
            [writer] = self.attached().values()
            print('%d: %s, longest pause %.1f s' % (
                number, self.serving, writer.longest_pause()), flush=True)
        self.process.kill()

    def _promote(self):
        [letter] = self.target_letters()
        self.request_failover(letter)
        self.state['serving'] = letter
        self.reset()
        self.process.request('start', self.section())
        self.set_service(replication_status='enabled')
        recovery.wait(self)

    def _measure(self, promotions):
        process = '/proc/%d/' % self.process.pid
        with open(process + 'status') as status:
            [resident] = [int(line.split()[1]) for line in status
                          if line.startswith('VmRSS:')]
        groups, found = checks.report()
        volumes = [tags for group in found.values()
                   for tags in group.values()]
        self.measured.append((
            promotions, int(time.monotonic() - self.begun), resident,
            len(os.listdir(process + 'fd')), len(disks.devices()),
            len(volumes), sum(map(len, [*volumes, *groups.values()]))))


def grown(measured):
    """What is more at the end than it was after the first rounds.

    :param measured: tuples as ``HEAD`` names them
    :returns: sentences
    """
    if len(measured) < 2:
        return
    first, last = measured[min(1, len(measured) - 2)], measured[-1]
    for name, before, after in list(zip(HEAD, first, last, strict=True))[2:]:
        allowed = before * ALLOWANCE if 'RSS' in name else before
        if after > allowed:
            yield '%s: %d, and %d after %d promotions' % (
                name, after, before, first[0])


def run(*argv):
    state.mount()
    ring = Ring('test')
    ring.promotions = arguments(argv).promotions
    result = unittest.TestResult()
    ring.run(result)
    for __, text in result.errors + result.failures:
        print(text)
        print('\n'.join(machine.lines('service.log')[-80:]), flush=True)
    problems = ['%s grew to %s' % tuple(each.split(': ', 1))
                for each in grown(ring.measured)]
    lines = [COLUMNS % line for line in (HEAD, *ring.measured)]
    good = result.wasSuccessful() and not problems
    machine.end('\n'.join(lines + problems), good)


if __name__ == '__main__':
    {'prepare': prepare, 'run': run}[sys.argv[1]](*sys.argv[2:])
