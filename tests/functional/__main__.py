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

"""Runs the functional tests, also across power cuts.

Usage: python -m tests.functional prepare FOLDER [PATTERN...]
       python -m tests.functional run [PATTERN...]

``tools/functional`` calls it: ``prepare`` on the host, for what would take
long in there, and ``run`` in each boot. A test that was begun before a power
cut is run again after it, those before it are not.
"""

import faulthandler
import os
import pathlib
import sys
import time
import unittest

from tests.functional import machine
from tests.unit.api import base

TOP = pathlib.Path(__file__).resolve().parents[2]
#: After how many seconds a test shows where its threads are.
LONG = 300


class Result(unittest.TestResult):
    """Prints each test as it ends, and remembers it over a power cut."""

    def startTest(self, test):
        super().startTest(test)
        self.begun = time.monotonic()
        faulthandler.dump_traceback_later(LONG, repeat=True, file=sys.stdout)
        print(_name(test), end=' ... ', flush=True)

    def _ended(self, test, outcome, err=None):
        if err:
            print('\n' + self._exc_info_to_string(err, test))
        print('%s (%.1f s)' % (outcome, time.monotonic() - self.begun))
        machine.append('done', '%s %s' % (outcome, _name(test)))

    def stopTest(self, test):
        super().stopTest(test)
        faulthandler.cancel_dump_traceback_later()

    def addSuccess(self, test):
        self._ended(test, 'ok')

    def addError(self, test, err):
        self._ended(test, 'ERROR', err)

    def addFailure(self, test, err):
        self._ended(test, 'FAIL', err)

    def addSkip(self, test, reason):
        # what can't run here is not proved
        self._ended(test, 'SKIPPED: ' + reason)

    def addExpectedFailure(self, test, err):
        self._ended(test, 'FAIL', err)

    def addUnexpectedSuccess(self, test):
        self._ended(test, 'FAIL')


def _name(test):
    return test.id().removeprefix('tests.functional.')


def _selected(patterns):
    """The tests whose names contain one of some patterns, or all."""
    loader = unittest.TestLoader()
    loader.testNamePatterns = ['*%s*' % pattern
                               for pattern in patterns] or None
    suite = loader.discover('tests/functional', top_level_dir=str(TOP))
    if loader.errors:
        sys.exit('\n'.join(loader.errors))
    return list(_flat(suite))


def _flat(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _flat(test)
        else:
            yield test


def prepare(folder, *patterns):
    tests = _selected(patterns)
    if not tests:
        sys.exit('functional: no test has %s in its name'
                 % ' or '.join(patterns))
    with base.Configuration():
        base.migrate(os.path.join(folder, machine.DATABASE))


def run(*patterns):
    done = {line.rpartition(' ')[2] for line in machine.lines('done')}
    result = Result()
    for test in _selected(patterns):
        if _name(test) not in done:
            test.run(result)
    outcomes = [line.split()[0] for line in machine.lines('done')]
    passed = outcomes.count('ok')
    failed = len(outcomes) - passed
    machine.end('%d passed, %d failed' % (passed, failed),
                passed and not failed)


if __name__ == '__main__':
    {'prepare': prepare, 'run': run}[sys.argv[1]](*sys.argv[2:])
