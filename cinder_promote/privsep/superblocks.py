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

"""Read and write the superblocks of dm-raid's legs.

A process of its own, which needs nothing but Python, for a disk that hangs
takes whoever waits for it along. The layouts are those of ``struct
dm_raid_superblock`` in the kernel's drivers/md/dm-raid.c and of
``bitmap_super_t`` in drivers/md/md-bitmap.h.

    superblocks.py read DEVICE...
        print a line for each: its superblock in hex, or a dash
    superblocks.py derive SOURCE LENGTH LEGS MISSING TARGET POSITION...
        copy the first bytes of a leg's metadata to others, as those of a
        newer mirror
    superblocks.py join SOURCE LENGTH LEGS TARGET POSITION...
        copy them as those of legs that are to be filled by the mirror's
        bitmap

MISSING has a bit for each position that nothing is at.
"""

import mmap
import os
import struct
import sys

#: Where the bitmap begins; before it lies the superblock.
BITMAP = 4096
_BLOCK = 4096
_HEAD = struct.Struct('<4sIIIQQQ')
_MAGIC = b'DmRd'
_BITMAP_HEAD = struct.Struct('<4sI16sQ')
_BITMAP_MAGIC = b'bitm'
#: What a mirror's count of events is raised by when it is derived from
#: another: more than any mirror counts, so that the last one has the highest.
EPOCH = 1 << 32


def parse(raw):
    """What a superblock says.

    :returns: the number of legs, its leg's position, its count of events, who
        is missing, and how far the leg was filled; None if there is none
    """
    magic, __, *fields = _HEAD.unpack_from(raw)
    return tuple(fields) if magic == _MAGIC else None


def _read(path, length):
    device = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, length) as buffer:
            if os.preadv(device, [buffer], 0) != length:
                raise OSError('%s is shorter than %d bytes' % (path, length))
            return bytearray(buffer[:])
    finally:
        os.close(device)


def _write(path, data):
    device = os.open(path, os.O_WRONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, len(data)) as buffer:
            buffer[:] = data
            if os.pwritev(device, [buffer], 0) != len(data):
                raise OSError('%s is shorter than %d bytes'
                              % (path, len(data)))
        os.fsync(device)
    finally:
        os.close(device)


def read(paths):
    """Print the superblock of each device."""
    for path in paths:
        try:
            print(bytes(_read(path, _BLOCK)).hex())
        except OSError:
            print('-')


def copy(source, length, legs, missing, targets, events):
    """Copy the metadata of a leg.

    :param targets: paths and positions, one after the other; the last is
        written last
    :param events: makes the new count of events from that of the source
    """
    data = _read(source, -(-length // _BLOCK) * _BLOCK)
    magic, features, __, ___, before, ____, filled = _HEAD.unpack_from(data)
    bitmap_magic, version, uuid, _____ = _BITMAP_HEAD.unpack_from(
        data, BITMAP)
    if magic != _MAGIC or bitmap_magic != _BITMAP_MAGIC:
        raise OSError('%s has no superblock with a bitmap' % source)
    # An older bitmap than its superblock is taken for one that knows nothing.
    _BITMAP_HEAD.pack_into(data, BITMAP, bitmap_magic, version, uuid,
                           events(before))
    for path, position in zip(targets[::2], targets[1::2], strict=True):
        _HEAD.pack_into(data, 0, magic, features, legs, int(position),
                        events(before), missing, filled)
        _write(path, data)


def main(argv):
    """Do what the command line says."""
    verb, *words = argv
    if verb == 'read':
        read(words)
    elif verb == 'derive':
        copy(words[0], *map(int, words[1:4]), words[4:],
             lambda before: (before // EPOCH + 1) * EPOCH)
    elif verb == 'join':
        copy(words[0], *map(int, words[1:3]), 0, words[3:],
             lambda before: 0)


if __name__ == '__main__':
    main(sys.argv[1:])
