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

"""What must not go wrong: other hands, wrong names, broken connections."""

import ddt
import paramiko

from cinder_promote.runbook import steps
from tests.unit.runbook import base

FREEZE, STOP, RE_POINT, RESET, START, THAW, ENABLE, WAIT = steps.STEPS


class OtherHandsTest(base.RunbookTestCase):
    """Something changed while a run was interrupted."""

    def assert_stops(self, pattern, *arguments):
        """Resume, which must refuse and change nothing."""
        changes = list(self.cinder.changes)
        conf = self.host.conf.read_bytes()
        running = self.host.running
        row = self.cinder.row(base.HOST)
        self.assert_refused(
            f"does not agree with what is there, so nothing was done.*"
            f"{pattern}",
            *(arguments or ("resume",)),
        )
        self.assertEqual(changes, self.cinder.changes)
        self.assertEqual(conf, self.host.conf.read_bytes())
        self.assertEqual(running, self.host.running)
        self.assertEqual(row, self.cinder.row(base.HOST))

    def test_service_was_started_after_the_re_point(self):
        self.break_off(RESET)
        self.host.state.write_text("active\n")
        pattern = "the volume service on node1 is running, .* after re_point"
        self.assert_stops(pattern)
        self.assert_stops(pattern, *base.RUN)

    def test_service_was_stopped_after_the_start(self):
        self.break_off(THAW)
        self.host.state.write_text("inactive\n")
        self.assert_stops("the volume service on node1 is stopped")

    def test_host_was_thawed_before_the_re_point(self):
        self.break_off(RE_POINT)
        self.cinder.services[base.HOST]["frozen"] = False
        self.assert_stops("node1@lvm-a is not frozen")

    def test_host_was_failed_over_to_another_target(self):
        self.break_off(RESET)
        self.cinder.fail_over(base.HOST, "lvm-c")
        self.assert_stops("active_backend_id lvm-c")
        self.assert_refused("can't be undone.*somebody changed that", "undo")

    def test_host_was_failed_back(self):
        self.break_off(STOP)
        self.cinder.services[base.HOST].update(
            replication_status="enabled", active_backend_id=None
        )
        self.assert_stops("replication_status enabled")

    def test_section_was_edited(self):
        self.break_off(RESET)
        text = self.host.conf.read_text()
        self.host.conf.write_text(
            text.replace("volume_group = promote-b", "volume_group = vg9", 1)
        )
        self.assert_stops(r"\[lvm-a\] in cinder.conf on node1 is neither")

    def test_section_was_put_back(self):
        self.break_off(RESET)
        self.assertEqual(
            0, self.host.run("cinder-promote-host --json undo lvm-a")[0]
        )
        self.assert_stops("is as before the run")

    def test_backend_failed_once_more_after_the_promotion(self):
        self.break_off(WAIT)
        self.cinder.fail_over(base.HOST, "lvm-c")
        self.assert_refused(
            "no longer protected.*failed-over and active_backend_id lvm-c",
            "resume",
        )
        self.assert_refused("no request brings back", "undo")

    def test_the_next_steps_were_taken_by_hand(self):
        """As they are the same, that is no contradiction."""
        self.break_off(RE_POINT)
        command = "cinder-promote-host --json"
        self.host.run(
            f"{command} re-point lvm-a --to lvm-b --replicate-to lvm-c"
        )
        self.cinder.reset_active_backend({"host": base.HOST})
        self.host.run(f"{command} start")
        told = self.events("resume")
        self.assert_at_the_end()
        self.assertEqual(
            ["re_point", "reset", "start"],
            [each["step"] for each in told if each.get("found")],
        )

    def test_service_is_started_while_the_re_point_is_done(self):
        """The next look shows it, before the row is touched."""
        usual = RE_POINT.do

        def start_meanwhile(run):
            usual(run)
            self.host.state.write_text("active\n")

        self.addCleanup(delattr, RE_POINT, "do")
        RE_POINT.do = start_meanwhile
        self.assert_refused(
            "re_point was carried out: the volume service on node1 is "
            "running.*cinder-promote undo",
            *base.RUN,
        )
        self.assertNotIn("reset_active_backend", self.cinder.changes)

    def test_somebody_resets_at_the_same_time(self):
        def reset():
            self.cinder.reset_active_backend({"host": base.HOST})

        self.cinder.meanwhile["reset_active_backend"] = reset
        self.assert_refused(
            "Expected failed-over, found disabled.*Step reset is not",
            *base.RUN,
        )
        self.assert_done("resume")
        self.assert_at_the_end()


class OtherProcessTest(base.RunbookTestCase):
    def test_service_that_still_runs_elsewhere(self):
        """The wrong machine was stopped; its cinder.conf must not change."""
        self.configure(silence_timeout=5)
        self.cinder.impostors.add(base.HOST)
        conf = self.host.conf.read_bytes()
        self.assert_refused(
            r"node1@lvm-a still reports \(at report \d+\) although .* was "
            "stopped on node1: another process serves it",
            *base.RUN,
        )
        self.assertEqual(conf, self.host.conf.read_bytes())
        self.assertEqual("failed-over", self.cinder.row(base.HOST)[0])
        self.assert_refused("still reports", "resume")
        self.cinder.impostors.clear()
        self.configure(silence_timeout=0)
        self.assert_done("undo")
        self.assert_at_the_start()

    def test_silent_service_is_watched_as_long_as_asked(self):
        self.configure(silence_timeout=1)
        self.assert_done(*base.RUN)
        self.assert_at_the_end()

    def test_driver_that_does_not_work(self):
        """It is up by its first report, but there is no second one."""
        self.configure(service_timeout=1)
        self.cinder.slowness = 4
        self.host.holds_current = "promote-x"
        self.assert_refused(
            "driver of node1@lvm-a does not work 1 seconds after the start",
            *base.RUN,
        )
        self.assertTrue(self.cinder.row(base.HOST)[3])
        self.assert_refused("does not work", "resume")
        self.host.holds_current = "promote-b"
        self.assert_done("resume")
        self.assert_at_the_end()

    def test_service_that_is_on_its_way(self):
        """What a lost command has begun is waited for."""
        self.break_off(RE_POINT)
        self.host.state.write_text("deactivating\n")
        looks = iter([False, False, True])
        usual = self.host.run

        def run(command):
            if next(looks, False):
                self.host.state.write_text("inactive\n")
            return usual(command)

        self.host.run = run
        self.assert_done("resume")
        self.assert_at_the_end()

    def test_service_that_stays_on_its_way(self):
        self.configure(service_timeout=1)
        self.break_off(RE_POINT)
        self.host.state.write_text("deactivating\n")
        self.assert_refused("is deactivating and neither starts", "resume")


