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
from cinderclient import exceptions

from cinder_promote.client import services
from tests.unit.api import base as api_base
from tests.unit.client import base


class PromotionManagerTest(base.ClientTestCase):
    def test_a_host_with_any_microversion(self):
        before = self.in_state(api_base.FAILED_OVER)
        manager = services.PromotionManager(self.cinderclient("3.0"))
        answer = manager.reset_active_backend(host=self.HOST)
        self.assert_only(
            {**api_base.AFTER_RESET, "modified_at": api_base.ANY}, before
        )
        self.assertEqual(1, len(answer.request_ids))

        before = self.database.services()
        manager.replication_enable(host=self.HOST)
        self.assert_only({"replication_status": "enabled"}, before)

    def test_a_cluster(self):
        self.in_cluster(**api_base.FAILED_OVER)
        manager = services.PromotionManager(self.cinderclient("3.26"))
        manager.reset_active_backend(cluster=self.CLUSTER)
        self.assert_cluster("disabled")
        manager.replication_enable(cluster=self.CLUSTER)
        self.assert_cluster("enabled")

    def test_a_cluster_needs_a_microversion(self):
        manager = services.PromotionManager(self.cinderclient("3.25"))
        raised = self.assertRaises(
            exceptions.UnsupportedAttribute,
            manager.reset_active_backend,
            cluster=self.CLUSTER,
        )
        self.assertIn("3.26", str(raised))

    def test_one_of_host_and_cluster_must_be_given(self):
        manager = services.PromotionManager(self.cinderclient())
        for target in ({}, {"host": "a", "cluster": "b"}):
            self.assertRaises(ValueError, manager.replication_enable, **target)

    def test_a_conflict(self):
        manager = services.PromotionManager(self.cinderclient())
        raised = self.assertRaises(
            exceptions.ClientException,
            manager.reset_active_backend,
            host=self.HOST,
        )
        self.assertEqual(409, raised.code)
        self.assertIn("Expected of host", raised.message)
