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

import unittest

from cinder_promote_tempest.common import exceptions
from cinder_promote_tempest.common.probes import pattern

SIZE = 16 * pattern.BLOCK_SIZE


class Memory:
    """A device in memory."""

    def __init__(self):
        self.content = bytearray(16 * SIZE)
        self.lose_writes = False

    def read(self, offset, length):
        return bytes(self.content[offset : offset + length])

    def write(self, offset, data):
        if not self.lose_writes:
            self.content[offset : offset + len(data)] = data


class PatternTest(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.memory = Memory()
        self.pattern = pattern.Pattern(self.memory, "seed", SIZE)

    def assert_wrong(self, *parts):
        with self.assertRaises(exceptions.WrongData) as caught:
            self.pattern.verify()
        for part in parts:
            self.assertIn(part, str(caught.exception))

    def test_what_was_written_is_right(self):
        self.pattern.verify()
        for label in ("a", "b", "c"):
            self.pattern.write(label)
            self.pattern.verify()

    def test_every_region_is_unlike_the_others(self):
        for label in ("a", "a", "b"):
            self.pattern.write(label)
        regions = {
            bytes(self.memory.content[start : start + SIZE])
            for start in range(0, 4 * SIZE, SIZE)
        }
        self.assertEqual(4, len(regions))
        other = Memory()
        pattern.Pattern(other, "other", SIZE).write("a")
        self.assertNotIn(bytes(other.content[SIZE : 2 * SIZE]), regions)

    def test_one_flipped_bit_anywhere(self):
        for label in ("a", "b"):
            self.pattern.write(label)
        for offset in (0, SIZE, 2 * SIZE + 12345, 3 * SIZE - 1):
            with self.subTest(offset=offset):
                self.memory.content[offset] ^= 1
                start = offset - offset % pattern.BLOCK_SIZE
                self.assert_wrong("1 of 16 blocks", f"at byte {start}")
                self.memory.content[offset] ^= 1
        self.pattern.verify()

    def test_lost_write(self):
        self.pattern.write("a")
        self.memory.lose_writes = True
        self.pattern.write("lost")
        self.assert_wrong(
            "Region 2, written 'lost': 16 of 16 blocks are wrong (16 of "
            "them zeros)",
            "Region 0, written 'lost'",
        )

    def test_lost_block(self):
        self.pattern.write("a")
        start = SIZE + 3 * pattern.BLOCK_SIZE
        self.memory.content[start : start + pattern.BLOCK_SIZE] = bytes(
            pattern.BLOCK_SIZE
        )
        self.assert_wrong(
            "Region 1", "1 of 16 blocks are wrong (1 of them zeros)"
        )

    def test_stale_copy(self):
        self.pattern.write("a")
        stale = bytes(self.memory.content)
        self.pattern.write("b")
        # The new region reached the copy, what was overwritten did not.
        self.memory.content[: 2 * SIZE] = stale[: 2 * SIZE]
        self.assert_wrong("Region 0, written 'b'", "(0 of them zeros)")

    def test_swapped_regions(self):
        for label in ("a", "b"):
            self.pattern.write(label)
        one = bytes(self.memory.content[SIZE : 2 * SIZE])
        two = bytes(self.memory.content[2 * SIZE : 3 * SIZE])
        self.memory.content[SIZE : 3 * SIZE] = two + one
        self.assert_wrong("Region 1", "Region 2")

    def test_short_read(self):
        self.pattern.write("a")
        del self.memory.content[SIZE + 100 :]
        self.assert_wrong(f"100 of {SIZE} bytes")

    def test_write_that_failed_is_not_relied_on(self):
        self.pattern.write("a")
        write = self.memory.write
        for broken in (2 * SIZE, 0):

            def fail_half_way(offset, data, broken=broken):
                write(offset, data[: len(data) // 2])
                if offset == broken:
                    raise OSError("no")
                write(offset, data)

            self.memory.write = fail_half_way
            with self.assertRaises(OSError):
                self.pattern.write("b")
            self.pattern.verify()
        self.memory.content[SIZE] ^= 1
        self.assert_wrong("Region 1, written 'a'")
