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

"""Copy parts of block devices, past the page cache.

A process of its own, which needs nothing but Python, for a disk that hangs
takes whoever waits for it along. Parts are lines of the standard input, two
numbers of bytes each: where it begins, how long it is.

    blocks.py copy SOURCE TARGET           copy parts; zeros are written too
    blocks.py copy-nonzero SOURCE TARGET   copy parts to a target that reads
                                           as zeros where nothing was written
"""

import mmap
import os
import sys

#: Bytes that are read and written at once.
REQUEST = 1 << 20
#: Bytes of zeros that are worth leaving out.
GRAIN = 64 << 10


def _grains(view):
    """Where each part that is not zeros begins and ends."""
    begin = None
    for at in range(0, len(view), GRAIN):
        grain = view[at:at + GRAIN]
        if grain == bytes(len(grain)):
            if begin is not None:
                yield begin, at
            begin = None
        elif begin is None:
            begin = at
    if begin is not None:
        yield begin, len(view)


def copy(source, target, parts, nonzero):
    """Copy parts of a device to another, which nobody else may have open.

    The kernel refuses to open a leg of a mirror exclusively, and refuses to
    make a device that is open exclusively the leg of a mirror. So what is
    being copied here can't be written over what a mirror wrote.
    """
    source = os.open(source, os.O_RDONLY | os.O_DIRECT)
    target = os.open(target, os.O_WRONLY | os.O_DIRECT | os.O_EXCL)
    with mmap.mmap(-1, REQUEST) as buffer, memoryview(buffer) as view:
        for start, length in parts:
            for at in range(start, start + length, REQUEST):
                piece = view[:min(REQUEST, start + length - at)]
                if os.preadv(source, [piece], at) != len(piece):
                    raise OSError('nothing to read at byte %d' % at)
                written = _grains(piece) if nonzero else [(0, len(piece))]
                for begin, end in written:
                    if os.pwritev(target, [piece[begin:end]],
                                  at + begin) != end - begin:
                        raise OSError('no room at byte %d' % at)
                piece.release()
    os.fsync(target)


def main(argv):
    """Do what the command line says."""
    parts = [tuple(map(int, line.split())) for line in sys.stdin]
    copy(argv[1], argv[2], parts, argv[0] == 'copy-nonzero')


if __name__ == '__main__':
    main(sys.argv[1:])