@ddt.ddt
class ConnectionTest(base.RunbookTestCase):
    OVER_SSH = True

    @ddt.data(
        *(
            (verb, when)
            for verb in ("stop", "re-point", "start")
            for when in ("before", "after")
        )
    )
    @ddt.unpack
    def test_breaks(self, verb, when):
        usual = self.host.run

        def run(command):
            if verb in command and "--dry-run" not in command:
                self.host.breaks[verb] = when
            return usual(command)

        self.host.run = run
        self.assert_refused(
            f"connection to 127.0.0.1 broke while '.* {verb}.* ran.* "
            f"Step {verb.replace('-', '_')} is not finished",
            *base.RUN,
        )
        self.host.run = usual
        self.assert_done("resume")
        self.assert_at_the_end()
        self.assertEqual(1, self.host.verbs.count("re-point"))

    def test_undo_breaks(self):
        self.break_off(RESET)
        self.host.breaks["undo"] = "after"
        self.assert_refused("broke while .*Undoing re_point is not", "undo")
        self.assert_done("undo")
        self.assert_at_the_start()

    @ddt.data("freeze", "reset_active_backend", "thaw", "replication_enable")
    def test_answer_of_the_api_is_lost(self, action):
        self.cinder.failures[action] = (503, "Gone.", True)
        status, output, complaint = self.run_promote(*base.RUN)
        self.cinder.failures.clear()
        if status:
            self.assertIn("Gone.", complaint)
            self.assert_done("resume")
        else:  # the row shows that it was done
            self.assertIn("Gone.", output)
        self.assert_at_the_end()

    @ddt.data("freeze", "reset_active_backend", "thaw", "replication_enable")
    def test_api_refuses(self, action):
        self.cinder.failures[action] = (403, "Policy says no.", False)
        self.assert_refused("Cinder's API: Policy says no.", *base.RUN)
        self.cinder.failures.clear()
        self.assert_done("resume")
        self.assert_at_the_end()

    def assert_blocked(self, pattern):
        status, output, _ = self.run_promote(*base.RUN)
        self.assertEqual(3, status)
        self.assertRegex(output, f"blocking  {pattern}")
        self.assert_at_the_start()

    def test_unknown_host_key(self):
        self.write_known_hosts(paramiko.ECDSAKey.generate())
        self.assert_blocked(".*Host key for server '127.0.0.1' does not match")
        (self.dir / "known_hosts").write_text("")
        self.assert_blocked(".*127.0.0.1.* not found in known_hosts")
        (self.dir / "known_hosts").unlink()
        self.assert_blocked(r".*known_hosts \(ssh_known_hosts_file\) can't be")

    def test_key_that_may_not_log_in(self):
        other = paramiko.ECDSAKey.generate()
        other.write_private_key_file(str(self.dir / "key"))
        self.assert_blocked(
            "127.0.0.1 can't be reached over SSH as root: Auth"
        )

    def test_nobody_listens(self):
        self.configure(storage_host_addresses="node1:127.0.0.9")
        self.assert_blocked("127.0.0.9 can't be reached over SSH")

    def test_command_that_is_not_there(self):
        self.configure(storage_host_command="no-such-command")
        self.assert_blocked(".*with status 127: sh: 1: no-such-command: not")

    def test_command_that_refuses(self):
        self.host.conf.write_text(
            self.host.conf.read_text().replace("enabled_backends", "x")
        )
        self.assert_blocked(r"node1: .*cinder.conf: \[DEFAULT\] does not set")

    def test_the_api_does_not_answer(self):
        clouds = self.dir / "clouds.yaml"
        text = clouds.read_text()
        clouds.write_text(text.replace("127.0.0.1", "127.0.0.9"))
        status, output, _ = self.run_promote(*base.RUN)
        self.assertEqual(3, status)
        self.assertRegex(output, "blocking  Cinder's API")
        self.assertRegex(output, r"ok +node1 is reached")


class RecordTest(base.RunbookTestCase):
    def test_nothing_is_done_that_can_not_be_recorded(self):
        self.configure(state_directory=self.runbook_conf)
        self.assert_refused(r"runbook.conf.* can't be used", *base.RUN)
        self.assert_at_the_start()
        self.assertEqual([], self.cinder.changes)

    def test_disk_that_is_full_meanwhile(self):
        usual = base.records.os.fsync
        count = 0

        def fsync(descriptor):
            nonlocal count
            count += 1
            if count > 6:
                raise OSError(28, "No space left on device")
            usual(descriptor)

        self.addCleanup(setattr, base.records.os, "fsync", usual)
        base.records.os.fsync = fsync
        self.assert_refused("No space left on device.*then resume", *base.RUN)
        base.records.os.fsync = usual
        self.assert_done("resume")
        self.assert_at_the_end()
