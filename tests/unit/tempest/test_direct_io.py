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

import contextlib
import os
import pathlib
import tempfile
import unittest

from cinder_promote_tempest.common import exceptions
from cinder_promote_tempest.common.probes import direct_io, pattern
from tests.unit.tempest import base

MIB = 1024 * 1024


def takes_direct_io(path):
    flags = os.O_RDWR | getattr(os, "O_DIRECT", 0)
    with contextlib.suppress(OSError):
        os.close(os.open(path, flags))
        return True
    return False


class DirectDeviceTest(base.TempestTestCase):
    """A file stands in for a device, where its file system lets it."""

    def setUp(self):
        super().setUp()
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.path = pathlib.Path(made.name) / "device"
        self.path.write_bytes(bytes(8 * MIB))
        self.device = direct_io.DirectDevice(
            str(self.path), root_command=[], timeout=60
        )

    def need_direct_io(self):
        if not takes_direct_io(self.path):
            raise unittest.SkipTest("this file system has no O_DIRECT")

    def test_write_changes_what_it_should_and_nothing_else(self):
        self.need_direct_io()
        data = os.urandom(3 * MIB)
        self.device.write(2 * MIB, data)
        expected = bytes(2 * MIB) + data + bytes(3 * MIB)
        self.assertEqual(expected, self.path.read_bytes())

    def test_read(self):
        self.need_direct_io()
        content = os.urandom(8 * MIB)
        self.path.write_bytes(content)
        for offset, length in ((0, MIB), (512, 3 * MIB), (6 * MIB, 2 * MIB)):
            self.assertEqual(
                content[offset : offset + length],
                self.device.read(offset, length),
            )

    def test_pattern_on_it(self):
        self.need_direct_io()
        data = pattern.Pattern(self.device, "seed")
        data.write("a")
        data.write("b")
        data.verify()
        content = bytearray(self.path.read_bytes())
        content[3 * MIB] ^= 1
        self.path.write_bytes(content)
        with self.assertRaises(exceptions.WrongData):
            data.verify()

    def test_a_device_that_is_gone_is_not_created(self):
        self.path.unlink()
        with self.assertRaises(exceptions.CommandFailed):
            self.device.write(0, bytes(MIB))
        self.assertFalse(self.path.exists())
        with self.assertRaises(exceptions.CommandFailed):
            self.device.read(0, MIB)

    def test_commands_are_direct_and_synchronous_and_by_root(self):
        run = self.patch(
            "cinder_promote_tempest.common.local_command.run",
            return_value=b"",
        )
        device = direct_io.DirectDevice(
            "/dev/sdx", root_command=["sudo", "-n"], timeout=5
        )
        device.write(MIB, b"data")
        (command,), keywords = run.call_args
        self.assertEqual(["sudo", "-n", "dd"], command[:3])
        self.assertIn("oflag=direct,seek_bytes", command)
        self.assertIn("conv=notrunc,fsync,nocreat", command)
        self.assertEqual({"data": b"data", "timeout": 5}, keywords)
        device.read(MIB, 4)
        (command,), _ = run.call_args
        self.assertIn("iflag=direct,skip_bytes,count_bytes,fullblock", command)
