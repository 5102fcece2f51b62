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
import itertools
import os
import subprocess
from unittest import mock

from cinder_lab import bring_up, cli, comparison, test_run, verbs
from tests.unit.lab import base

REPORT = """\
{0} tempest.api.volume.test_a.ATest.test_one[id-1,smoke] [1.163018s] ... ok
{0} tempest.api.volume.test_a.ATest.test_two[id-2] [0.5s] ... FAILED

    Captured traceback: {0} nothing ... ok
{0} tempest.api.volume.test_a.ATest.test_three ... SKIPPED: no such thing
{0} setUpClass (tempest.api.volume.test_b.BTest) ... FAILED
Ran: 4 tests in 9.0 sec.
"""


class ReportTestCase(base.LabTestCase):
    def test_outcomes(self):
        test = "tempest.api.volume.test_a.ATest.test_"
        self.assertEqual(
            {
                f"{test}one": "ok",
                f"{test}two": "FAILED",
                f"{test}three": "SKIP",
                "setUpClass (tempest.api.volume.test_b.BTest)": "FAILED",
            },
            comparison.outcomes(REPORT),
        )

    def test_what_passed(self):
        self.assertEqual(
            ["a", "c"], comparison.passed({"c": "ok", "b": "SKIP", "a": "ok"})
        )

    def test_differences(self):
        kinds = {
            "lvm": {"same": "ok", "worse": "ok", "better": "SKIP"},
            "replicated": {"same": "ok", "worse": "FAILED", "better": "ok"},
        }
        kinds["lvm"]["away"] = kinds["replicated"]["new"] = "ok"
        self.assertEqual(
            [
                "away: ok with lvm, not run with replicated",
                "better: SKIP with lvm, ok with replicated",
                "new: not run with lvm, ok with replicated",
                "worse: ok with lvm, FAILED with replicated",
            ],
            comparison.differences(kinds),
        )
        self.assertEqual(
            [
                "lvm: 3 ok, 0 FAILED, 1 SKIP",
                "replicated: 3 ok, 1 FAILED, 0 SKIP",
            ],
            list(comparison.summary(kinds)),
        )


class CompareTestCase(base.LabTestCase):
    """The verb, with reports that Tempest is said to have written."""

    def setUp(self):
        super().setUp()
        self.guest = mock.Mock()
        for patch in (
            mock.patch.dict(os.environ, LAB_DIR=str(self.folder)),
            mock.patch.object(verbs.Lab, "up"),
            mock.patch.object(verbs.Lab, "_cloud"),
            mock.patch.object(verbs.Lab, "_tempest", self.tempest),
            mock.patch("cinder_lab.machine.Machine.set_holds"),
            mock.patch("cinder_lab.guest.Guest", return_value=self.guest),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def tempest(self, arguments):
        self.arguments = arguments
        results = self.folder / f"results-{next(self.numbers)}"
        results.mkdir()
        (results / test_run.REPORT).write_text(next(self.reports))
        return 1, results

    def compare(self, *reports, words=()):
        self.numbers, self.reports = itertools.count(), iter(reports)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = cli.main(["compare", *words])
        return status, out.getvalue() + err.getvalue()

    def test_alike(self):
        report = REPORT.replace("FAILED", "SKIPPED")
        status, said = self.compare(report, report)
        self.assertEqual(0, status)
        self.assertIn("replicated: 1 ok, 0 FAILED, 3 SKIP", said)
        self.assertIn("alike", said)
        self.assertEqual(("--regex", comparison.TESTS), self.arguments)
        for number, kind in enumerate(comparison.KINDS):
            path = self.folder / f"results-{number}/passed-with-{kind}.txt"
            self.assertEqual(
                "tempest.api.volume.test_a.ATest.test_one\n", path.read_text()
            )
        self.assertEqual(
            [
                mock.call(f"bash -s {kind}", mock.ANY, mock.ANY)
                for kind in comparison.KINDS
            ],
            self.guest.run.mock_calls,
        )

    def test_different(self):
        status, said = self.compare(REPORT, REPORT.replace("FAILED", "ok"))
        self.assertEqual(1, status)
        self.assertIn("test_two: FAILED with lvm, ok with replicated", said)
        self.assertIn("2 tests ended differently, 0 can't", said)

    def test_failed_with_all(self):
        status, said = self.compare(REPORT, REPORT)
        self.assertEqual(1, status)
        self.assertIn("BTest): FAILED with all", said)
        self.assertIn("0 tests ended differently, 2 can't", said)

    def test_no_test_passed(self):
        status, said = self.compare("Ran: 0 tests in 0.0 sec.\n")
        self.assertEqual(1, status)
        self.assertIn("no test passed with lvm volumes", said)

    def test_tests_of_ones_own(self):
        words = ["--regex", "test_volumes_get"]
        self.compare(REPORT, REPORT, words=words)
        self.assertEqual(words, list(self.arguments))


class PrepareTestCase(base.LabTestCase):
    def test_unknown_kind(self):
        done = subprocess.run(
            ["bash", comparison.PREPARE, "ceph"],
            capture_output=True,
            text=True,
        )
        self.assertEqual(2, done.returncode)
        self.assertIn("no kind ceph", done.stderr)

    def test_all_services_of_volumes_are_started_anew(self):
        script = comparison.PREPARE.read_text()
        for unit in bring_up.CINDER:
            self.assertIn(unit, script)
