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

"""Injects one fault after the other into a running system.

Usage: python -m tests.campaign start [OPTION...]
       python -m tests.campaign prepare FOLDER [OPTION...]
       python -m tests.campaign run [OPTION...]

``tools/campaign`` calls it to ``start``. Then ``tools/in-kernel`` calls it to
``prepare`` on the host, and to ``run`` in each boot.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import time
import traceback
import unittest

from tests.campaign import (
    checks,
    faults,
    kernels,
    plan,
    recovery,
    state,
)
from tests.campaign import service as service_module
from tests.campaign import system as system_module
from tests.functional import disks, machine
from tests.unit.api import base

#: Seconds that one fault may take, with all that follows.
LONGEST = 1800
NO_SPACE_TIMEOUT = '/sys/module/dm_thin_pool/parameters/no_space_timeout'
#: Lines of the service's log that are shown after a failure.
LINES = 80


def arguments(argv):
    parser = argparse.ArgumentParser(prog='tools/campaign')
    parser.add_argument('--faults', type=int, default=200, metavar='N')
    parser.add_argument('--seed', metavar='S', help='one that was printed')
    parser.add_argument('--only', metavar='K[-L]',
                        help='of them, begin with this one, on new disks')
    parser.add_argument('--kernels', type=int, default=1, metavar='N',
                        help='that share the faults, each with its own disks')
    options = parser.parse_args(argv)
    if options.kernels < 1 or not 0 < interval(options)[0] <= interval(
            options)[1]:
        parser.error('there is nothing to do')
    return options


def interval(options):
    """The numbers of the first and the last fault."""
    if not options.only:
        return 1, options.faults
    first, __, last = options.only.partition('-')
    return int(first), int(last or first)


def chosen(options, seed):
    """The faults that are to be injected."""
    first, last = interval(options)
    return plan.faults(seed, last)[first - 1:]


def start(*argv):
    options = arguments(argv)
    seed = options.seed or str(random.randrange(10 ** 6))
    signal.signal(signal.SIGTERM, lambda *__: sys.exit(143))
    good = kernels.run(seed, kernels.shares(*interval(options),
                                            options.kernels),
                       int(os.environ.get('CAMPAIGN_MINUTES', 1440)))
    sys.exit(not good)


def prepare(folder, *argv):
    seed = arguments(argv).seed
    with open(os.path.join(folder, 'seed'), 'w') as stream:
        stream.write(seed)
    print('==> --seed %s' % seed)
    with base.Configuration():
        base.migrate(os.path.join(folder, machine.DATABASE))


class Campaign(system_module.System):
    """All of it, as what has a test's fixtures."""

    faults = ()
    seed = None

    def test(self):
        for fault in self.faults[self.state.get('done', 0):]:
            self.one(fault)
        self.process.kill()

    def one(self, fault):
        """Inject a fault, or go on with it after a power cut."""
        begun = time.monotonic()
        outcome = {'kind': fault.kind, 'targets': fault.targets,
                   'passed': False}
        signal.signal(signal.SIGALRM, _give_up)
        signal.alarm(LONGEST)
        try:
            if not self.state.pop('cut', False):
                print('%d: %s' % (fault.number, fault), end=' ... ',
                      flush=True)
                self._get_ready(fault)
                begun = time.monotonic()
                faults.inject(self, fault)
            self._get_through(fault)
            outcome['until'] = time.monotonic() - begun
            checks.check(self)
            outcome['pause'] = max(
                (writer.longest_pause() for writer
                 in self.attached().values()), default=0.0)
            outcome['passed'] = True
        except faults.PowerCut:
            self.state['cut'] = True
            self.save()
            machine.cut_power()
        except Exception:
            self._tell(fault)
        signal.alarm(0)
        machine.append('outcomes', json.dumps(outcome))
        self.state['done'] = self.state.get('done', 0) + 1
        if outcome['passed']:
            print('ok (%.1f s, protected after %.1f s)' % (
                time.monotonic() - begun, outcome['until']), flush=True)
            self.save()
        else:
            self.state['fresh'] = True
            self.state['first'] = self.state['done'] + 1
            self.save()
            machine.cut_power()

    def _get_ready(self, fault):
        """Have a random state of a system in which nothing is the matter."""
        if not self.process.alive or self.state['targets'] != fault.targets:
            self.process.kill()
            self.state['targets'] = fault.targets
            self.start_service()
        if self.retire():
            self._get_through(fault)
        while len(self.state['volumes']) < system_module.VOLUMES.start:
            self.do('create', 2 * len(self.state['volumes']))
        recovery.wait(self)
        for name, number in fault.steps:
            self.step(name, number)
        recovery.wait(self)
        self.save()

    def _get_through(self, fault):
        recovery.Operator(self, fault).recover()
        for writer in self.attached().values():
            if not writer.running:
                # the power was cut
                writer.start()

    def _tell(self, fault):
        """Say what failed and how to do it again."""
        print('FAILED', flush=True)
        traceback.print_exc(file=sys.stdout)
        first = self.faults[self.state.get('first', 1) - 1].number
        print('Again: tools/campaign --seed %s --only %d, or with all since '
              'the disks were new: --only %d-%d' % (
                  self.seed, fault.number, first, fault.number))
        print(fault)
        print(json.dumps(self.state))
        for volume in self.volume_rows().values():
            print(volume.name, volume.status, volume.replication_status,
                  volume.replication_driver_data,
                  volume.replication_extended_status)
        with contextlib.suppress(Exception):
            for words in (['dmsetup', 'table'], ['dmsetup', 'status'],
                          ['lvs', '-o', 'vg_name,lv_name,lv_tags']):
                print(disks.run(*words))
        lines = machine.lines(service_module.LOG_FILE)
        print('\n'.join(lines[-LINES:]), flush=True)


def _give_up(*__):
    raise AssertionError('not done in %d seconds' % LONGEST)


def run(*argv):
    options = arguments(argv)
    seed = machine.lines('seed')[0]
    state.mount()
    # so that a full pool costs seconds
    with open(NO_SPACE_TIMEOUT, 'w') as stream:
        stream.write('5')
    campaign = Campaign('test')
    campaign.seed, campaign.faults = seed, chosen(options, seed)
    result = unittest.TestResult()
    campaign.run(result)
    for __, text in result.errors + result.failures:
        print(text)
    passed = sum(json.loads(line)['passed']
                 for line in machine.lines('outcomes'))
    machine.end('%d of %d passed' % (passed, len(campaign.faults)),
                passed == len(campaign.faults))


if __name__ == '__main__':
    {'start': start, 'prepare': prepare, 'run': run}[
        sys.argv[1]](*sys.argv[2:])
