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

"""What the checks before a run find."""

from unittest import mock

import ddt

from cinder_promote.runbook import steps
from tests.unit.runbook import base


@ddt.ddt
class PreflightTest(base.RunbookTestCase):
    def checks(self, *arguments, status):
        told = self.events(*(arguments or base.RUN), status=status)
        self.assertEqual([], self.cinder.changes)
        self.assertEqual(base.BEFORE, self.host.points_at("lvm-a"))
        return [each for each in told if each["event"] == "check"]

    def assert_found(self, level, name, pattern, *arguments):
        """Make a dry run and see that one check says something."""
        found = self.checks(
            *(arguments or base.RUN),
            "--dry-run",
            status=3 if level == "blocking" else 0,
        )
        texts = [
            each["text"]
            for each in found
            if (each["level"], each["name"]) == (level, name)
        ]
        self.assertRegex("\n".join(texts), pattern, found)

    def test_all_is_well(self):
        found = self.checks(*base.RUN, "--dry-run", status=0)
        self.assertEqual(
            {"neighbours"},
            {each["name"] for each in found if each["level"] != "ok"},
        )

    def test_service_of_its_own_for_each_backend(self):
        self.host.configure(volume_service="volume-{backend}")
        found = self.checks(*base.RUN, "--dry-run", status=0)
        self.assertEqual({"ok"}, {each["level"] for each in found})
        self.assertIn("node1 is reached, volume-lvm-a is", str(found))
        self.assert_done(*base.RUN)
        self.assert_at_the_end()

    def test_everything_is_reported_at_once(self):
        self.cinder.extensions.clear()
        self.cinder.services[base.HOST].update(active_backend_id="lvm-c")
        self.cinder.pools["node1@lvm-c"] = {"total_capacity_gb": 1.0}
        self.host.conf.write_text(
            self.host.conf.read_text().replace("enabled_backends", "x")
        )
        found = self.checks(status=3)
        self.assertEqual(
            ["extension", "failed_over", "room", "storage_host"],
            [each["name"] for each in found if each["level"] == "blocking"],
        )
        self.assertIsNone(self.record())
        last = self.events(*base.RUN, status=3)[-1]
        self.assertEqual((False, True), (last["done"], last["blocked"]))

    def test_not_failed_over(self):
        self.cinder.add_service("node1@lvm-b")
        self.assert_found(
            "blocking",
            "failed_over",
            "is not failed over: .* comes first: cinder failover-host "
            "node1@lvm-b --backend_id lvm-c",
            "run",
            "node1@lvm-b",
            "--to",
            "lvm-c",
            "--replicate-to",
            "lvm-a",
        )

    def test_failed_over_to_another_one(self):
        self.assert_found(
            "blocking",
            "failed_over",
            "is not failed over to lvm-c: .* active_backend_id lvm-b",
            "run",
            base.HOST,
            "--to",
            "lvm-c",
            "--replicate-to",
            "lvm-b",
        )

    def test_failing_over_just_now(self):
        self.cinder.services[base.HOST]["replication_status"] = "failing-over"
        self.assert_found("blocking", "failed_over", "is failing over just")

    def test_fail_over_that_failed(self):
        self.cinder.services[base.HOST].update(
            replication_status="failover-error"
        )
        self.assert_found("warning", "failed_over", "ended in an error")

    def test_target_that_is_the_primary(self):
        self.assert_found(
            "blocking",
            "targets",
            "lvm-b can't replicate to itself",
            *base.RUN[:-1],
            "lvm-b",
        )

    def test_target_that_is_named_twice(self):
        self.assert_found(
            "blocking",
            "targets",
            "named twice",
            *base.RUN,
            "--replicate-to",
            "lvm-c",
        )

    def test_target_that_nobody_knows(self):
        self.assert_found(
            "blocking",
            "storage_host",
            r"node1: .*lvm-z",
            *base.RUN[:-1],
            "lvm-z",
        )

    @ddt.data(
        (20.0, 1.0, "warning", "has 1.0 GiB free, .* have 2 GiB"),
        (1.0, 1.0, "blocking", "too small: it has 1.0 GiB in all"),
        ("infinite", "unknown", "warning", "can't be told"),
    )
    @ddt.unpack
    def test_room(self, total, free, level, pattern):
        self.cinder.pools["node1@lvm-c"] = {
            "total_capacity_gb": total,
            "free_capacity_gb": free,
        }
        self.assert_found(level, "room", pattern)

    def test_volumes_in_error_and_busy(self):
        self.cinder.volumes[0]["status"] = "error"
        self.cinder.volumes[1]["status"] = "deleting"
        self.assert_found(
            "warning", "volumes_in_error", r": volume-node1-1 \(error"
        )
        self.assert_found(
            "warning", "volumes_busy", r": volume-node1-2 \(deleting"
        )

    def test_other_backends_of_the_service(self):
        self.assert_found("warning", "neighbours", "stopped: lvm-b, lvm-c")

    def test_re_pointed_already(self):
        self.host.state.write_text("inactive\n")
        self.host.run(
            "cinder-promote-host --json re-point lvm-a --to lvm-b "
            "--replicate-to lvm-c"
        )
        told = self.events(*base.RUN, "--dry-run")
        self.assertIn("is re-pointed already", str(told))

    def test_another_run_has_the_service_stopped(self):
        self.break_off(steps.STEPS[3])
        self.cinder.add_service("node1@lvm-b")
        self.cinder.fail_over("node1@lvm-b", "lvm-c")
        other = ("run", "node1@lvm-b", "--to", "lvm-c")
        other += ("--replicate-to", "lvm-a")
        told = self.events(*other, status=3)
        self.assertIn("The run of node1@lvm-a needs the volume", str(told))
        self.assert_done("resume")
        self.assertEqual(0, self.run_promote(*other, "--dry-run")[0])

    def test_runs_of_two_backends_of_one_service(self):
        """The second one was interrupted before it stopped the service."""
        other = ("run", "node1@lvm-b", "--to", "lvm-c")
        other += ("--replicate-to", "lvm-a")
        self.cinder.add_service("node1@lvm-b")
        self.cinder.fail_over("node1@lvm-b", "lvm-c")
        for step, run in ((steps.STEPS[0], other), (steps.STEPS[3], base.RUN)):
            with mock.patch.object(step, "do", side_effect=SystemExit(9)):
                self.run_promote(*run)
        self.assertFalse(self.host.running)
        for verb in ("resume", "undo"):
            self.assert_refused(
                "The run of node1@lvm-a needs", verb, "node1@lvm-b"
            )
        self.assertFalse(self.host.running)
