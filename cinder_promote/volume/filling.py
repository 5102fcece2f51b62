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

"""Filling new copies with what is used of the one that is served."""

import threading
import time

from cinder import exception
from oslo_log import log as logging

LOG = logging.getLogger(__name__)

#: Bytes that are copied by one command.
STEP = 256 << 20
#: Seconds after which a pause heeds that the rate was changed.
PAUSE = 5


def steps(parts, size):
    """Group parts so that each group has no more bytes than asked.

    :param parts: pairs of numbers of bytes, where each begins and its length
    :returns: lists of such pairs
    """
    step, room = [], size
    for start, length in parts:
        while length:
            piece = min(length, room)
            step.append((start, piece))
            start, length, room = start + piece, length - piece, room - piece
            if not room:
                yield step
                step, room = [], size
    if step:
        yield step


class Filling:
    """Copies one volume to its targets, in a thread of its own.

    What is written to the volume meanwhile may be copied or not; the mirror's
    bitmap knows it.

    :param groups: ``groups.VolumeGroups``
    :param name: of the volume
    :param size: of the volume, in bytes
    :param source: the volume group that is served
    :param targets: the volume groups of the new copies
    :param rate: function that returns how many bytes a second may be copied,
        0 for any number
    :param copying: ``estimates.Copying``, which is kept up to date
    """

    def __init__(self, groups, name, size, source, targets, rate, copying):
        self._groups = groups
        self._name = name
        self._size = size
        self._source = source
        self.targets = targets
        self._rate = rate
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(),
                                        daemon=True)
        self._copying = copying
        self.done = False
        self.error = None

    def start(self):
        """Begin to copy."""
        self._thread.start()

    def stop(self, timeout):
        """Copy no more; wait for the command that is at it.

        :param timeout: seconds to wait at most; 0 not to
        """
        self._stop.set()
        if timeout:
            self._thread.join(timeout)

    @property
    def running(self):
        """Whether it goes on."""
        return not self.done and self.error is None

    @property
    def percent(self):
        """How much of what is used has been copied."""
        if self.done:
            return 100.0
        total = self._copying.total
        return 100.0 * self._copying.copied / total if total else 0.0

    def _run(self):
        try:
            parts = self._groups.used_parts(self._source, self._name,
                                            self._size)
            self._copying.total = len(self.targets) * sum(
                length for __, length in parts)
            self._copying.note(0)
            for step in steps(parts, STEP):
                for target in self.targets:
                    if self._stop.is_set():
                        return
                    began = time.monotonic()
                    self._groups.copy_parts(self._source, target, self._name,
                                            step)
                    self._account(step, began)
            self.done = True
        except exception.VolumeBackendAPIException as error:
            self.error = error

    def _account(self, step, began):
        size = sum(length for __, length in step)
        self._copying.copied += size
        while rate := self._rate():
            rest = began + size / rate - time.monotonic()
            if rest <= 0 or self._stop.wait(min(rest, PAUSE)):
                break
        # The pause is part of how fast it goes.
        self._copying.note(self._copying.copied)
