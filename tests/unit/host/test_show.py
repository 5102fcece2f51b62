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

from tests.unit.host import base


class ShowTest(base.HostTestCase):
    def test_all_enabled_backends(self):
        self.use_sample("kolla.conf")
        self.set_state("active")
        shown = self.run_json("show")
        self.assertEqual(str(self.conf), shown["cinder_config_file"])
        self.assertEqual(
            ["lvm-a", "lvm-b", "lvm-c", "rbd-1", "nfs-1"],
            list(shown["backends"]),
        )
        self.assertEqual(
            {
                "volume_group": "promote-a",
                "replication_devices": [
                    {"backend_id": "lvm-b", "volume_group": "promote-b"}
                ],
                "problem": None,
                "service": {
                    "name": "cinder-volume.service",
                    "state": "active",
                    "running": True,
                    "problem": None,
                },
                "copying": None,
            },
            shown["backends"]["lvm-a"],
        )
        self.assertRegex(
            shown["backends"]["rbd-1"]["problem"],
            r"\[rbd-1\] sets no volume_group",
        )
        self.assertEqual(
            {
                "available": False,
                "backend": None,
                "message": "nothing was re-pointed",
            },
            shown["undo"],
        )

    def test_for_people(self):
        self.use_sample("devstack.conf")
        status, output, _ = self.run_host("show", "lvm-a")
        self.assertEqual(0, status)
        self.assertEqual(
            [
                f"file     {self.conf}",
                "service  cinder-volume.service is inactive",
                "[lvm-a]  volume group promote-a, replicated to lvm-b "
                "(promote-b)",
                "undo     nothing was re-pointed",
            ],
            output.splitlines(),
        )

    def test_undo_is_offered(self):
        self.use_sample()
        self.run_json("re-point", "lvm-a", "--to", "lvm-b")
        undo = self.run_json("show", "lvm-a")["undo"]
        self.assertEqual((True, "lvm-a"), (undo["available"], undo["backend"]))
        self.run_json("undo")
        undo = self.run_json("show", "lvm-a")["undo"]
        self.assertFalse(undo["available"])
        self.assertEqual("the re-point of lvm-a is undone", undo["message"])

    def test_service_that_does_not_exist_is_shown_as_a_problem(self):
        self.use_sample()
        self.set_state("not-found\ninactive")
        backends = self.run_json("show")["backends"]
        service = backends["lvm-a"]["service"]
        self.assertIsNone(service["state"])
        self.assertIsNone(service["running"])
        self.assertIn("no service cinder-volume.service", service["problem"])

    def test_whether_the_service_runs_in_other_words(self):
        self.use_sample()
        self.configure(started_states="up", stopped_states="gone")
        for state, running in (("up", True), ("gone", False), ("ill", None)):
            self.set_state(state)
            shown = self.run_json("show", "lvm-a")["backends"]["lvm-a"]
            self.assertIs(running, shown["service"]["running"])

    def test_services_are_told_once_each(self):
        self.use_sample()
        _, text, _ = self.run_host("show")
        self.assertEqual(1, text.count("service  "))
        self.configure(volume_service="cinder-volume@{backend}")
        _, text, _ = self.run_host("show")
        self.assertEqual(
            text.count("\n["), text.count("service  cinder-volume@")
        )

    def test_unknown_backend(self):
        self.use_sample()
        self.assert_refused(r"no backend section \[lvm-x\]", "show", "lvm-x")

    def test_nothing_is_written(self):
        self.use_sample()
        before = self.snapshot()
        self.run_host("show")
        self.assertEqual(before, self.snapshot())
