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

"""What a device takes, as fio measures it."""

import dataclasses
import json
import statistics

from tests.functional import disks

#: Bytes of a device that are written to, over and over.
REGION = 256 << 20


@dataclasses.dataclass(frozen=True)
class Load:
    """One way of writing: ``pattern`` and ``block`` as fio has them."""

    name: str
    pattern: str
    block: str
    depth: int


LOADS = tuple(
    Load('%s, depth %d' % (name, depth), pattern, block, depth)
    for name, pattern, block in (('4 KiB random', 'randwrite', '4k'),
                                 ('1 MiB sequential', 'write', '1m'))
    for depth in (1, 32))


@dataclasses.dataclass(frozen=True)
class Measured:
    """``throughput`` in bytes a second, ``latency`` of a write and its 99th
    percentile in seconds."""

    throughput: float
    latency: float
    percentile: float


def parse(report):
    """What fio's report says of its one job.

    :param report: JSON, of ``fio --output-format=json``
    """
    [job] = json.loads(report)['jobs']
    writes = job['write']
    return Measured(writes['bw_bytes'], writes['lat_ns']['mean'] / 1e9,
                    writes['clat_ns']['percentile']['99.000000'] / 1e9)


def measure(path, load, seconds):
    """Write to a device for some seconds, past the page cache."""
    return parse(disks.run(
        'fio', '--name=load', '--filename=' + path, '--direct=1',
        '--ioengine=libaio', '--rw=' + load.pattern, '--bs=' + load.block,
        '--iodepth=%d' % load.depth, '--size=%d' % REGION, '--time_based',
        '--runtime=%d' % seconds, '--randseed=1', '--output-format=json'))


def median(measurements):
    """The median of each of some measurements' values."""
    return Measured(*map(statistics.median, zip(
        *map(dataclasses.astuple, measurements), strict=True)))
