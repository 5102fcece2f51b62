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

"""Blocks read and written past the page cache, and somebody who does it.

As a program, ``python -m tests.functional.blocks DEVICE LOG SEED PAUSE``, it
writes one numbered block behind the other and notes in LOG the last number
that was acknowledged, where it goes on when it is started again, and for how
many milliseconds a write took at most, since the last SIGUSR1.
"""

import hashlib
import itertools
import mmap
import os
import signal
import subprocess
import sys
import time
import uuid

from cinder_promote_tempest.common.probes import numbered_blocks

STEP = 1 << 20
#: Seconds between two writes: the driver, and what reads the blocks again, are
#: not to wait for the writer.
PAUSE = 0.005
#: More than its longest number; a block device takes no shorter write.
NOTE_SIZE = 4096


def wait_until(condition, what, timeout=60):
    """Wait for something to become true.

    :param condition: called until what it returns is true
    :param what: says in the error what did not happen
    :param timeout: seconds
    :returns: what ``condition`` returned
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError('not in %d seconds: %s' % (timeout, what))
        time.sleep(0.05)


def _chunks(path, length=None, start=0):
    buffer = mmap.mmap(-1, STEP)
    device = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        end = start + length if length else os.lseek(device, 0, os.SEEK_END)
        for offset in range(start, end, STEP):
            got = os.preadv(device, [buffer], offset)
            yield memoryview(buffer)[:min(got, end - offset)]
    finally:
        os.close(device)


def read(path, length, start=0):
    """Some bytes of a device, from its start or from a whole block."""
    return b''.join(map(bytes, _chunks(path, length, start)))


def digest(path):
    """A checksum of all that a device holds."""
    total = hashlib.sha256()
    for chunk in _chunks(path):
        total.update(chunk)
    return total.hexdigest()


def holds(path, data):
    """Whether a device has some bytes anywhere within a block."""
    return any(data in bytes(chunk) for chunk in _chunks(path))


class Writer:
    """A process that writes numbered blocks to a device all the time.

    :param path: of the device
    :param log: where it notes what was acknowledged
    :param pause: seconds between two writes
    """

    def __init__(self, path, log=None, seed=None, pause=PAUSE):
        self.seed = seed or uuid.uuid4().hex
        self._path = path
        self._pause = pause
        self._log = log or os.path.join(os.environ['TMPDIR'], self.seed)
        self._process = None

    def start(self):
        """Begin to write, at the first block that was not acknowledged."""
        if not os.path.exists(self._log):
            with open(self._log, 'wb') as log:
                log.write(bytes(NOTE_SIZE))
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'tests.functional.blocks', self._path,
             self._log, self.seed, str(self._pause)],
            stderr=subprocess.PIPE, text=True)

    @property
    def running(self):
        """Whether it was started, and not ended."""
        return self._process is not None

    @property
    def acknowledged(self):
        """The number of the last block whose write was acknowledged."""
        return _noted(self._log)[0]

    def longest_pause(self):
        """For how many seconds a write took at most since the last call."""
        longest = _noted(self._log)[1] / 1000
        self._process.send_signal(signal.SIGUSR1)
        return longest

    def goes_on(self, count=20, timeout=60):
        """Wait until so many blocks more are acknowledged."""
        wanted = self.acknowledged + count
        wait_until(lambda: self._fine() and self.acknowledged >= wanted,
                   'the writer goes on', timeout)

    def hangs(self):
        """Wait until nothing has been acknowledged for a second."""
        seen = []

        def unchanged():
            self._fine()
            now = time.monotonic()
            if not seen or seen[1] != self.acknowledged:
                seen[:] = now, self.acknowledged
            return now - seen[0] > 1

        wait_until(unchanged, 'the writer hangs')

    def _fine(self):
        if self._process.poll() is not None:
            raise AssertionError('the writer got an error: '
                                 + self._process.stderr.read())
        return True

    def stop(self):
        """End the process, which must not have met an error."""
        self._fine()
        self.kill()

    def kill(self):
        """End the process in whatever state it is."""
        if self._process:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    def verify(self, path, count=None):
        """Make sure that a device has all that was acknowledged.

        :param count: of blocks, if not all that were until now
        """
        count = self.acknowledged if count is None else count
        if not count:
            raise AssertionError('nothing was written')
        wrong = numbered_blocks.find_wrong(
            read(path, count * numbered_blocks.BLOCK_SIZE), self.seed, count)
        if wrong:
            raise AssertionError('%d of %d blocks of %s are wrong: %s'
                                 % (len(wrong), count, path, wrong[:5]))


def _noted(log):
    with open(log, 'rb') as notes:
        line = notes.read(NOTE_SIZE).partition(b'\n')[0].strip(b'\0')
    return tuple(map(int, line.split())) or (0, 0)


def _write(path, log, seed, pause):
    buffer = mmap.mmap(-1, numbered_blocks.BLOCK_SIZE)
    device = os.open(path, os.O_WRONLY | os.O_DIRECT | os.O_DSYNC)
    notes = os.open(log, os.O_WRONLY | os.O_DSYNC)
    longest = 0

    def forget(*__):
        nonlocal longest
        longest = 0

    signal.signal(signal.SIGUSR1, forget)
    os.nice(19)
    for number in itertools.count(_noted(log)[0] + 1):
        buffer[:] = numbered_blocks.content(seed, number)
        begun = time.monotonic()
        os.pwrite(device, buffer, (number - 1) * len(buffer))
        longest = max(longest, int(1000 * (time.monotonic() - begun)))
        os.pwrite(notes, b'%d %d\n' % (number, longest), 0)
        time.sleep(float(pause))


if __name__ == '__main__':
    _write(*sys.argv[1:])
