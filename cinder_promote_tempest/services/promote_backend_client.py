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

"""Client of the two requests of the os-promote-backend extension."""

import re

from tempest.lib.common import rest_client

from cinder_promote_tempest.services import base_client

RESET_ACTIVE_BACKEND = "reset_active_backend"
REPLICATION_ENABLE = "replication_enable"

# The status that means success, by request.
ACTIONS = {RESET_ACTIVE_BACKEND: 204, REPLICATION_ENABLE: 202}


class PromoteBackendClient(base_client.MicroversionClient):
    """Turns a failed-over service into a primary that can be protected."""

    def reset_active_backend(self, *, microversion=None, **body):
        """Make what the host failed over to its primary, unprotected.

        :param microversion: 3.26 or later to use cluster
        :param body: host=... or cluster=...
        """
        return self._put(RESET_ACTIVE_BACKEND, body, microversion)

    def replication_enable(self, *, microversion=None, **body):
        """Have the host protected by its replication targets again.

        :param microversion: 3.26 or later to use cluster
        :param body: host=... or cluster=...
        """
        return self._put(REPLICATION_ENABLE, body, microversion)

    def put_text(self, action, text):
        """Send one of the two requests with any text as its body."""
        resp, _ = self.send(
            "PUT", self._url(action), ACTIONS[action], text=text
        )
        return rest_client.ResponseBody(resp)

    def put_at(self, action, body, *, with_project_id, with_token=True):
        """Send one of the two requests to one of its two paths.

        :param action: name of the request
        :param body: text to send
        :param with_project_id: whether the path has the project id
        :param with_token: whether to authenticate
        :returns: the status and the text of the answer, whatever they are
        """
        headers = self.get_headers()
        if with_token:
            headers["X-Auth-Token"] = self.token
        project = f"/{self.project_id}" if with_project_id else ""
        resp, text = self.raw_request(
            f"{self._api_root()}{project}/{self._url(action)}",
            "PUT",
            headers=headers,
            body=body,
        )
        return resp.status, text

    def _put(self, action, body, microversion):
        resp, _ = self.send(
            "PUT",
            self._url(action),
            ACTIONS[action],
            body=body,
            microversion=microversion,
        )
        return rest_client.ResponseBody(resp)

    def _api_root(self):
        """The endpoint up to /v3, whether or not it has a project id."""
        match = re.match(r"(.*/v3)(/|$)", self.base_url)
        if match is None:
            raise ValueError(
                f"The Block Storage endpoint {self.base_url} has no /v3"
            )
        return match.group(1)

    @staticmethod
    def _url(action):
        return f"os-services/{action}"
