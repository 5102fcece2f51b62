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

import contextlib
import io
import os
from unittest import mock

from cinder_lab import cli, errors, lock, test_run
from tests.unit.lab import base


class ParserTestCase(base.LabTestCase):
    def parse(self, *argv):
        return cli.parse(argv)

    def test_ssh_takes_options_as_they_are(self):
        words = ["ls", "-l", "--help"]
        self.assertEqual(words, self.parse("ssh", *words).words)

    def test_test_takes_tempest_arguments_as_they_are(self):
        words = ["--regex", "cinder_promote.api", "--concurrency", "1"]
        self.assertEqual(words, self.parse("test", *words).words)

    def test_unknown_verb(self):
        with (
            contextlib.redirect_stderr(io.StringIO()),
            self.assertRaises(SystemExit) as caught,
        ):
            self.parse("explode")
        self.assertEqual(2, caught.exception.code)


class MainTestCase(base.LabTestCase):
    def setUp(self):
        super().setUp()
        patch = mock.patch.dict(os.environ, LAB_DIR=str(self.folder))
        patch.start()
        self.addCleanup(patch.stop)

    def main(self, *argv):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = cli.main(argv)
        return status, out.getvalue(), err.getvalue()

    def test_down_when_nothing_runs(self):
        status, out, _ = self.main("down")
        self.assertEqual(0, status)
        self.assertIn("not running", out)

    def test_ssh_when_nothing_runs(self):
        status, _, err = self.main("ssh", "true")
        self.assertEqual(1, status)
        self.assertIn("lab up", err)

    def test_two_at_once(self):
        with lock.held(self.folder / "lock"):
            status, _, err = self.main("down")
        self.assertEqual(1, status)
        self.assertIn("another lab command", err)

    def test_failure_tells_the_step_and_the_end_of_its_log(self):
        log = self.write("step.log", "early\n" * 100 + "the cause\n")

        def build(lab):
            with lab.console.step("Debian packages"):
                raise errors.LabError("mmdebstrap: exit status 9", log)

        with mock.patch("cinder_lab.verbs.Lab.build", build):
            status, out, err = self.main("build")
        self.assertEqual(1, status)
        self.assertIn("Debian packages: FAILED", out)
        self.assertIn("the cause", err)
        self.assertIn("Debian packages: mmdebstrap: exit status 9", err)
        self.assertIn(str(log), err)
        self.assertLess(err.count("early"), 30)

    def test_exit_status_of_the_tests(self):
        with mock.patch("cinder_lab.verbs.Lab.test", return_value=3):
            self.assertEqual(3, self.main("test")[0])


class TempestCommandTestCase(base.LabTestCase):
    def test_the_whole_suite(self):
        self.assertTrue(
            test_run.command([]).endswith("--regex cinder_promote")
        )

    def test_only_our_tests_are_looked_for_when_asked_for_ours(self):
        ours = test_run.command(["--regex", "cinder_promote.*scenario"])
        self.assertTrue(ours.startswith("cd /var/lib/tempest && "))
        others = test_run.command(["--regex", "tempest.api.volume"])
        self.assertTrue(others.startswith("cd /var/lib/tempest/all && "))

    def test_arguments_survive_the_shell(self):
        self.assertTrue(
            test_run.command(["--regex", "a|b $(x)"]).endswith(
                "--regex 'a|b $(x)'"
            )
        )
