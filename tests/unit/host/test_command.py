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

import json
import os
import subprocess
import sys
from unittest import mock

import ddt

from tests.unit.host import base


@ddt.ddt
class CommandLineTest(base.HostTestCase):
    @ddt.data(
        (),
        ("nonsense",),
        ("re-point", "lvm-a"),
        ("re-point", "--to", "lvm-b"),
        ("show", "a", "b"),
        ("show", "--js"),
        ("stop", "a", "b"),
    )
    def test_usage(self, arguments):
        status, output, complaint = self.run_host(*arguments)
        self.assertEqual((2, ""), (status, output))
        self.assertIn("usage: cinder-promote-host", complaint)

    def test_refusal_as_json(self):
        status, output, complaint = self.run_host("--json", "undo")
        self.assertEqual(1, status)
        data = json.loads(output)
        self.assertEqual(
            ("undo", False, complaint),
            (data["verb"], data["done"], data["error"] + "\n"),
        )

    def test_as_a_program(self):
        self.use_sample()
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "cinder_promote.cmd.host",
                f"--config-file={self.host_conf}",
                "--json",
                "show",
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        self.assertTrue(json.loads(done.stdout)["done"])


@ddt.ddt
class ForcedCommandTest(base.HostTestCase):
    def run_ssh(self, asked):
        environment = dict(os.environ)
        environment.pop("SSH_ORIGINAL_COMMAND", None)
        if asked is not None:
            environment["SSH_ORIGINAL_COMMAND"] = asked
        with mock.patch.dict(os.environ, environment, clear=True):
            return self.run_host("ssh")

    def test_the_asked_verb_runs_with_the_key_s_own_configuration(self):
        self.use_sample()
        status, output, _ = self.run_ssh(
            "cinder-promote-host --json re-point lvm-a --to lvm-b "
            "--replication-device 'backend_id:x, volume_group:y'"
        )
        self.assertEqual(0, status)
        self.assertEqual(
            [{"backend_id": "x", "volume_group": "y"}],
            json.loads(output)["after"]["replication_devices"],
        )

    def test_a_refusal_s_status(self):
        self.assertEqual(1, self.run_ssh("cinder-promote-host undo")[0])

    @ddt.data(
        None,
        "",
        "sh",
        "/bin/sh -c id",
        "cinder-promote-host-2 show",
        "/tmp/cinder-promote-host show",
        "cinder-promote-host show 'open",
    )
    def test_nothing_else_runs(self, asked):
        status, output, complaint = self.run_ssh(asked)
        self.assertEqual((1, ""), (status, output))
        self.assertRegex(complaint, r"^(This key runs|The command can't)")

    @ddt.data(
        "--config-file x show",
        "--config-file=x show",
        "--config x show",
        "show --config-file=x",
        "ssh",
        "show; id",
        "show && id",
        "stop $(id)",
        "",
    )
    def test_what_the_key_may_not_choose(self, arguments):
        self.use_sample()
        before = self.snapshot()
        status, output, complaint = self.run_ssh(
            f"cinder-promote-host {arguments}"
        )
        self.assertIn(status, (1, 2))
        self.assertEqual("", output)
        self.assertNotEqual("", complaint)
        self.assertEqual(before, self.snapshot())
