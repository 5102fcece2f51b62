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

"""How much of what is to be copied has been, and how long the rest takes."""

import dataclasses
import math
import time


class Copying:
    """What is copied of one volume, to all of its new copies.

    :param total: bytes to copy in all
    """

    def __init__(self, total):
        self.total = total
        self.copied = 0
        self._first = None
        self._last = None

    def note(self, copied):
        """Take note of how many bytes have been copied by now.

        The first note tells when the copying began, for what was copied
        before that took a time that nobody knows.
        """
        self._last = time.monotonic(), copied
        self._first = self._first or self._last
        self.copied = copied

    @property
    def left(self):
        """Bytes that are still to be copied."""
        return max(0, self.total - self.copied)

    @property
    def speed(self):
        """Bytes a second since it began, 0 before anything was measured."""
        if self._first is None or self._last[0] == self._first[0]:
            return 0
        return ((self._last[1] - self._first[1]) /
                (self._last[0] - self._first[0]))


@dataclasses.dataclass(frozen=True)
class Progress:
    """How much of what is to be copied has been.

    ``pending`` is the number of volumes that are to be in sync and are not,
    ``copied`` and ``total`` are bytes, ``seconds`` those that are left, None
    if that is not known.
    """

    pending: int
    copied: int
    total: int
    seconds: int | None


def seconds_left(copyings, rate=0):
    """How long all of it takes if it goes on as fast as it did.

    :param copyings: list of ``Copying``
    :param rate: bytes a second that each of them may copy, 0 for any number
    :returns: None before there is a speed
    """
    left = [each.left for each in copyings]
    speed = sum(each.speed for each in copyings if each.left)
    if not speed:
        return None
    longest = max(left) / rate if rate else 0
    return math.ceil(max(sum(left) / speed, longest))
