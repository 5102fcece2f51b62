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
import functools

from keystoneauth1 import exceptions as auth_exceptions
import openstack.exceptions
from oslo_utils import timeutils

from cinder_promote.client import hints, requests
from tests.unit.api import base as api_base
from tests.unit.client import base

REQUESTS = (requests.reset_active_backend, requests.replication_enable)


class RequestsTest(base.ClientTestCase):
    def test_reset_of_a_host(self):
        before = self.in_state(api_base.FAILED_OVER)
        requests.reset_active_backend(self.proxy(), host=self.HOST)
        self.assert_only(
            {**api_base.AFTER_RESET, "modified_at": api_base.ANY}, before
        )

    def test_enable_of_a_host(self):
        before = self.in_state(api_base.PROMOTED)
        requests.replication_enable(self.proxy(), host=self.HOST)
        self.assert_only({"replication_status": "enabled"}, before)

    def test_a_cluster_through_both(self):
        self.in_cluster(**api_base.FAILED_OVER)
        requests.reset_active_backend(self.proxy(), cluster=self.CLUSTER)
        self.assert_cluster("disabled")
        requests.replication_enable(self.proxy(), cluster=self.CLUSTER)
        self.assert_cluster("enabled")

    def test_one_of_host_and_cluster_must_be_given(self):
        for request in REQUESTS:
            self.assertRaises(ValueError, request, self.proxy())
            self.assertRaises(
                ValueError, request, self.proxy(), host="a", cluster="b"
            )

    def assert_raises(self, error, said, request, token="admin", **target):
        raised = self.assertRaises(error, request, self.proxy(token), **target)
        self.assertIs(error, type(raised))
        self.assertIn(said, requests.sentence(raised))
        self.assertNotIn("http", requests.sentence(raised))

    def test_errors_are_told_apart_and_have_cinders_sentence(self):
        self.in_state({**api_base.FAILED_OVER, "frozen": 0})
        exceptions = openstack.exceptions
        for request in REQUESTS:
            refused = functools.partial(self.assert_raises, request=request)
            refused(
                exceptions.ConflictException,
                "frozen False",
                host=self.HOST,
            )
            refused(
                exceptions.NotFoundException,
                "There is no cinder-volume host a@b.",
                host="a@b",
            )
            refused(
                exceptions.NotFoundException,
                "There is no cinder-volume cluster a@b.",
                cluster="a@b",
            )
            refused(
                exceptions.BadRequestException,
                "leave out the #",
                host=f"{self.HOST}#pool",
            )
            refused(
                exceptions.ForbiddenException,
                "Policy doesn't allow",
                host=self.HOST,
                token="member",
            )

    def test_a_cinder_without_the_extension(self):
        self.use_cinder_without_the_extension()
        self.assertFalse(requests.extension_loaded(self.proxy()))
        for request in REQUESTS:
            raised = self.assertRaises(
                requests.ExtensionNotLoaded,
                request,
                self.proxy(),
                host=self.HOST,
            )
            self.assertEqual(hints.NOT_LOADED, requests.sentence(raised))

    def test_the_extension_is_seen(self):
        self.assertTrue(requests.extension_loaded(self.proxy()))

    def test_an_api_that_does_not_answer(self):
        self.url = base.unused_url()
        raised = self.assertRaises(
            auth_exceptions.ConnectFailure,
            requests.reset_active_backend,
            self.proxy(),
            host=self.HOST,
        )
        self.assertRegex(
            requests.sentence(raised), "^The API does not answer: .*refused"
        )


class ListTest(base.ClientTestCase):
    def listed(self, **values):
        self.in_state(values)
        (found,) = (
            service
            for service in requests.list_volume_services(self.proxy())
            if service.host == self.HOST
        )
        return found

    def test_only_volume_services(self):
        listed = requests.list_volume_services(self.proxy())
        rows = [
            row["host"]
            for row in self.database.services().values()
            if row["binary"] == "cinder-volume" and not row["deleted"]
        ]
        self.assertCountEqual(rows, [service.host for service in listed])

    def test_failed_over_and_down(self):
        self.assertEqual(
            requests.VolumeService(
                host=self.HOST,
                cluster=None,
                up=False,
                disabled=True,
                disabled_reason="failed-over",
                frozen=False,
                replication_status="failed-over",
                active_backend_id="lvm-b",
                updated_at="2026-01-02T03:04:05.000000",
            ),
            self.listed(**base.NOT_FROZEN),
        )

    def test_protected_up_and_in_a_cluster(self):
        self.database.add_cluster(self.CLUSTER)
        now = timeutils.utcnow()
        self.assertEqual(
            requests.VolumeService(
                host=self.HOST,
                cluster=self.CLUSTER,
                up=True,
                disabled=False,
                disabled_reason=None,
                frozen=False,
                replication_status="enabled",
                active_backend_id=None,
                updated_at=now.isoformat(timespec="microseconds"),
            ),
            self.listed(
                cluster_name=self.CLUSTER,
                active_backend_id="",
                updated_at=now.isoformat(sep=" ", timespec="microseconds"),
            ),
        )

    def test_it_does_not_need_the_scheduler(self):
        self.pools = None
        self.assertTrue(requests.list_volume_services(self.proxy()))

    def test_capabilities_are_by_backend(self):
        self.pools = [
            {"name": "a@x#pool-1", "capabilities": {"free_capacity_gb": 1}},
            {"name": "a@x#pool-2", "capabilities": {"free_capacity_gb": 2}},
            {"name": "a@y#y", "capabilities": {"free_capacity_gb": 3}},
        ]
        found = requests.capabilities(self.proxy())
        self.assertEqual(
            {"a@x": 1, "a@y": 3},
            {name: each["free_capacity_gb"] for name, each in found.items()},
        )
