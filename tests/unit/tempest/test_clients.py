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

import json
import unittest
from unittest import mock

from tempest.lib import exceptions

from cinder_promote_tempest import services


class FakeResponse(dict):
    def __init__(self, status, **headers):
        super().__init__(headers)
        self.status = status


class FakeAuth:
    """An auth provider with a catalogue of one endpoint."""

    def __init__(self, url):
        self._url = url
        self.credentials = mock.Mock(tenant_id="0123abcd")

    def base_url(self, filters, auth_data=None):
        return self._url

    def get_token(self):
        return "a-token"

    def auth_request(self, method, url, headers=None, body=None, filters=None):
        headers = dict(headers, **{"X-Auth-Token": self.get_token()})
        return f"{self._url}/{url}", headers, body


class ClientTestCase(unittest.TestCase):
    client_class: type
    endpoint = "http://c/volume/v3/0123abcd"

    def setUp(self):
        super().setUp()
        self.requests = []
        self.answers = []
        self.client = self.client_class(
            FakeAuth(self.endpoint), "volume", "region"
        )
        patcher = mock.patch.object(
            self.client, "raw_request", side_effect=self.answer_one
        )
        patcher.start()
        self.addCleanup(patcher.stop)

    def answer_one(self, url, method, headers=None, body=None, **keywords):
        self.requests.append((method, url, headers, body))
        status, text = self.answers.pop(0)
        asked = (headers or {}).get("OpenStack-API-Version")
        known = {"openstack-api-version": asked} if asked else {}
        known["content-type"] = "application/json"
        return FakeResponse(status, **known), text

    def sent(self):
        (request,) = self.requests
        return request


class PromoteBackendClientTest(ClientTestCase):
    client_class = services.PromoteBackendClient

    def test_reset_active_backend(self):
        self.answers = [(204, "")]
        self.client.reset_active_backend(host="h@lvm-a")
        method, url, headers, body = self.sent()
        self.assertEqual("PUT", method)
        self.assertEqual(
            f"{self.endpoint}/os-services/reset_active_backend", url
        )
        self.assertEqual({"host": "h@lvm-a"}, json.loads(body))
        self.assertNotIn("OpenStack-API-Version", headers)
        self.assertEqual("application/json", headers["Content-Type"])

    def test_replication_enable_of_a_cluster(self):
        self.answers = [(202, "")]
        self.client.replication_enable(cluster="c@a", microversion="3.26")
        _, url, headers, body = self.sent()
        self.assertEqual(
            f"{self.endpoint}/os-services/replication_enable", url
        )
        self.assertEqual({"cluster": "c@a"}, json.loads(body))
        self.assertEqual("volume 3.26", headers["OpenStack-API-Version"])

    def test_another_success_is_none(self):
        self.answers = [(202, "")]
        with self.assertRaises(exceptions.InvalidHttpSuccessCode):
            self.client.reset_active_backend(host="h@lvm-a")

    def test_an_empty_body_is_sent(self):
        self.answers = [(400, "{}")]
        with self.assertRaises(exceptions.BadRequest):
            self.client.reset_active_backend()
        self.assertEqual("{}", self.sent()[3])

    def test_refusals_say_why(self):
        for status, error in (
            (400, exceptions.BadRequest),
            (403, exceptions.Forbidden),
            (404, exceptions.NotFound),
            (409, exceptions.Conflict),
        ):
            self.answers = [(status, '{"fault": {"message": "host: no"}}')]
            with self.assertRaises(error) as caught:
                self.client.replication_enable(host="")
            self.assertIn("host: no", str(caught.exception))
            self.assertEqual(status, caught.exception.resp.status)

    def test_a_cloud_without_the_microversion(self):
        self.answers = [(202, "")]
        with (
            mock.patch.object(
                self.client,
                "raw_request",
                return_value=(FakeResponse(202), ""),
            ),
            self.assertRaises(exceptions.InvalidHTTPResponseHeader),
        ):
            self.client.replication_enable(cluster="c", microversion="3.26")

    def test_text(self):
        self.answers = [(204, "")]
        self.client.put_text("reset_active_backend", "not JSON")
        self.assertEqual("not JSON", self.sent()[3])

    def test_empty_text(self):
        self.answers = [(204, "")]
        self.client.put_text("reset_active_backend", "")
        self.assertEqual("", self.sent()[3])

    def test_paths_with_and_without_project_id(self):
        for endpoint in ("http://c/volume/v3/0123abcd", "http://c/volume/v3"):
            self.client.auth_provider = FakeAuth(endpoint)
            for with_project_id, path in (
                (True, "v3/0123abcd/os-services/replication_enable"),
                (False, "v3/os-services/replication_enable"),
            ):
                self.requests = []
                self.answers = [(409, "why")]
                answer = self.client.put_at(
                    "replication_enable",
                    "{}",
                    with_project_id=with_project_id,
                )
                self.assertEqual((409, "why"), answer)
                _, url, headers, body = self.sent()
                self.assertEqual(f"http://c/volume/{path}", url)
                self.assertEqual("a-token", headers["X-Auth-Token"])
                self.assertEqual("{}", body)

    def test_without_token(self):
        self.answers = [(401, "")]
        self.client.put_at(
            "replication_enable", "{}", with_project_id=True, with_token=False
        )
        self.assertNotIn("X-Auth-Token", self.sent()[2])

    def test_endpoint_of_something_else(self):
        self.client.auth_provider = FakeAuth("http://c/compute/v2.1")
        with self.assertRaises(ValueError):
            self.client.put_at("x", "{}", with_project_id=True)


