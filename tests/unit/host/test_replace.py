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

import os
from unittest import mock

from cinder_promote.host import errors, replace
from tests.unit.host import base


class WriteTest(base.HostTestCase):
    def setUp(self):
        super().setUp()
        self.conf.write_bytes(b"old")

    def write(self):
        replace.write(str(self.conf), b"new", like=str(self.conf))

    def test_the_data_is_on_disk_before_the_name_and_the_name_at_the_end(self):
        calls = []

        def watch(name):
            real = getattr(os, name)

            def watched(*arguments, **named):
                target = arguments[0]
                if isinstance(target, int):
                    target = os.readlink(f"/proc/self/fd/{target}")
                calls.append((name, os.path.basename(target)))
                return real(*arguments, **named)

            return mock.patch.object(os, name, watched)

        with watch("fsync"), watch("rename"):
            self.write()
        self.assertEqual(
            [
                ("fsync", replace.TEMPORARY),
                ("rename", replace.TEMPORARY),
                ("fsync", self.dir.name),
            ],
            calls,
        )
        self.assertEqual(b"new", self.conf.read_bytes())

    def test_nobody_else_can_read_the_new_file_before_it_has_its_owner(self):
        modes = []
        real = os.fchown

        def fchown(descriptor, *owner):
            modes.append(os.fstat(descriptor).st_mode & 0o777)
            real(descriptor, *owner)

        self.conf.chmod(0o644)
        with mock.patch.object(os, "fchown", fchown):
            self.write()
        self.assertEqual([0o600], modes)
        self.assertEqual(0o644, self.conf.stat().st_mode & 0o777)

    def test_extended_attributes_are_kept(self):
        try:
            os.setxattr(self.conf, "user.cinder-promote", b"kept")
        except OSError as error:
            self.skipTest(f"no extended attributes here: {error.strerror}")
        self.write()
        self.assertEqual(
            b"kept", os.getxattr(self.conf, "user.cinder-promote")
        )

    def test_modification_time_tells_of_the_change(self):
        os.utime(self.conf, (1, 1))
        self.write()
        self.assertGreater(self.conf.stat().st_mtime, 1_000_000_000)

    def test_nothing_is_left_when_it_fails(self):
        for name in ("fsync", "rename", "fchown"):
            failing = mock.patch.object(os, name, side_effect=OSError(28, "x"))
            with (
                self.subTest(name),
                failing,
                self.assertRaisesRegex(errors.HostError, "can't be written"),
            ):
                self.write()
            self.assertEqual(b"old", self.conf.read_bytes())
            self.assertEqual([], list(self.dir.glob(".*")))
