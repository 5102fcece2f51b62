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

"""The verbs that only tell: plan and status."""

import fcntl
import json
import os
import threading

from cinder_promote.runbook import records, steps
from tests.unit.runbook import base


class PlanTest(base.RunbookTestCase):
    def setUp(self):
        super().setUp()
        self.cinder.services[base.HOST].update(
            replication_status="enabled", active_backend_id=None
        )
        self.cinder._replicate = lambda: None
        self.cinder.volumes[0]["replication_status"] = "enabled"
        self.cinder.volumes[1]["replication_status"] = "enabling"

    def plan(self):
        output = self.assert_done("plan", base.HOST, "--json")
        (backend,) = json.loads(output)["backends"]
        return (
            [each["id"] for each in backend["protected"]],
            {each["id"]: each["reason"] for each in backend["lost"]},
            backend,
        )

    def test_what_would_be_lost(self):
        protected, lost, backend = self.plan()
        self.assertEqual(["volume-node1-1"], protected)
        self.assertEqual(
            {
                "volume-node1-2": "its replication is enabling",
                "volume-node1-3": "its type is not replicated",
            },
            lost,
        )
        self.assertEqual(["lvm-b"], backend["targets"])

    def test_all_is_lost_of_a_host_that_is_failed_over(self):
        self.cinder.fail_over(base.HOST, "lvm-b")
        protected, lost, backend = self.plan()
        self.assertEqual(([], 3), (protected, len(lost)))
        self.assertIn("failed-over", backend["problem"])

    def test_all_is_lost_of_a_driver_that_does_not_replicate(self):
        self.cinder.pools[base.HOST] = {"replication_enabled": False}
        protected, _, backend = self.plan()
        self.assertEqual([], protected)
        self.assertIn("does not replicate", backend["problem"])

    def test_in_words(self):
        output = self.assert_done("plan")
        self.assertIn(
            "node1@lvm-a: 1 volumes would survive its loss, on lvm-b; 2 would "
            "be lost.",
            output,
        )
        self.assertRegex(output, "volume-node1-2 .* is lost: its replication")

    def test_no_such_host(self):
        self.assert_refused("no volume service of host", "plan", "x@y")


class StatusTest(base.RunbookTestCase):
    def test_rows_and_runs(self):
        self.break_off(steps.STEPS[3])
        output = self.assert_done("status", "--json")
        first, second = json.loads(output)["services"]
        self.assertEqual(base.HOST, first["host"])
        self.assertEqual("lvm-b", first["active_backend_id"])
        self.assertEqual("0 of 3 volumes, 12.5 %", first["protection"])
        self.assertEqual("reset", first["run"]["begun"])
        self.assertIsNone(second["run"])

    def test_in_words(self):
        self.break_off(steps.STEPS[3])
        output = self.assert_done("status", base.HOST)
        self.assertRegex(output, "failed-over +lvm-b +yes +frozen")
        self.assertIn(": interrupted in reset", output)

    def test_at_work(self):
        self.break_off(steps.STEPS[3])
        store = records.Records(str(self.state_directory))
        with store.locked(base.HOST):
            output = self.assert_done("status", base.HOST)
            self.assertIn(": at work in reset", output)
            output = self.assert_done("status", "--json", base.HOST)
        self.assertIs(True, json.loads(output)["services"][0]["at_work"])
        output = self.assert_done("status", "--json", base.HOST)
        self.assertIs(False, json.loads(output)["services"][0]["at_work"])

    def test_looking_keeps_no_run_out(self):
        store = records.Records(str(self.state_directory))
        with store.locked(base.HOST):
            pass
        looking = os.open(store._path(base.HOST, ".lock"), os.O_RDWR)
        self.addCleanup(os.close, looking)
        fcntl.flock(looking, fcntl.LOCK_SH)
        timer = threading.Timer(0.05, fcntl.flock, (looking, fcntl.LOCK_UN))
        timer.start()
        self.addCleanup(timer.join)
        with store.locked(base.HOST):
            self.assertTrue(store.at_work(base.HOST))
        self.assertFalse(store.at_work(base.HOST))

    def test_no_such_host(self):
        self.assert_refused("no volume service of host", "status", "x@y")
