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

"""A promotion from begin to end, and what is told of it."""

import json
import subprocess
import sys

from cinder_promote.runbook import cloud, errors, steps
from tests.unit.runbook import base

FREEZE, STOP, RE_POINT, RESET, START, THAW, ENABLE, WAIT = steps.STEPS


class RunTest(base.RunbookTestCase):
    def test_everything_in_order(self):
        output = self.assert_done(*base.RUN)
        self.assert_at_the_end()
        self.assertEqual(
            ["freeze", "reset_active_backend", "thaw", "replication_enable"],
            self.cinder.changes,
        )
        self.assertEqual(["stop", "re-point", "start"], self.host.verbs)
        self.assertIn(
            "node1@lvm-a is promoted to lvm-b and protected by lvm-c", output
        )
        places = [output.index(f" {each.name}:") for each in steps.STEPS]
        self.assertEqual(sorted(places), places)
        self.assertIn("    2 of 2 volumes in sync", output)

    def test_how_much_is_copied(self):
        self.cinder.pools[base.HOST] = {
            "replication_sync_bytes": 1 << 30,
            "replication_sync_bytes_total": 4 << 30,
            "replication_sync_seconds_left": 600,
        }
        self.assertIn(
            " volumes in sync, 12.5 %, 1.0 of 4.0 GiB copied, about 10 min "
            "left\n",
            self.assert_done(*base.RUN),
        )

    def test_how_much_is_copied_for_a_program(self):
        self.cinder.pools[base.HOST] = {"replication_sync_bytes_total": 7}
        told = next(
            each
            for each in self.events(*base.RUN)
            if each["event"] == "progress" and each["in_sync"] == 0
        )
        self.assertEqual(
            {
                "event": "progress",
                "in_sync": 0,
                "volumes": 2,
                "percent": 12.5,
                "bytes": None,
                "bytes_total": 7,
                "seconds_left": None,
            },
            told,
        )

    def test_json_has_an_event_in_each_line(self):
        told = self.events(*base.RUN)
        self.assertEqual(
            [
                (each.name, state)
                for each in steps.STEPS
                for state in ("begun", "finished")
            ],
            [
                (each["step"], each["state"])
                for each in told
                if each["event"] == "step"
            ],
        )
        self.assertEqual(
            {"check", "step", "progress", "result"},
            {each["event"] for each in told},
        )
        self.assertEqual(
            (True, "done", base.HOST),
            tuple(told[-1][key] for key in ("done", "state", "host")),
        )

    def test_once_more_when_it_is_done(self):
        self.assert_done(*base.RUN)
        changes = list(self.cinder.changes)
        self.assertIn("is promoted", self.assert_done(*base.RUN))
        self.assertEqual(changes, self.cinder.changes)

    def test_the_next_promotion_of_the_same_host(self):
        self.assert_done(*base.RUN)
        self.cinder.fail_over(base.HOST, "lvm-c")
        self.host.holds_current = "promote-c"
        self.assert_done(
            "run", base.HOST, "--to", "lvm-c", "--replicate-to", "lvm-b"
        )
        self.assertEqual(base.AT_THE_END, self.cinder.row(base.HOST))
        self.assertEqual(
            ("promote-c", {"lvm-b": "promote-b"}),
            self.host.points_at("lvm-a"),
        )

    def test_a_driver_of_another_make(self):
        """The section is edited by the command of [host] on its host."""
        tool = self.dir / "tool.py"
        tool.write_text(
            "import re, sys\n"
            "name, to, targets = sys.argv[1], sys.argv[2], sys.argv[3:]\n"
            "text = open(name).read()\n"
            "open(name, 'w').write(text.replace(\n"
            "    'backend_id:lvm-b,volume_group:promote-b',\n"
            "    f'backend_id:{targets[0]},volume_group:promote-c', 1)\n"
            "    .replace('volume_group = promote-a',\n"
            "             'volume_group = promote-b'))\n"
        )
        self.host.configure(
            re_point_command=f"{sys.executable} {tool} {{config_file}} {{to}} "
            "{replicate_to}"
        )
        self.assert_done(*base.RUN)
        self.assert_at_the_end()
        section = self.record().members[base.HOST].goal
        self.assertIsNone(section["volume_group"])

    def test_driver_that_replicates_from_its_start(self):
        """Cinder enables replication by itself when the service starts."""
        start = START.do

        def start_enabled(run):
            start(run)
            self.cinder.services[base.HOST]["replication_status"] = "enabled"

        START.do = start_enabled
        self.addCleanup(delattr, START, "do")
        self.assert_done(*base.RUN)
        self.assert_at_the_end()

    def test_host_that_was_frozen_before(self):
        self.cinder.services[base.HOST]["frozen"] = True
        self.assert_done(*base.RUN)
        self.assert_at_the_end()
        self.assertNotIn("freeze", self.cinder.changes)

    def test_service_that_was_down_before(self):
        self.host.state.write_text("inactive\n")
        self.cinder.services[base.HOST]["state"] = "down"
        self.addCleanup(setattr, START, "do", START.do)
        start = START.do

        def start_and_up(run):
            start(run)
            self.cinder.services[base.HOST]["state"] = "up"

        START.do = start_and_up
        output = self.assert_done(*base.RUN)
        self.assert_at_the_end()
        self.assertIn("is down (its last report is of report 0)", output)
        self.assertIn("is frozen, but: Cinder's API: The volume se", output)

    def test_driver_that_can_not_thaw(self):
        self.cinder.thaw = lambda body: (
            self.cinder._set_frozen(body, False)
            or "Backend reported error during thaw_host operation."
        )
        output = self.assert_done(*base.RUN)
        self.assertIn("is thawed, but: Backend reported error", output)


