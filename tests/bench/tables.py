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

"""The tables that ``make bench`` prints."""

MIB = 1 << 20
PEERS = ('thin LV', 'dm-raid', 'DRBD C')


def ratio(ours, theirs):
    return '%.2f' % (ours / theirs)


def writes(found):
    """Throughput and latency of each load, and how they compare.

    :param found: ``loads.Measured`` by the names of load and device; one
        device is 'replicated', the others are ``PEERS``
    """
    shape = '%-28s %12s' + ' %12s' * len(PEERS) + ' %10s' * len(PEERS)
    lines = [shape % ('writes', 'replicated', *PEERS,
                      *('of ' + peer for peer in PEERS))]
    for load, devices in found.items():
        ours = devices['replicated']
        for what, value, text in (
                ('', lambda measured: measured.throughput,
                 lambda number: '%.1f MiB/s' % (number / MIB)),
                (', mean', lambda measured: measured.latency, _milliseconds),
                (', 99 %', lambda measured: measured.percentile,
                 _milliseconds)):
            lines.append(shape % (
                load + what, text(value(ours)),
                *(text(value(devices[peer])) for peer in PEERS),
                *(ratio(value(ours), value(devices[peer]))
                  for peer in PEERS)))
    return lines


def _milliseconds(seconds):
    return '%.2f ms' % (seconds * 1000)


def failovers(taken):
    """Seconds of a fail-over by number of volumes.

    :param taken: pairs of both
    """
    shape = '%-28s %12s %18s'
    lines = [shape % ('fail-over', 'all', 'a volume')]
    return lines + [
        shape % ('%d volume%s' % (count, 's' * (count > 1)),
                 '%.2f s' % seconds, '%.0f ms' % (1000 * seconds / count))
        for count, seconds in taken]


def protection(used, size, copied, pause, seconds):
    """What it takes to fill a new target.

    :param used: bytes of the volume that are in use
    :param size: bytes that it has
    :param copied: bytes that were written to the new copy
    :param pause: seconds that one write took at most meanwhile
    :param seconds: 'replicated' and what it is compared with, by name
    """
    shape = '%-28s %12s %18s'
    ours = seconds['replicated']
    lines = [shape % ('re-protection', 'seconds', 'replicated, of it')]
    lines += [shape % (name, '%.1f' % each, ratio(ours, each))
              for name, each in seconds.items()]
    return lines + ['', '%d of %d MiB in use; copied %d MiB, %s of what is '
                    'in use; longest pause of a writer %.1f s'
                    % (used // MIB, size // MIB, copied // MIB,
                       ratio(copied, used), pause)]
