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

"""Just enough of the qcow2 format to read what Cinder uploads."""

import struct

# Where the header says how to find the clusters: cluster_bits at byte 20,
# size at 24, then crypt_method, l1_size and l1_table_offset.
_HEADER = struct.Struct(">4sI8x4xIQIIQ")
_MAGIC = b"QFI\xfb"
_ENTRY = struct.Struct(">Q")
_OFFSET = 0x00FFFFFFFFFFFE00
_ALL_ZEROS = 1
_COMPRESSED = 1 << 62


class UnreadableImage(Exception):
    """The image is not qcow2, or has more of it than this module knows."""


class Reader:
    """Reads the disk in an image without backing file."""

    def __init__(self, image):
        """Initialise.

        :param image: a binary file that can seek
        :raises UnreadableImage: it is not a plain qcow2 image
        """
        self._image = image
        image.seek(0)
        header = image.read(_HEADER.size)
        if len(header) < _HEADER.size or not header.startswith(_MAGIC):
            raise UnreadableImage("The image is not qcow2")
        (
            _,
            _,
            self._cluster_bits,
            self.size,
            encrypted,
            self._l1_size,
            self._l1_offset,
        ) = _HEADER.unpack(header)
        (backing_file,) = _ENTRY.unpack(header[8:16])
        if encrypted or backing_file:
            raise UnreadableImage(
                "The image is encrypted or has a backing file"
            )

    def read(self, length):
        """Return the first length bytes of the disk, fewer at its end."""
        length = min(length, self.size)
        cluster_size = 1 << self._cluster_bits
        clusters = []
        for number in range(-(-length // cluster_size)):
            clusters.append(self._cluster(number, cluster_size))
        return b"".join(clusters)[:length]

    def _cluster(self, number, size):
        in_l2, in_l1 = number % (size // 8), number // (size // 8)
        if in_l1 >= self._l1_size:
            raise UnreadableImage("The image is truncated")
        table = self._entry(self._l1_offset, in_l1) & _OFFSET
        entry = self._entry(table, in_l2) if table else 0
        if entry & _COMPRESSED:
            raise UnreadableImage("The image is compressed")
        if entry & _ALL_ZEROS or not entry & _OFFSET:
            return bytes(size)
        self._image.seek(entry & _OFFSET)
        # The file may end within its last cluster.
        return self._image.read(size).ljust(size, b"\0")

    def _entry(self, table, index):
        self._image.seek(table + index * _ENTRY.size)
        data = self._image.read(_ENTRY.size)
        if len(data) < _ENTRY.size:
            raise UnreadableImage("The image is truncated")
        return _ENTRY.unpack(data)[0]
