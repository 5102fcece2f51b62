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

"""What writer.sh writes, and what is wrong with what was read back."""

import re

BLOCK_SIZE = 4096
SECTOR_SIZE = 512
_SECTORS = BLOCK_SIZE // SECTOR_SIZE


def content(seed, number):
    """Return one block.

    :param seed: text that makes these blocks unlike any others
    :param number: of the block, from 1 on
    """
    line = f"{seed} {number}".encode()
    return (line.ljust(SECTOR_SIZE - 1) + b"\n") * _SECTORS


def find_wrong(data, seed, count):
    """Compare what was read back with what was written.

    :param data: bytes from the first block on; more of them do no harm
    :param seed: the seed of the blocks
    :param count: how many blocks must be there
    :returns: list of (number of a wrong block, what is there instead)
    """
    wrong = []
    for number in range(1, count + 1):
        start = (number - 1) * BLOCK_SIZE
        block = data[start : start + BLOCK_SIZE]
        expected = content(seed, number)
        if block != expected:
            wrong.append((number, _describe(block, seed, expected)))
    return wrong


def _describe(block, seed, expected):
    if len(block) < BLOCK_SIZE:
        return f"{len(block)} of {BLOCK_SIZE} bytes were read"
    if not any(block):
        return "zeros"
    right = sum(
        block[start : start + SECTOR_SIZE]
        == expected[start : start + SECTOR_SIZE]
        for start in range(0, BLOCK_SIZE, SECTOR_SIZE)
    )
    if right:
        return f"torn, {right} of {_SECTORS} sectors are right"
    named = re.match(rf"{re.escape(seed)} (\d+) ".encode(), block)
    if named and block == content(seed, int(named.group(1))):
        return f"block {int(named.group(1))} once more"
    return "other data"
