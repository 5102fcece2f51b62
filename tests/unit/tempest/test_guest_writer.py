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

"""The writer of the guest probe, run for real where the tests run."""

import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile
import unittest

from cinder_promote_tempest.common import exceptions
from cinder_promote_tempest.common.probes import (
    guest_writer,
    numbered_blocks,
)
from tests.unit.tempest import base, local_guest, test_direct_io

SIZE = numbered_blocks.BLOCK_SIZE
# dropbear, which small images have, refuses longer ones.
LONGEST_COMMAND = 9000


class WriterTestCase(base.TempestTestCase):
    def setUp(self):
        super().setUp()
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.directory = pathlib.Path(made.name)
        self.programs = self.directory / "programs"
        self.programs.mkdir()
        self.install_programs()
        self.guest = local_guest.LocalGuest(
            self, self.directory, self.programs
        )
        local_guest.short_writes(self)
        (self.directory / "disk").mkdir()
        self.target = self.directory / "disk" / "target"
        if not test_direct_io.takes_direct_io(self.directory_file()):
            raise unittest.SkipTest("this file system has no O_DIRECT")
        self.writer = guest_writer.GuestWriter(
            self.guest, interval=0.05, timeout=20
        )

    def install_programs(self):
        """Fill the directory that comes first where commands are sought."""

    def directory_file(self):
        path = self.directory / "probe"
        path.write_bytes(bytes(SIZE))
        return path

    def assert_wrong(self, *parts):
        with self.assertRaises(exceptions.WrongData) as caught:
            self.writer.verify()
        for part in parts:
            self.assertIn(part, str(caught.exception))

    def assert_ended(self, function, *arguments, reason):
        with self.assertRaises(exceptions.UnexpectedState) as caught:
            function(*arguments)
        self.assertIn(reason, str(caught.exception))

    def put(self, number, data):
        with self.target.open("r+b") as target:
            target.seek((number - 1) * SIZE)
            target.write(data)

    def block(self, number):
        with self.target.open("rb") as target:
            target.seek((number - 1) * SIZE)
            return target.read(SIZE)

    def acknowledged(self):
        (path,) = self.guest.ram.glob("writer-*/acknowledged")
        return [int(number) for number in path.read_text().split()]


class WriterTest(WriterTestCase):
    def start(self):
        self.writer.start(str(self.target))
        self.writer.write("on A")

    def test_what_was_written_is_right(self):
        self.start()
        self.writer.verify()
        self.writer.write("on B")
        self.writer.verify()
        noted = self.acknowledged()
        self.assertGreaterEqual(
            noted[-1], 2 * guest_writer.BLOCKS_PER_WRITE
        )
        self.assertEqual(list(range(noted[-1] + 1)), noted)

    def test_blocks_are_those_of_the_checker(self):
        self.start()
        self.assertEqual(
            numbered_blocks.content(self.writer._seed, 2), self.block(2)
        )

    def test_lost_write(self):
        self.start()
        self.put(2, bytes(SIZE))
        self.assert_wrong("1 of ", "block 2, written ", ": zeros")
        self.put(2, numbered_blocks.content(self.writer._seed, 2))
        self.writer.verify()

    def test_messages_say_when_a_block_was_written(self):
        self.start()
        for label in ("on B", "on C"):
            self.writer.write(label)
        for before, label in list(self.writer._labels):
            block = self.block(before + 1)
            self.put(before + 1, bytes(SIZE))
            self.assert_wrong(f"block {before + 1}, written {label!r}: zeros")
            self.put(before + 1, block)
        last_on_a = self.writer._labels[1][0]
        self.put(last_on_a, bytes(SIZE))
        self.assert_wrong(f"block {last_on_a}, written 'on A'")
        self.put(
            last_on_a, numbered_blocks.content(self.writer._seed, last_on_a)
        )
        self.writer._labels.clear()
        self.put(1, bytes(SIZE))
        self.assert_wrong("block 1, written 'at first'")

    def test_torn_write(self):
        self.start()
        self.put(2, bytes(3 * 512))
        self.assert_wrong("block 2", "torn, 5 of 8 sectors are right")

    def test_repeated_block(self):
        self.start()
        self.put(2, self.block(1))
        self.assert_wrong("block 2", "block 1 once more")

    def test_target_that_became_smaller(self):
        self.start()
        self.writer.stop()
        os.truncate(self.target, SIZE)
        self.writer.start(str(self.target))
        self.writer.write("on B")
        self.assert_wrong("block 2", "zeros")

    def test_stop_and_start_go_on_behind(self):
        self.start()
        self.writer.stop()
        self.assertFalse(self.writer._status()[1])
        stopped = self.acknowledged()[-1]
        self.assertEqual(stopped * SIZE, self.target.stat().st_size)
        self.writer.start(str(self.target))
        self.writer.write("on B")
        self.assertEqual(stopped + 1, self.acknowledged()[1])
        self.writer.verify()
        self.put(1, bytes(SIZE))
        self.assert_wrong("block 1")

    def test_numbers_outlive_the_guests_memory(self):
        self.start()
        self.writer.stop()
        stopped = self.acknowledged()[-1]
        self.guest.power_off()
        self.writer.start(str(self.target))
        self.writer.verify()
        self.assertEqual(stopped, self.acknowledged()[0])
        self.put(2, bytes(SIZE))
        self.assert_wrong("block 2")

    def test_target_that_is_gone(self):
        self.start()
        self.target.parent.rename(self.directory / "elsewhere")
        self.assert_ended(self.writer.write, "on B", reason=str(self.target))

    def test_device_that_is_not_there_is_not_made(self):
        path = "/dev/cinder-promote-no-such-device"
        self.addCleanup(pathlib.Path(path).unlink, missing_ok=True)
        self.writer.start(path)
        self.assert_ended(
            self.writer.write, "on A", reason=f"{path} is gone"
        )
        self.assertFalse(os.path.exists(path))

    def test_writer_that_was_killed(self):
        self.start()
        for process_id in self.guest.writers():
            os.killpg(process_id, 9)
        self.assert_ended(self.writer.verify, reason="it was killed")
        self.writer.stop()

    def test_all_blocks_written(self):
        most = guest_writer.BLOCKS_PER_WRITE - 1
        self.patch(f"{guest_writer.__name__}.MAX_BLOCKS", most)
        self.assert_ended(
            self.start, reason=f"all {most} blocks are written"
        )

    def test_script_fits_in_a_command(self):
        script = guest_writer._without_comments(guest_writer._SCRIPT)
        self.assertNotIn("License", script)
        self.assertLess(len(shlex.quote(script)), LONGEST_COMMAND - 1000)


