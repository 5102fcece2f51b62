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

"""A cluster, whose services change together, on two storage hosts."""

from unittest import mock

import ddt

from cinder_promote.runbook import steps, storage_host
from tests.unit.runbook import base

CLUSTER = "cluster@lvm-a"
RUN = ("run", CLUSTER, "--cluster", *base.RUN[2:])


@ddt.ddt
class ClusterTest(base.RunbookTestCase):
    HOSTS = ("node1", "node2")
    CLUSTER = CLUSTER

    def assert_all_at_the_end(self):
        for name, host in self.hosts.items():
            row = self.cinder.row(f"{name}@lvm-a")
            self.assertEqual(base.AT_THE_END, row)
            self.assertEqual(base.GOAL, host.points_at("lvm-a"))
            self.assertTrue(host.running)

    def test_everything_in_order(self):
        output = self.assert_done(*RUN)
        self.assert_all_at_the_end()
        for host in self.hosts.values():
            self.assertEqual(["stop", "re-point", "start"], host.verbs)
        self.assertEqual(1, self.cinder.changes.count("reset_active_backend"))
        self.assertIn("reset active backend cluster@lvm-a --cluster", output)
        self.assertIn('\'{"cluster": "cluster@lvm-a"}\'', output)

    @ddt.data("stop", "re_point", "start")
    def test_killed_between_the_two_hosts(self, verb):
        class Killed(BaseException):
            pass

        usual = getattr(storage_host.StorageHost, verb)

        def kill_at_the_second(host, *arguments, **named):
            if host.name == "node2" and "dry_run" not in named:
                raise Killed
            return usual(host, *arguments, **named)

        with mock.patch.object(
            storage_host.StorageHost, verb, kill_at_the_second
        ):
            with self.assertRaises(Killed):
                self.run_promote(*RUN)
        self.assert_done("resume")
        self.assert_all_at_the_end()

    def test_undo(self):
        with mock.patch.object(steps.Reset, "do", side_effect=SystemExit(9)):
            self.run_promote(*RUN)
        self.assert_done("undo")
        for name, host in self.hosts.items():
            row = self.cinder.row(f"{name}@lvm-a")
            self.assertEqual(base.AT_THE_START, row)
            self.assertEqual(base.BEFORE, host.points_at("lvm-a"))

    def test_service_that_joined_meanwhile(self):
        with mock.patch.object(steps.Reset, "do", side_effect=SystemExit(9)):
            self.run_promote(*RUN)
        self.cinder.add_service("node3@lvm-a", cluster=CLUSTER)
        self.assert_refused(
            "has the services node1@lvm-a, node2@lvm-a, node3@lvm-a, but "
            "this run is about node1@lvm-a, node2@lvm-a",
            "resume",
        )

    def test_one_service_that_was_started_meanwhile(self):
        with mock.patch.object(steps.Reset, "do", side_effect=SystemExit(9)):
            self.run_promote(*RUN)
        self.hosts["node2"].state.write_text("active\n")
        self.assert_refused("volume service on node2 is running", "resume")
        self.assertNotIn("reset_active_backend", self.cinder.changes)

    def test_cluster_that_is_not_there(self):
        status, output, _ = self.run_promote("run", "other@lvm-a", *RUN[2:])
        self.assertEqual(3, status)
        self.assertIn("no volume service of cluster other@lvm-a", output)