class ShellTest(base.RunbookTestCase):
    """The same over SSH, and by a real process on this machine."""

    OVER_SSH = True

    def test_over_ssh(self):
        self.assert_done(*base.RUN)
        self.assert_at_the_end()

    def test_as_a_program_without_a_terminal(self):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "cinder_promote.cmd.promote",
                "--config-file",
                self.runbook_conf,
                *base.RUN,
                "--json",
            ],
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        self.assertEqual("", done.stderr)
        last = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual("done", last["state"])
        self.assert_at_the_end()

    def test_here_without_ssh(self):
        self.configure(
            storage_host_addresses="node1:local",
            storage_host_command=f"{sys.executable} -m cinder_promote.cmd.host"
            f" --config-file {self.host.host_conf}",
        )
        output = self.assert_done(*base.RUN)
        self.assert_at_the_end()
        self.assertNotIn("ssh", output)


class SyncTest(base.RunbookTestCase):
    def volume(self):
        return self.cinder.volumes[0]

    def test_volume_that_was_not_in_sync_at_the_fail_over(self):
        self.volume().update(
            status="error", replication_status="failover-error"
        )
        output = self.assert_done(*base.RUN)
        self.assertIn("not protected: volume-node1-1 (error", output)

    def test_volume_whose_copy_failed(self):
        self.volume()["replication_status"] = "error"
        self.assert_refused(
            r"copies of these volumes failed: volume-node1-1 .*"
            r"Step wait_in_sync is not finished",
            *base.RUN,
        )
        self.volume()["replication_status"] = "enabling"
        self.assert_done("resume")
        self.assert_at_the_end()

    def test_target_that_is_slow(self):
        self.configure(sync_timeout=1)
        self.addCleanup(
            setattr, base.fake_cinder, "NEXT", base.fake_cinder.NEXT
        )
        base.fake_cinder.NEXT = {"disabled": "enabling"}
        self.assert_refused(
            "not in sync after 1 seconds: volume-node1-1 .*enabling",
            *base.RUN,
        )

    def test_fail_over_while_it_waits(self):
        self.addCleanup(setattr, WAIT, "do", WAIT.do)
        usual = WAIT.do

        def fail_over_first(run):
            self.cinder.fail_over(base.HOST, "lvm-c")
            usual(run)

        WAIT.do = fail_over_first
        self.assert_refused("is no longer protected, somebody", *base.RUN)
        self.assert_refused("no request brings back", "undo")

    def test_driver_that_keeps_no_status(self):
        self.cinder._replicate = lambda: None
        self.cinder._pools = lambda: {base.HOST: {"replication_enabled": True}}
        output = self.assert_done(*base.RUN)
        self.assertIn("does not tell how far these volumes are", output)

    def test_api_that_is_restarted_meanwhile(self):
        usual = WAIT._look
        answers = iter([False, True, False, True])

        def look(run):
            if not next(answers, True):
                raise errors.APIError("Gone.")
            return usual(run)

        self.addCleanup(delattr, WAIT, "_look")
        WAIT._look = look
        self.assert_done(*base.RUN)
        self.assert_at_the_end()

    def test_api_that_is_gone(self):
        self.configure(service_timeout=1)
        self.break_off(WAIT)
        self.cinder.failures["/v3/os-services"] = (503, "Gone.", False)
        self.assert_refused("Gone.*Step wait_in_sync", "resume")

    def test_without_a_scheduler(self):
        self.cinder.failures[base.fake_cinder.POOLS] = (500, "No.", False)
        self.assert_done(*base.RUN)


