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

"""What became of the faults of a campaign, as a table."""

import collections

HEAD = ('fault', '1 target', '2 targets', 'passed', 'failed',
        'longest pause', 'until protected')
COLUMNS = '%-26s %8s %9s %6s %6s %13s %15s'


def table(outcomes):
    """A line for each kind of fault, and one for all.

    :param outcomes: a dictionary for each fault, with its ``kind``, how
        many ``targets`` there were, whether it ``passed``, and the longest
        ``pause`` of a writer and the time ``until`` all was protected in
        seconds, if that is so
    """
    kinds = collections.defaultdict(list)
    for outcome in outcomes:
        kinds[outcome['kind']].append(outcome)
    lines = [COLUMNS % HEAD]
    lines += [_line(kind, kinds[kind]) for kind in sorted(kinds)]
    return '\n'.join([*lines, _line('all', list(outcomes))])


def _line(kind, outcomes):
    passed = sum(outcome['passed'] for outcome in outcomes)
    targets = collections.Counter(outcome['targets'] for outcome in outcomes)
    return COLUMNS % (kind, targets[1], targets[2], passed,
                      len(outcomes) - passed,
                      _longest(outcomes, 'pause'),
                      _longest(outcomes, 'until'))


def _longest(outcomes, key):
    return '%.1f s' % max((outcome.get(key, 0.0) for outcome in outcomes),
                          default=0.0)
