#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""How much of a mirror is discarded at once.

raid1 takes a bio apart into pieces of 1 MiB at most, or 64 MiB without a leg
that is read from last, and completes each within the completion of the piece
before. With a long one the kernel runs out of stack and stops: seen with 256
MiB on Linux 6.1.192 of Debian 12. A write is never that long.
"""

import os
import pathlib

#: Bytes.
LONGEST = 16 << 20
QUEUES = '/sys/dev/block/%d:%d/queue'


def queue(name):
    """The folder with a device's limits."""
    number = os.stat('/dev/mapper/' + name).st_rdev
    return pathlib.Path(QUEUES % (os.major(number), os.minor(number)))


def limit(name, queue=queue):
    """Have device-mapper split what is discarded before a mirror gets it.

    What is loaded on top of it later takes over the limit. The mirror forgets
    it when it gets another table.

    :param queue: tells the folder with a device's limits
    :returns: as ``command.run``
    """
    try:
        limits = queue(name)
        granularity = _read(limits / 'discard_granularity')
        longest = limits / 'discard_max_bytes'
        if _read(longest):
            longest.write_text('%d' % LONGEST)
            # The disks' own limit holds, too: if no whole block is within
            # both, nothing would ever be discarded, or the kernel loops.
            if not granularity <= _read(longest) <= LONGEST:
                longest.write_text('0')
    except (OSError, ValueError) as error:
        return 1, '', 'limiting what is discarded at once: %s' % error
    return 0, '', ''


def _read(path):
    return int(path.read_text())
