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

"""What a mirror's bitmap can be relied on for.

A write is acknowledged once every leg has it, which may be in a cache, or in
blocks that a thin pool has not written down yet. Its bit is cleared some time
after that, whether it is on the disks or not. So a leg that fails may miss
writes whose bits are gone, unless it was flushed when they still were there.
"""

import time

from cinder_promote.volume import devices

#: Seconds after which legs are flushed again, and if one of them was not.
INTERVAL = 60
RETRY = 300


class Flushes:
    """Flushes the legs of mirrors, and knows when that was.

    :param groups: ``groups.VolumeGroups``
    """

    def __init__(self, groups):
        self._groups = groups
        self._flushed = {}
        self._next = {}

    def flush(self, legs):
        """Have legs write to their disks what they have acknowledged.

        :param legs: volume groups by volume name
        :returns: ``CommandFailed`` by name and volume group of those that
            did not
        """
        began = time.monotonic()
        failures = self._groups.flush(
            [(group, name) for name, groups in legs.items()
             for group in groups])
        for name, groups in legs.items():
            done = [(name, group) for group in groups
                    if (name, group) not in failures]
            self._flushed.update(dict.fromkeys(done, began))
            self._next[name] = began + (
                INTERVAL if len(done) == len(groups) else RETRY)
        return failures

    def is_due(self, name):
        """Whether the legs of a volume are to be flushed again."""
        return time.monotonic() >= self._next.get(name, 0)

    def note_filling(self, name, volume_group):
        """Take note that a leg is being filled, so that no bit is cleared."""
        self._flushed[name, volume_group] = time.monotonic()

    def forget(self, name):
        """Take note that all bits may have been cleared by now."""
        self._next.pop(name, None)
        for each in [each for each in self._flushed if each[0] == name]:
            del self._flushed[each]

    def cover(self, name, volume_group):
        """Whether the bitmap has all that a leg may miss if it fails now."""
        began = self._flushed.get((name, volume_group))
        return (began is not None and
                time.monotonic() < began + devices.BITMAP_DELAY)
