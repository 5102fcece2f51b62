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

"""Data that can be told from any other, and that is checked by checksum."""

import dataclasses
import hashlib

from cinder_promote_tempest.common import exceptions

REGION_SIZE = 2 * 1024 * 1024
# What storage writes at once: messages count in such blocks.
BLOCK_SIZE = 4096


@dataclasses.dataclass(frozen=True)
class _Region:
    label: str
    offset: int
    length: int
    sha256: str


class Pattern:
    """Regions of a device, each written at another moment of a test.

    Each call of write adds a region behind the others and rewrites the first
    one: a copy that missed a write lacks a region, and one that is stale has
    an old first region.
    """

    def __init__(self, device, seed, region_size=REGION_SIZE):
        """Initialise.

        :param device: has read(offset, length) and write(offset, data)
        :param seed: text that makes this data unlike any other test's
        :param region_size: bytes in a region
        """
        self.device = device
        self._seed = seed
        self._region_size = region_size
        # None: not known to hold anything.
        self._regions: list[_Region | None] = [None]

    def write(self, label):
        """Write a new region, and the first one anew.

        :param label: says in messages when the region was written
        """
        self._regions.append(None)
        for index in (len(self._regions) - 1, 0):
            data = self._content(index, label)
            offset = index * self._region_size
            self._regions[index] = None
            self.device.write(offset, data)
            self._regions[index] = _Region(
                label, offset, len(data), hashlib.sha256(data).hexdigest()
            )

    def verify(self):
        """Read all that was written and compare checksums.

        :raises WrongData: says which region is wrong, when it was written,
            and what is there instead
        """
        wrong = []
        for index, region in enumerate(self._regions):
            if region is None:
                continue
            data = self.device.read(region.offset, region.length)
            if hashlib.sha256(data).hexdigest() != region.sha256:
                expected = self._content(index, region.label)
                wrong.append(self._describe(index, region, expected, data))
        if wrong:
            raise exceptions.WrongData("; ".join(wrong))

    def _content(self, index, label):
        key = f"{self._seed}/{index}/{label}".encode()
        return hashlib.shake_256(key).digest(self._region_size)

    @staticmethod
    def _describe(index, region, expected, data):
        where = f"Region {index}, written {region.label!r}"
        if len(data) != region.length:
            return f"{where}: {len(data)} of {region.length} bytes were read"
        blocks = range(0, region.length, BLOCK_SIZE)
        wrong = [
            start
            for start in blocks
            if data[start : start + BLOCK_SIZE]
            != expected[start : start + BLOCK_SIZE]
        ]
        zeros = sum(
            not any(data[start : start + BLOCK_SIZE]) for start in wrong
        )
        return (
            f"{where}: {len(wrong)} of {len(blocks)} blocks are wrong "
            f"({zeros} of them zeros), the first at byte "
            f"{region.offset + wrong[0]}"
        )
