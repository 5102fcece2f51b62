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

import io
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

from cinder_promote_tempest.common.probes import qcow2

CLUSTER_BITS = 9
CLUSTER = 1 << CLUSTER_BITS
PER_TABLE = CLUSTER // 8


def image_of(disk, *, flags=0, backing_file=0, encrypted=0):
    """Return a qcow2 image of a disk, with no clusters for what is zero."""
    count = -(-len(disk) // CLUSTER)
    l1_size = -(-count // PER_TABLE)
    l1_offset = CLUSTER
    free = l1_offset + -(-l1_size * 8 // CLUSTER) * CLUSTER
    image = bytearray(free)
    image[:48] = struct.pack(
        ">4sIQIIQIIQ",
        b"QFI\xfb",
        3,
        backing_file,
        0,
        CLUSTER_BITS,
        len(disk),
        encrypted,
        l1_size,
        l1_offset,
    )
    for first in range(0, count, PER_TABLE):
        table = len(image)
        position = l1_offset + first // PER_TABLE * 8
        image[position : position + 8] = struct.pack(">Q", table | 1 << 63)
        image.extend(bytes(CLUSTER))
        for number in range(first, min(first + PER_TABLE, count)):
            data = disk[number * CLUSTER : (number + 1) * CLUSTER]
            if not any(data):
                continue
            position = table + number % PER_TABLE * 8
            entry = len(image) | 1 << 63 | flags
            image[position : position + 8] = struct.pack(">Q", entry)
            image.extend(data.ljust(CLUSTER, b"\0"))
    return bytes(image)


def read(image, length):
    return qcow2.Reader(io.BytesIO(image)).read(length)


class ReaderTest(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.disk = b"".join(
            (
                os.urandom(3 * CLUSTER + 7),
                bytes(2 * PER_TABLE * CLUSTER),
                os.urandom(5 * CLUSTER),
            )
        )
        self.image = image_of(self.disk)

    def test_reads_what_was_written(self):
        self.assertEqual(self.disk, read(self.image, len(self.disk)))
        self.assertLess(len(self.image), len(self.disk))

    def test_reads_no_more_than_asked_nor_than_there_is(self):
        self.assertEqual(self.disk[:1000], read(self.image, 1000))
        self.assertEqual(self.disk, read(self.image, 2 * len(self.disk)))

    def test_clusters_of_zeros(self):
        image = image_of(self.disk, flags=1)
        self.assertEqual(bytes(CLUSTER), read(image, CLUSTER))

    def test_tables_that_are_not_there(self):
        image = bytearray(self.image)
        image[CLUSTER : CLUSTER + 8] = bytes(8)
        self.assertEqual(bytes(CLUSTER), read(image, CLUSTER))

    def test_end_of_the_file_within_a_cluster(self):
        disk = b"x" * 100
        image = image_of(disk)[: 100 - CLUSTER]
        self.assertEqual(disk, read(image, 100))

    def test_what_it_does_not_know(self):
        for image in (
            b"",
            b"raw data" * 100,
            self.image[: CLUSTER - 1],
            image_of(self.disk, flags=1 << 62),
            image_of(self.disk, backing_file=100),
            image_of(self.disk, encrypted=1),
        ):
            with self.assertRaises(qcow2.UnreadableImage):
                read(image, 1)

    @unittest.skipUnless(shutil.which("qemu-img"), "qemu-img is not installed")
    def test_what_qemu_img_writes(self):
        """Cinder converts what it uploads with this program."""
        with tempfile.TemporaryDirectory() as made:
            raw = pathlib.Path(made) / "raw"
            disk = os.urandom(200000) + bytes(300000) + os.urandom(12288)
            disk = disk[: len(disk) // 512 * 512]
            raw.write_bytes(disk)
            converted = pathlib.Path(made) / "qcow2"
            subprocess.run(
                ["qemu-img", "convert", "-O", "qcow2", raw, converted],
                check=True,
            )
            with converted.open("rb") as image:
                reader = qcow2.Reader(image)
                self.assertEqual(len(disk), reader.size)
                self.assertEqual(disk, reader.read(len(disk)))
