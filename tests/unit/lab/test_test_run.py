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

import io
import subprocess
import tarfile
from unittest import mock

from cinder_lab import errors, test_run
from tests.unit.lab import base


def archive(files):
    """Return a tar file with the given names and contents."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()


class CollectTestCase(base.LabTestCase):
    def collect(self, status, output=b"", said=b""):
        guest = mock.Mock()
        guest.ssh_command.return_value = ["ssh"]
        done = subprocess.CompletedProcess([], status, output, said)
        with mock.patch("subprocess.run", return_value=done):
            test_run.collect(guest, self.folder)

    def test_files_are_unpacked(self):
        self.collect(0, archive({"./tempest.log": b"log", "./a.txt": b"a"}))
        self.assertEqual(b"log", (self.folder / "tempest.log").read_bytes())
        self.assertEqual(b"a", (self.folder / "a.txt").read_bytes())

    def test_nothing_is_written_elsewhere(self):
        results = self.folder / "results"
        results.mkdir()
        self.folder, outside = results, self.folder
        self.collect(0, archive({"../escaped": b"x"}))
        self.assertFalse((outside / "escaped").exists())

    def test_guest_that_does_not_hand_them_over(self):
        with self.assertRaisesRegex(errors.LabError, "no space"):
            self.collect(1, said=b"no space")


class RunTestCase(base.LabTestCase):
    def run_tests(self, script):
        guest = mock.Mock()
        guest.ssh_command.return_value = ["sh", "-c", script]
        self.console = mock.Mock()
        return test_run.run(guest, "", self.folder, self.console)

    def test_what_is_said_is_shown_and_kept(self):
        status = self.run_tests("echo one ... ok; echo two >&2; exit 4")
        self.assertEqual(4, status)
        report = (self.folder / test_run.REPORT).read_text()
        self.assertEqual("one ... ok\ntwo\n", report)
        self.console.say.assert_has_calls(
            [mock.call("one ... ok"), mock.call("two")]
        )

    def test_broken_connection_is_no_test_result(self):
        with self.assertRaisesRegex(errors.LabError, "connection"):
            self.run_tests("exit 255")