class ServiceRowsClientTest(ClientTestCase):
    client_class = services.ServiceRowsClient

    def test_shows_the_one_service(self):
        listed = [
            {"binary": "cinder-volume", "host": "h@lvm-ab"},
            {"binary": "cinder-backup", "host": "h@lvm-a"},
            {"binary": "cinder-volume", "host": "h@lvm-a", "frozen": True},
        ]
        self.answers = [(200, json.dumps({"services": listed}))]
        self.assertEqual(listed[2], self.client.show_service_row("h@lvm-a"))
        method, url, headers, _ = self.sent()
        self.assertEqual("GET", method)
        self.assertEqual(
            f"{self.endpoint}/os-services?binary=cinder-volume&host=h%40lvm-a",
            url,
        )
        self.assertEqual("volume 3.7", headers["OpenStack-API-Version"])

    def test_no_such_service(self):
        self.answers = [(200, '{"services": []}')]
        with self.assertRaises(exceptions.NotFound):
            self.client.show_service_row("h@lvm-a")


class AttachmentsClientTest(ClientTestCase):
    client_class = services.AttachmentsClient

    def test_create(self):
        self.answers = [(200, '{"attachment": {"id": "1"}}')]
        made = self.client.create_attachment("v")
        self.assertEqual({"id": "1"}, dict(made))
        method, url, headers, body = self.sent()
        self.assertEqual(
            ("POST", f"{self.endpoint}/attachments"), (method, url)
        )
        self.assertEqual("volume 3.44", headers["OpenStack-API-Version"])
        self.assertEqual(
            {"attachment": {"volume_uuid": "v"}}, json.loads(body)
        )

    def test_update(self):
        self.answers = [
            (200, '{"attachment": {"id": "1", "connection_info": {"a": 2}}}')
        ]
        made = self.client.update_attachment("1", {"initiator": "iqn"})
        self.assertEqual({"id": "1", "connection_info": {"a": 2}}, dict(made))
        method, url, _, body = self.sent()
        self.assertEqual(
            ("PUT", f"{self.endpoint}/attachments/1"), (method, url)
        )
        self.assertEqual(
            {"attachment": {"connector": {"initiator": "iqn"}}},
            json.loads(body),
        )

    def test_complete(self):
        self.answers = [(204, "")]
        self.client.complete_attachment("1")
        method, url, _, body = self.sent()
        self.assertEqual(
            ("POST", f"{self.endpoint}/attachments/1/action"), (method, url)
        )
        self.assertEqual({"os-complete": {}}, json.loads(body))

    def test_delete(self):
        self.answers = [(200, '{"attachments": []}')]
        self.client.delete_attachment("1")
        self.assertEqual(
            ("DELETE", f"{self.endpoint}/attachments/1"), self.sent()[:2]
        )