@unittest.skipUnless(shutil.which("busybox"), "there is no busybox")
class BusyboxWriterTest(WriterTest):
    """The same with nothing but busybox."""

    def install_programs(self):
        busybox = shutil.which("busybox")
        for name in subprocess.run(
            [busybox, "--list"], check=True, capture_output=True, text=True
        ).stdout.split():
            (self.programs / name).symlink_to(busybox)


class DdTest(WriterTestCase):
    """What is asked of dd, and what becomes of its failure."""

    def install_programs(self):
        self.log = self.directory / "log"
        self.script = self.programs / "dd"
        self.real = shutil.which("dd")
        self.replace_dd("")

    def replace_dd(self, more):
        made = self.programs / "new"
        made.write_text(
            f'#!/bin/sh\necho "$*" >>{self.log}\n{more}\n'
            f'exec {self.real} "$@"\n'
        )
        made.chmod(0o755)
        made.rename(self.script)

    def logged(self, part):
        return [
            line for line in self.log.read_text().splitlines() if part in line
        ]

    def test_writes_are_direct_and_synchronous(self):
        self.writer.start(str(self.target))
        self.writer.write("on A")
        writes = self.logged(f"of={self.target}")
        self.assertGreaterEqual(len(writes), 3)
        for write in writes:
            self.assertIn("conv=notrunc,fsync oflag=direct", write)

    def test_reads_are_direct(self):
        self.writer.start(str(self.target))
        self.writer.write("on A")
        self.writer.verify()
        (read,) = self.logged("bs=1048576")
        self.assertIn("iflag=direct", read)

    def test_dd_without_direct_is_still_synchronous(self):
        self.replace_dd('case "$*" in *=direct*) exit 1;; esac')
        self.writer.start(str(self.target))
        self.writer.write("on A")
        for write in self.logged(f"of={self.target}"):
            self.assertIn("conv=notrunc,fsync", write)
            self.assertNotIn("direct", write)

    def test_a_write_that_failed_is_not_acknowledged(self):
        self.writer.start(str(self.target))
        self.writer.write("on A")
        self.replace_dd(
            f'case "$*" in *of={self.target}*)'
            'echo "dd: Input/output error" >&2; exit 1;; esac'
        )
        self.assert_ended(
            self.writer.write, "on B", reason="Input/output error"
        )
        last = self.acknowledged()[-1]
        self.assertEqual(last * SIZE, self.target.stat().st_size)

    def test_a_read_that_failed_is_an_error(self):
        self.writer.start(str(self.target))
        self.writer.write("on A")
        self.replace_dd(
            'case "$*" in *bs=1048576*)'
            'echo "dd: Input/output error" >&2; exit 1;; esac'
        )
        with self.assertRaisesRegex(AssertionError, "Input/output error"):
            self.writer.verify()
