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

"""Who may send the two requests, to what, with which body."""

from oslo_serialization import jsonutils as json
from tempest.lib import decorators, exceptions
from tempest.lib.common.utils import data_utils

from cinder_promote_tempest.api import base
from cinder_promote_tempest.services import promote_backend_client

LONGEST_NAME = 255


class PromoteRequestsTest(base.PromoteApiTest):
    """Requests that must leave a protected host as it is."""

    credentials = ["admin", "project_member", "project_reader"]

    @classmethod
    def setup_clients(cls):
        super().setup_clients()
        cls.extensions_client = cls.os_admin.volumes_extension_client_latest
        cls.member_client, cls.reader_client = (
            clients.cinder_promote.PromoteBackendClient()
            for clients in (cls.os_project_member, cls.os_project_reader)
        )

    @classmethod
    def resource_setup(cls):
        super().resource_setup()
        cls.row = cls.workflow.show_row()

    @decorators.idempotent_id("094737b4-9b08-4fc8-90b3-b53596bb55c3")
    def test_extension_is_listed(self):
        """Cinder only logs it when an extension cannot be loaded."""
        aliases = [
            extension["alias"]
            for extension in self.extensions_client.list_extensions()[
                "extensions"
            ]
        ]
        self.assertIn("os-promote-backend", aliases)

    @decorators.idempotent_id("0e4a3829-d836-4bf2-a797-71234808fb68")
    @decorators.attr(type="negative")
    def test_member_and_reader_are_forbidden(self):
        for client in (self.member_client, self.reader_client):
            for action in base.ACTIONS:
                self.assertRaises(
                    exceptions.Forbidden,
                    self.request(client, action),
                    host=self.host,
                )
                self.assert_service_row_unchanged(self.row)

    @decorators.idempotent_id("e3a23116-6727-451a-ab03-f611f9f1edb7")
    @decorators.attr(type="negative")
    def test_no_token(self):
        for action in base.ACTIONS:
            status, _ = self.promote_client.put_at(
                action,
                json.dumps({"host": self.host}),
                with_project_id=True,
                with_token=False,
            )
            self.assertEqual(401, status)
            self.assert_service_row_unchanged(self.row)

    @decorators.idempotent_id("2af95cb0-955b-4a80-b34a-ee3312af5b53")
    @decorators.attr(type="negative")
    def test_unknown_host(self):
        unknown = data_utils.rand_name("no-such-host") + "@" + self.backend
        # The second is a host with cinder-volume services, yet none itself.
        for host in (unknown, self.host.partition("@")[0]):
            for action in base.ACTIONS:
                self.assert_refused(
                    exceptions.NotFound, action, self.row, host=host
                )

    @decorators.idempotent_id("efd6eabb-fb9f-434c-b52b-fd9585c237a6")
    @decorators.attr(type="negative")
    def test_cluster_below_its_microversion(self):
        for action in base.ACTIONS:
            self.assert_refused(
                exceptions.BadRequest,
                action,
                self.row,
                naming=["cluster"],
                cluster=self.host,
                microversion="3.25",
            )

    @decorators.idempotent_id("1c9ca150-6bdf-4907-b410-503250b4fb5d")
    @decorators.attr(type="negative")
    def test_unknown_cluster(self):
        cluster = data_utils.rand_name("no-such-cluster") + "@" + self.backend
        for action in base.ACTIONS:
            self.assert_refused(
                exceptions.NotFound,
                action,
                self.row,
                cluster=cluster,
                microversion="3.26",
            )

    @decorators.idempotent_id("7c643b6e-8521-4f62-9491-278190ec56af")
    @decorators.attr(type="negative")
    def test_malformed_bodies(self):
        """Each is a 400 that names the field, host or another."""
        malformed: tuple[tuple[dict, str], ...] = (
            ({}, "host"),
            ({"host": self.host, "hots": self.host}, "hots"),
            ({"host": 1}, "host"),
            ({"host": None}, "host"),
            ({"host": [self.host]}, "host"),
            ({"host": ""}, "host"),
            ({"host": "h" * (LONGEST_NAME + 1)}, "host"),
        )
        for action in base.ACTIONS:
            for body, field in malformed:
                self.assert_refused(
                    exceptions.BadRequest,
                    action,
                    self.row,
                    naming=[field],
                    **body,
                )

    @decorators.idempotent_id("0e637749-564e-40fb-86f9-9957bafe456d")
    @decorators.attr(type="negative")
    def test_bodies_that_are_no_json_objects(self):
        for action in base.ACTIONS:
            for text in ("", f"host={self.host}", '{"host": ', '["host"]'):
                self.assertRaises(
                    exceptions.BadRequest,
                    self.promote_client.put_text,
                    action,
                    text,
                )
                self.assert_service_row_unchanged(self.row)

    @decorators.idempotent_id("d5a65e86-9938-42db-9c72-32320c90ff19")
    @decorators.attr(type="negative")
    def test_reset_of_a_protected_host(self):
        """409, saying what is and what was expected."""
        self.assert_refused(
            exceptions.Conflict,
            promote_backend_client.RESET_ACTIVE_BACKEND,
            self.row,
            naming=[self.row.replication_status, "failed-over"],
            host=self.host,
        )

    @decorators.idempotent_id("f42ff041-2692-4d6f-8b05-4b0c58524f6f")
    def test_enable_when_enabled(self):
        """A runbook may repeat itself."""
        for _ in range(2):
            self.promote_client.replication_enable(host=self.host)
            self.assert_service_row_unchanged(self.row)

    @decorators.idempotent_id("36104c23-1fcc-4e56-868b-a1c5cc08e6cf")
    def test_paths_with_and_without_project_id(self):
        body = json.dumps({"host": self.host})
        expected = {
            promote_backend_client.RESET_ACTIVE_BACKEND: 409,
            promote_backend_client.REPLICATION_ENABLE: 202,
        }
        for with_project_id in (True, False):
            for action in base.ACTIONS:
                status, text = self.promote_client.put_at(
                    action, body, with_project_id=with_project_id
                )
                self.assertEqual(expected[action], status, text)
                self.assert_service_row_unchanged(self.row)
