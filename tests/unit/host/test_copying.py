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

"""What show tells of copies that are being filled."""

import os
import time
from unittest import mock

from cinder_promote import progress_file
from tests.unit.host import base

FIGURES = {
    "volumes": 3,
    "volumes_in_sync": 1,
    "percent": 40.5,
    "bytes": 3 << 29,
    "bytes_total": 3 << 30,
    "seconds_left": 300,
}


class CopyingTest(base.HostTestCase):
    def setUp(self):
        super().setUp()
        self.use_sample("devstack.conf")
        self.configure(state_path=self.dir)
        self.file = progress_file.path(str(self.dir), "lvm-a")

    def write(self, interval=10, ago=0, **changes):
        now = time.time() - ago
        with mock.patch.object(progress_file.time, "time", lambda: now):
            progress_file.write(
                self.file, interval=interval, **{**FIGURES, **changes}
            )

    def copying(self, backend="lvm-a"):
        return self.run_json("show", backend)["backends"][backend]["copying"]

    def lines(self):
        _, output, _ = self.run_host("show", "lvm-a")
        return [line for line in output.splitlines() if "[lvm-a]" in line]

    def test_nothing_was_left(self):
        self.assertIsNone(self.copying())
        self.assertEqual(1, len(self.lines()))

    def test_figures(self):
        self.write()
        shown = self.copying()
        self.assertLess(shown.pop("age"), 30)
        self.assertEqual({**FIGURES, "stale": False, "problem": None}, shown)
        self.assertIsNone(self.copying("lvm-b"))

    def test_for_people(self):
        self.write()
        self.assertEqual(
            "[lvm-a]  1 of 3 volumes in sync, 40.5 %, 1.5 of 3.0 GiB copied, "
            "about 5 min left",
            self.lines()[1],
        )
        self.write(seconds_left=None, bytes_total=0)
        self.assertEqual(
            "[lvm-a]  1 of 3 volumes in sync, 40.5 %", self.lines()[1]
        )

    def test_stale(self):
        self.write(ago=95)
        self.assertTrue(self.copying()["stale"])
        self.assertRegex(
            self.lines()[1], "left; that was [0-9]+ s ago, and nothing was"
        )
        self.write(ago=95, interval=60)
        self.assertFalse(self.copying()["stale"])
        # the clock was set back
        self.write(ago=-95)
        self.assertTrue(self.copying()["stale"])

    def test_old_figures_are_replaced_and_removed(self):
        self.write()
        self.write(bytes=7)
        self.assertEqual(7, self.copying()["bytes"])
        self.assertEqual(
            [os.path.basename(self.file)],
            os.listdir(os.path.dirname(self.file)),
        )
        for _ in range(2):
            progress_file.remove(self.file)
            self.assertIsNone(self.copying())

    def test_killed_while_it_was_written(self):
        self.write()
        with (
            mock.patch.object(os, "replace", side_effect=KeyboardInterrupt),
            self.assertRaises(KeyboardInterrupt),
        ):
            self.write(bytes=7)
        self.assertEqual(FIGURES["bytes"], self.copying()["bytes"])
        self.write(bytes=8)
        self.assertEqual(8, self.copying()["bytes"])

    def test_state_path_of_cinder_conf(self):
        self.configure()
        self.use("[DEFAULT]\nenabled_backends = lvm-a\n[lvm-a]\n")
        with mock.patch(
            "cinder_promote.host.copying._DEFAULT", str(self.dir)
        ):
            self.write()
            self.assertEqual(3, self.copying()["volumes"])
            self.use(
                "[DEFAULT]\nenabled_backends = lvm-a\n"
                f"state_path = {self.dir}/elsewhere\n[lvm-a]\n"
            )
            self.assertIsNone(self.copying())

    def test_name_of_a_section_that_is_no_name_of_a_file(self):
        self.assertEqual(
            "/s/cinder-promote/..%2Fa%20b.progress.json",
            progress_file.path("/s", "../a b"),
        )

    def assert_problem(self, pattern):
        shown = self.copying()
        self.assertRegex(shown["problem"], pattern)
        self.assertIsNone(shown["bytes"])
        self.assertRegex(self.lines()[1], pattern)

    def test_what_is_no_file_of_a_service(self):
        """It may be written by somebody who has fewer rights."""
        self.write()
        for text in (
            "",
            "[]",
            "{}",
            "[" * 20000,
            '{"volumes": "3"}',
            open(self.file).read().replace("40.5", "NaN"),
            open(self.file).read().replace("40.5", "9" * 4000),
            open(self.file).read().replace("40.5", "true"),
            open(self.file).read().replace("40.5", "-1"),
        ):
            with open(self.file, "w") as stream:
                stream.write(text)
            self.assert_problem("is not what a volume service writes")
        os.unlink(self.file)
        os.mkfifo(self.file)
        self.assert_problem("not a regular file")
        os.unlink(self.file)
        os.mkdir(self.file)
        self.assert_problem("not a regular file|can't be read")
