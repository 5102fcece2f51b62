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

"""The README, the Makefile and .ci/run speak of the same two commands."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[3]


def literal_blocks(text):
    """Return the lines of a reStructuredText's indented blocks."""
    return [line.strip() for line in text.splitlines() if line[:1] == " "]


class CommandsTest(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.script = (TOP / ".ci" / "run").read_text()
        self.run_by_ci = re.findall(r"(?m)^run \d+ (.+)$", self.script)

    def test_readme_names_exactly_the_two_that_ci_runs(self):
        named = [
            line
            for line in literal_blocks((TOP / "README.rst").read_text())
            if re.match(r"(make|tox|lab/lab|sudo|apt-get|pip)\b", line)
        ]
        self.assertEqual(["make e2e", "make test"], named)
        self.assertCountEqual(named, self.run_by_ci)

    def test_their_time_limits_leave_room_below_45_minutes(self):
        minutes = re.findall(r"(?m)^run (\d+) ", self.script)
        self.assertLess(sum(map(int, minutes)), 45)

    def test_the_makefile_has_them(self):
        rules = (TOP / "Makefile").read_text()
        for command in self.run_by_ci:
            target = command.removeprefix("make ")
            self.assertRegex(rules, rf"(?m)^{target}:")


class CiRunTest(unittest.TestCase):
    """.ci/run with a make of our own, first in PATH."""

    def run_ci(self, make):
        with tempfile.TemporaryDirectory() as directory:
            program = pathlib.Path(directory, "make")
            program.write_text(f"#!/bin/sh\n{make}\n")
            program.chmod(0o755)
            path = f"{directory}{os.pathsep}{os.environ['PATH']}"
            return subprocess.run(
                [TOP / ".ci" / "run"],
                check=False,
                env={**os.environ, "PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def test_both_pass(self):
        done = self.run_ci('echo "this is $1, CI=$CI"')
        self.assertEqual(0, done.returncode)
        for name in ("test", "e2e"):
            self.assertIn(f"this is {name}, CI=true\n", done.stdout)
        self.assertTrue(done.stdout.endswith("\n2 passed, 0 failed\n"))

    def test_one_fails_and_the_other_still_runs(self):
        for name in ("test", "e2e"):
            done = self.run_ci(f'echo "ran $1"; [ $1 != {name} ] || exit 3')
            self.assertEqual(1, done.returncode)
            self.assertIn("ran test\n", done.stdout)
            self.assertIn("ran e2e\n", done.stdout)
            self.assertIn(
                f"=== make {name}: failed with status 3", done.stdout
            )
            self.assertTrue(done.stdout.endswith("\n1 passed, 1 failed\n"))

    def test_nothing_waits_for_input(self):
        done = self.run_ci("cat; exit 0")
        self.assertEqual(0, done.returncode)
