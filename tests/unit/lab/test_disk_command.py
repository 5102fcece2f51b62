# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

import os
import subprocess

from tests.unit import lab as lab_tests
from tests.unit.lab import base

SBIN = lab_tests.LAB / "guest/usr/local/sbin"


class ForcedCommandTestCase(base.LabTestCase):
    """The forced command, with a lab-disk that only tells its arguments."""

    def setUp(self):
        super().setUp()
        disk = self.write("lab-disk", '#!/bin/sh\necho "$#:$*"\n', 0o755)
        text = (SBIN / "lab-disk-ssh").read_text()
        self.script = self.write(
            "lab-disk-ssh",
            text.replace("/usr/local/sbin/lab-disk", str(disk)),
            0o755,
        )

    def ask(self, request):
        environment = {"PATH": os.environ["PATH"]}
        if request is not None:
            environment["SSH_ORIGINAL_COMMAND"] = request
        return subprocess.run(
            [self.script],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
        )

    def test_disk_by_its_letter_or_its_backend(self):
        for request in ("fail a", "fail lvm-a"):
            with self.subTest(request=request):
                done = self.ask(request)
                self.assertEqual(0, done.returncode)
                self.assertEqual("2:fail a\n", done.stdout)

    def test_anything_else_is_refused(self):
        for request in (
            None,
            "",
            "fail",
            "fail d",
            "fail a b",
            "init",
            "fail a; id",
            "fail $(id)",
            "sh -c",
            "fail *",
            "--help a",
        ):
            with self.subTest(request=request):
                done = self.ask(request)
                self.assertEqual(2, done.returncode)
                self.assertEqual("", done.stdout)
                self.assertIn("refused", done.stderr)


class UsageTestCase(base.LabTestCase):
    def test_wrong_words_touch_nothing(self):
        for words in ([], ["fail"], ["fail", "d"], ["fail", "a", "b"]):
            with self.subTest(words=words):
                done = subprocess.run(
                    [SBIN / "lab-disk", *words],
                    capture_output=True,
                    text=True,
                )
                self.assertEqual(2, done.returncode)
                self.assertIn("usage", done.stderr)