class DryRunTest(base.RunbookTestCase):
    OVER_SSH = True

    def test_says_the_exact_commands_and_changes_nothing(self):
        told = self.events(*base.RUN, "--dry-run")
        commands = [
            command for each in told for command in each.get("commands", [])
        ]
        ssh = (
            f"ssh -p {self.port} -i {self.dir}/key root@127.0.0.1 "
            "cinder-promote-host"
        )
        service = "openstack volume service"
        self.assertEqual(
            [
                "openstack volume host set --disable node1@lvm-a",
                f"{ssh} stop lvm-a",
                f"{ssh} re-point lvm-a --to lvm-b --replicate-to lvm-c",
                f"{service} reset active backend node1@lvm-a",
                f"{ssh} start lvm-a",
                "openstack volume host set --enable node1@lvm-a",
                f"{service} enable replication node1@lvm-a",
                f"{service} replication list --host node1@lvm-a",
            ],
            commands,
        )
        self.assert_at_the_start()
        self.assertEqual([], self.cinder.changes)
        self.assertFalse(self.state_directory.exists())

    def test_something_is_in_the_way(self):
        self.cinder.extensions.clear()
        status, output, _ = self.run_promote(*base.RUN, "--dry-run")
        self.assertEqual(3, status)
        self.assertIn("[1 of 8]", output)

    def test_tells_what_is_left_of_a_run(self):
        self.break_off(RESET)
        output = self.assert_done(*base.RUN, "--dry-run")
        self.assertRegex(output, "interrupted in reset")
        self.assertNotIn("re_point:", output)
        self.assertIn("[4 of 8] reset:", output)

    def test_undo(self):
        self.break_off(RESET)
        output = self.assert_done("undo", "--dry-run")
        self.assertRegex(
            output,
            r"(?s)host undo lvm-a.*host start lvm-a.*--enable node1@lvm-a.*"
            "--disable-reason failed-over node1@lvm-a cinder-volume",
        )
        self.assertEqual(base.GOAL, self.host.points_at("lvm-a"))
        self.assertEqual("running", self.record().state)


class ResumeTest(base.RunbookTestCase):
    def test_nothing_to_resume(self):
        self.assert_refused("There is no unfinished run", "resume")
        self.assert_refused("There is no record", "resume", base.HOST)
        self.assert_done(*base.RUN)
        self.assert_refused("is done; there is nothing", "resume", base.HOST)

    def test_several(self):
        self.break_off(RESET)
        directory = self.state_directory
        text = (directory / "node1@lvm-a.json").read_text()
        other = text.replace("node1@lvm-a", "node2@lvm-a")
        (directory / "node2@lvm-a.json").write_text(other)
        self.assert_refused(r"several .*node1@lvm-a, node2@lvm-a", "resume")
        self.assert_done("resume", base.HOST)
        self.assert_at_the_end()

    def test_another_run_of_the_same_host(self):
        self.break_off(RESET)
        self.assert_refused(
            "unfinished run of node1@lvm-a, to lvm-b with lvm-c",
            "run",
            base.HOST,
            "--to",
            "lvm-b",
            "--replicate-to",
            "lvm-d",
        )

    def test_record_that_is_none(self):
        self.break_off(RESET)
        (self.state_directory / "node1@lvm-a.json").write_text("{}")
        self.assert_refused("is not a record of this program", "resume")

    def test_at_most_one_at_a_time(self):
        self.break_off(RESET)
        store = base.records.Records(str(self.state_directory))
        for name in (base.HOST, "node1"):
            with store.locked(name):
                for verb in (base.RUN, ("resume",), ("undo",)):
                    self.assert_refused(
                        f"Another cinder-promote is at work on {name};", *verb
                    )
        self.assert_done("resume")

    def test_waiting_keeps_no_other_backend_out(self):
        self.break_off(WAIT)
        usual = WAIT.do

        def look(run):
            store = base.records.Records(str(self.state_directory))
            with store.locked("node1"):
                self.host.state.write_text("inactive\n")
                for volume in self.cinder.volumes:
                    volume["replication_status"] = "enabled"
                usual(run)

        self.addCleanup(delattr, WAIT, "do")
        WAIT.do = look
        self.assert_done("resume")


