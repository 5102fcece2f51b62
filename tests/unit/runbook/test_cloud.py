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

"""What the runbook asks of Cinder, asked of Cinder's own API."""

import json
import uuid

from cinder.volume import rpcapi
import fixtures

from cinder_promote.runbook import cloud, errors
from tests.unit.api import base as api_base
from tests.unit.client import base


class CloudTest(base.ClientTestCase):
    def setUp(self):
        super().setUp()
        self.cloud = cloud.Cloud(self.proxy())
        self.name = cloud.Name(self.HOST)
        self.answer = True
        for action in ("freeze_host", "thaw_host"):
            self.useFixture(
                fixtures.MockPatchObject(
                    rpcapi.VolumeAPI,
                    action,
                    lambda *arguments: self.answer,
                )
            )

    def row(self):
        return self.database.services()[self.service]

    def test_freeze_and_thaw(self):
        self.cloud.freeze(self.name)
        self.assertEqual(1, self.row()["frozen"])
        self.assertRaises(errors.APIError, self.cloud.freeze, self.name)
        self.cloud.thaw(self.name)
        self.assertEqual(0, self.row()["frozen"])

    def test_thaw_that_the_driver_could_not_do(self):
        self.in_state(api_base.PROMOTED)
        self.answer = False
        error = self.assertRaises(
            errors.RunbookError, self.cloud.thaw, self.name
        )
        self.assertIn("Backend reported error", str(error))

    def test_freeze_and_thaw_of_a_cluster(self):
        self.in_cluster()
        # Cinder takes any cluster of that name, whatever its binary.
        self.database.execute(
            "DELETE FROM clusters WHERE binary <> 'cinder-volume'"
        )
        name = cloud.Name(self.CLUSTER, is_cluster=True)
        self.cloud.freeze(name)
        self.assertEqual(1, self.row()["frozen"])
        members = {each.host: each.frozen for each in self.cloud.members(name)}
        self.assertEqual({self.HOST: True, "other@lvm-a": True}, members)
        self.cloud.thaw(name)
        self.assertEqual(0, self.row()["frozen"])

    def test_disable(self):
        self.cloud.disable(self.HOST, "failed-over")
        row = self.row()
        self.assertEqual(
            (1, "failed-over"), (row["disabled"], row["disabled_reason"])
        )

    def test_member(self):
        (found,) = self.cloud.members(self.name)
        self.assertEqual(self.HOST, found.host)
        error = self.assertRaises(
            errors.RunbookError, self.cloud.members, cloud.Name("x@y")
        )
        self.assertIn("no volume service of host x@y (there is: ", str(error))

    def test_volumes_of_all_projects(self):
        types = {}
        for name, spec in (("safe", "<is> True"), ("plain", "<is> False")):
            types[name] = str(uuid.uuid4())
            self.database._insert(
                "volume_types",
                {
                    "id": types[name],
                    "name": name,
                    "deleted": 0,
                    "is_public": 0,
                },
            )
            self.database._insert(
                "volume_type_extra_specs",
                {
                    "key": "replication_enabled",
                    "value": spec,
                    "volume_type_id": types[name],
                    "deleted": 0,
                },
            )
        for name, host in (
            ("safe", self.HOST),
            ("plain", self.HOST),
            ("safe", "else@lvm-a"),
        ):
            self.database._insert(
                "volumes",
                {
                    "id": str(uuid.uuid4()),
                    "host": f"{host}#pool",
                    "size": 2,
                    "status": "available",
                    "deleted": 0,
                    "project_id": "p",
                    "user_id": "u",
                    "display_name": name,
                    "volume_type_id": types[name],
                    "use_quota": 1,
                    "bootable": 0,
                    "replication_status": "enabled",
                    "created_at": api_base.HEARTBEAT,
                },
            )
        found = self.cloud.volumes({self.HOST})
        self.assertEqual(
            [("plain", False), ("safe", True)],
            sorted((each.name, each.replicated) for each in found),
        )
        self.assertEqual(
            {(self.HOST, 2, "available", "enabled", 0)},
            {
                (
                    each.host,
                    each.size,
                    each.status,
                    each.replication_status,
                    each.attachments,
                )
                for each in found
            },
        )

    def test_capabilities(self):
        self.pools = [
            {
                "name": f"{self.HOST}#pool",
                "capabilities": {"free_capacity_gb": 1.5},
            }
        ]
        told = self.cloud.capabilities()[self.HOST]
        self.assertEqual(1.5, told["free_capacity_gb"])
        json.dumps(told)
