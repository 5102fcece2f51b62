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
import io
import json
import os
import pathlib
import tempfile
import unittest

from cinder_promote.cmd import host
from cinder_promote.host import config

SAMPLES = pathlib.Path(__file__).parent / "samples"


def write_host_conf(directory, **changes):
    """Write host.conf; the service's state is in the file state beside it."""
    state = directory / "state"
    values = {
        "cinder_config_file": directory / "cinder.conf",
        "other_cinder_config": directory / "cinder.conf.d",
        "status_command": f"cat {state}",
        "stop_command": f"sh -c 'echo inactive >{state}'",
        "start_command": f"sh -c 'echo active >{state}'",
        "poll_interval": "0.01",
        **changes,
    }
    lines = [f"{key} = {value}" for key, value in values.items()]
    (directory / "host.conf").write_text("\n".join(["[host]", *lines, ""]))


class HostTestCase(unittest.TestCase):
    """A directory with a cinder.conf, and a service that is a file.

    The service's state is the content of ``state``; starting and stopping
    writes it, as the commands in ``host.conf`` say.
    """

    def setUp(self):
        super().setUp()
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.dir = pathlib.Path(made.name).resolve()
        self.conf = self.dir / "cinder.conf"
        self.state = self.dir / "state"
        self.host_conf = self.dir / "host.conf"
        self.set_state("inactive")
        self.configure()

    def configure(self, **changes):
        write_host_conf(self.dir, **changes)

    def options(self):
        return config.load(str(self.host_conf))

    def set_state(self, state):
        self.state.write_text(f"{state}\n")

    def use_sample(self, name="devstack.conf"):
        content = (SAMPLES / name).read_bytes()
        self.conf.write_bytes(content)
        return content

    def use(self, text):
        self.conf.write_bytes(text.encode("utf-8", "surrogateescape"))

    def run_host(self, *arguments):
        """Run the command in this process.

        :returns: exit status, standard output, standard error
        """
        output, complaint = io.StringIO(), io.StringIO()
        with (
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(complaint),
        ):
            try:
                status = host.main(
                    ["--config-file", str(self.host_conf), *arguments]
                )
            except SystemExit as left:
                status = left.code
        return status, output.getvalue(), complaint.getvalue()

    def run_json(self, *arguments):
        status, output, complaint = self.run_host("--json", *arguments)
        self.assertEqual((0, ""), (status, complaint))
        return json.loads(output)

    def assert_refused(self, pattern, *arguments):
        """Run the command, which must say one sentence and change nothing."""
        before = self.snapshot()
        status, output, complaint = self.run_host(*arguments)
        self.assertEqual((1, ""), (status, output))
        self.assertRegex(complaint, pattern)
        self.assertEqual(1, complaint.count("\n"), complaint)
        self.assertTrue(complaint.endswith(".\n"), complaint)
        self.assertEqual(before, self.snapshot())
        return complaint

    def snapshot(self):
        """Return the content and identity of every file in the directory."""
        return {
            str(path): (os.lstat(path).st_ino, path.read_bytes())
            for path in sorted(self.dir.rglob("*"))
            if path.is_file()
        }