class UndoTest(base.RunbookTestCase):
    def test_twice_does_no_harm(self):
        self.break_off(RE_POINT)
        for _ in range(2):
            self.assertIn(
                "failed over to lvm-b again",
                self.assert_done("undo", base.HOST),
            )
        self.assert_at_the_start()

    def test_of_a_run_that_is_done(self):
        self.assert_done(*base.RUN)
        self.assert_refused(
            "can't be undone.* the copy on the old primary is out of date",
            "undo",
            base.HOST,
        )
        self.assert_at_the_end()

    def test_nothing_to_undo(self):
        self.assert_refused("There is no record of a run", "undo", base.HOST)

    def test_of_a_section_that_was_re_pointed_before(self):
        self.host.run("cinder-promote-host --json stop")
        self.host.run(
            "cinder-promote-host --json re-point lvm-a --to lvm-b "
            "--replicate-to lvm-c"
        )
        self.break_off(RESET)
        self.assert_done("undo")
        self.assertEqual(base.GOAL, self.host.points_at("lvm-a"))
        self.assertEqual(base.AT_THE_START, self.cinder.row(base.HOST))
        self.assertFalse(self.host.running)

    def test_section_that_somebody_edited(self):
        self.break_off(RESET)
        text = self.host.conf.read_text()
        self.host.conf.write_text(text.replace("promote-c\n", "promote-x\n"))
        before = self.host.conf.read_text()
        self.assert_refused("not undone.*neither as before the run", "undo")
        self.assertEqual(before, self.host.conf.read_text())
        self.assertFalse(self.host.running)

    def test_after_the_machine_came_up_again(self):
        self.break_off(RESET)
        self.host.state.write_text("active\n")
        self.assert_done("undo")
        self.assert_at_the_start()


class NameTest(base.RunbookTestCase):
    def test_command_lines_that_are_not_understood(self):
        for arguments in (
            ("run", "node1", "--to", "b", "--replicate-to", "c"),
            ("run", "node1@a#pool", "--to", "b", "--replicate-to", "c"),
            ("run", base.HOST, "--to", "default", "--replicate-to", "c"),
            ("run", base.HOST, "--to", "b"),
            ("no-such-verb",),
            (),
        ):
            with self.subTest(arguments):
                self.assertEqual(2, self.run_promote(*arguments)[0])

    def test_help_of_each_verb(self):
        for verb, option in (
            ("run", "--replicate-to"),
            ("resume", "HOST"),
            ("undo", "--dry-run"),
            ("plan", "--json"),
            ("status", "--json"),
        ):
            status, output, _ = self.run_promote(verb, "--help")
            self.assertEqual(0, status)
            self.assertIn(f"usage: cinder-promote {verb}", output)
            self.assertIn(option, output)
        self.assertIn("resume", self.assert_done("--help"))

    def test_host_that_is_in_a_cluster(self):
        self.cinder.services[base.HOST]["cluster"] = "c@lvm-a"
        status, output, _ = self.run_promote(*base.RUN)
        self.assertEqual(3, status)
        self.assertIn("is part of cluster c@lvm-a", output)

    def test_replicated_types(self):
        for text, expected in (
            ("<is> True", True),
            ("<is> yes", True),
            ("<is> False", False),
            ("True", False),
            ("", False),
        ):
            specs = {"replication_enabled": text}
            self.assertEqual(expected, cloud._is_replicated(specs), text)
