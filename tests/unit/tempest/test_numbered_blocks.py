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

from cinder_promote_tempest.common.probes import numbered_blocks

SEED = "0123abcd"
SIZE = numbered_blocks.BLOCK_SIZE
COUNT = 5


class NumberedBlocksTest(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.data = bytearray(
            b"".join(
                numbered_blocks.content(SEED, number)
                for number in range(1, COUNT + 1)
            )
        )

    def wrong(self, count=COUNT):
        return numbered_blocks.find_wrong(bytes(self.data), SEED, count)

    def put(self, number, data):
        self.data[(number - 1) * SIZE : number * SIZE] = data

    def test_what_was_written_is_right(self):
        self.assertEqual(COUNT * SIZE, len(self.data))
        self.assertEqual([], self.wrong())

    def test_more_than_was_acknowledged_does_no_harm(self):
        self.data += b"anything"
        self.assertEqual([], self.wrong())
        self.put(COUNT, bytes(SIZE))
        self.assertEqual([], self.wrong(COUNT - 1))

    def test_lost(self):
        self.put(2, bytes(SIZE))
        self.put(5, bytes(SIZE))
        self.assertEqual([(2, "zeros"), (5, "zeros")], self.wrong())

    def test_torn(self):
        for sectors in range(1, 8):
            self.setUp()
            self.put(
                3,
                numbered_blocks.content(SEED, 3)[: 512 * sectors]
                + bytes(SIZE - 512 * sectors),
            )
            self.assertEqual(
                [(3, f"torn, {sectors} of 8 sectors are right")], self.wrong()
            )

    def test_one_flipped_bit_anywhere(self):
        for offset in (0, 511, 512, 3000, SIZE - 1):
            self.setUp()
            self.data[SIZE + offset] ^= 1
            self.assertEqual(
                [(2, "torn, 7 of 8 sectors are right")], self.wrong()
            )

    def test_repeated(self):
        self.put(4, numbered_blocks.content(SEED, 3))
        self.assertEqual([(4, "block 3 once more")], self.wrong())

    def test_of_another_writer(self):
        self.put(4, numbered_blocks.content("another", 4))
        self.assertEqual([(4, "other data")], self.wrong())

    def test_short(self):
        del self.data[4 * SIZE - 100 :]
        self.assertEqual(
            [
                (4, f"{SIZE - 100} of {SIZE} bytes were read"),
                (5, f"0 of {SIZE} bytes were read"),
            ],
            self.wrong(),
        )
