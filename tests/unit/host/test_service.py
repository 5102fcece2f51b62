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

import subprocess
import sys
import time

import ddt

from tests.unit.host import base


@ddt.ddt
class ServiceTest(base.HostTestCase):
    def test_stop_and_start(self):
        self.use_sample()
        for verb, state, changed in (
            ("start", "active", True),
            ("start", "active", False),
            ("stop", "inactive", True),
            ("stop", "inactive", False),
        ):
            self.assertEqual(changed, self.run_json(verb)["changed"])
            self.assertEqual(f"{state}\n", self.state.read_text())

    def test_needs_no_cinder_conf(self):
        self.assertTrue(self.run_json("start")["changed"])

    def background(self, command):
        """Return a command line that leaves a process behind."""
        script = self.dir / "background.py"
        script.write_text(
            "import subprocess, sys\n"
            f"subprocess.Popen([sys.executable, '-c', {command!r}])\n"
        )
        return f"{sys.executable} {script}"

    def change_later(self, state):
        new = self.dir / "state.new"
        new.write_text(state)
        return self.background(
            "import os, time; time.sleep(0.3); "
            f"os.rename({str(new)!r}, {str(self.state)!r})"
        )

    def test_start_waits_for_the_state(self):
        self.configure(start_command=self.change_later("loaded active"))
        self.run_json("start")
        self.assertEqual("loaded active", self.state.read_text())

    def test_stop_waits_for_the_state(self):
        self.set_state("active")
        self.configure(stop_command=self.change_later("exited"))
        self.run_json("stop")
        self.assertEqual("exited", self.state.read_text())

    def test_a_process_that_stays_does_not_hold_up_start(self):
        stays = self.background("import time; time.sleep(20)")
        self.configure(
            start_command=f"sh -c 'echo active >{self.state}; {stays}'"
        )
        begun = time.monotonic()
        self.run_json("start")
        self.assertLess(time.monotonic() - begun, 10)

    def test_state_that_does_not_come(self):
        self.set_state("active")
        self.configure(stop_command="true", stop_timeout=1)
        self.assert_refused(
            "^cinder-volume.service did not stop within 1 seconds, it is "
            r"active\.$",
            "stop",
        )

    def test_failed_on_the_way(self):
        self.configure(start_command=f"sh -c 'echo failed >{self.state}'")
        status, _, complaint = self.run_host("start")
        self.assertEqual(1, status)
        self.assertEqual(
            "cinder-volume.service failed to start; its log says why.\n",
            complaint,
        )

    def test_a_failed_service_counts_as_stopped(self):
        self.set_state("loaded failed")
        self.assertFalse(self.run_json("stop")["changed"])

    @ddt.data(
        ("start_command", "false", "start_command for .* with status 1\\."),
        (
            "start_command",
            "sh -c 'echo out; echo Unit masked. >&2; exit 4'",
            "failed with status 4: Unit masked\\.$",
        ),
        ("start_command", "/no/such", "can't be run: No such file"),
        ("start_command", "a 'b", "can't be split into words"),
        ("start_command", "", "start_command in \\[host\\] is empty"),
        ("status_command", "true", "printed no state for cinder-volume"),
        (
            "status_command",
            "sh -c 'echo No systemd here. >&2; exit 1'",
            "printed no state for cinder-volume.service: No systemd here\\.$",
        ),
        ("status_command", "echo not-found inactive", "There is no service"),
    )
    @ddt.unpack
    def test_commands_that_fail(self, option, command, pattern):
        self.configure(**{option: command})
        self.assert_refused(pattern, "start")

    @ddt.data("start", "status")
    def test_commands_that_hang(self, name):
        self.configure(
            **{f"{name}_command": "sleep 30", f"{name}_timeout": "1"}
        )
        begun = time.monotonic()
        self.assert_refused("did not end within 1 seconds", "start")
        self.assertLess(time.monotonic() - begun, 10)

    def test_the_service_s_name_is_put_in(self):
        self.configure(
            volume_service="devstack@c-vol",
            start_command=f"sh -c 'echo \"$0\" active >{self.state}' "
            "{service}",
        )
        self.run_json("start")
        self.assertEqual("devstack@c-vol active\n", self.state.read_text())

    def test_a_service_for_each_backend(self):
        self.use_sample()
        self.configure(
            volume_service="cinder-volume@{backend}",
            start_command=f"sh -c 'echo \"$0\" active >{self.state}' "
            "{service}",
        )
        self.assert_refused(r"cinder-volume@{backend}.*name the back", "start")
        self.assert_refused(r"no backend section \[lvm-x\]", "start", "lvm-x")
        self.run_json("start", "lvm-a")
        self.assertEqual(
            "cinder-volume@lvm-a active\n", self.state.read_text()
        )
        self.assert_refused(
            "^cinder-volume@lvm-a is active; stop it first",
            "re-point",
            "lvm-a",
            "--to",
            "lvm-b",
        )

    def test_a_shared_service_for_a_backend(self):
        self.use_sample()
        self.assertTrue(self.run_json("start", "lvm-a")["changed"])
        self.assert_refused(r"no backend section \[lvm-x\]", "stop", "lvm-x")
        self.assertEqual("active\n", self.state.read_text())

    def test_other_words_for_states(self):
        self.configure(started_states="up", stopped_states="down,gone")
        self.set_state("up")
        self.assertFalse(self.run_json("start")["changed"])
        self.set_state("gone")
        self.assertFalse(self.run_json("stop")["changed"])

    def test_the_default_question_is_understood_by_systemctl(self):
        # Only where systemd runs; elsewhere systemctl says so and fails.
        try:
            done = subprocess.run(
                ["systemctl", "is-system-running"],
                check=False,
                capture_output=True,
                text=True,
            )
        except FileNotFoundError:
            self.skipTest("no systemctl here")
        if done.stdout.strip() not in ("running", "degraded"):
            self.skipTest("systemd does not run here")
        self.host_conf.write_text(
            "[host]\nvolume_service = no-such-service.service\n"
            f"cinder_config_file = {self.conf}\n"
        )
        self.assert_refused("^There is no service no-such-service", "start")
