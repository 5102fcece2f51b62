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

"""A REST client whose requests name the microversion they need."""

from oslo_serialization import jsonutils as json
from tempest.lib.common import api_version_utils, rest_client

MICROVERSION_HEADER = "OpenStack-API-Version"


class MicroversionClient(rest_client.RestClient):
    """Block Storage client with a microversion per request.

    The microversion is an argument of the request and not a global, so one
    client may be shared between threads and microversions.
    """

    def send(
        self, method, url, expected, *, body=None, text=None, microversion=None
    ):
        """Send one request.

        :param method: "GET", "PUT" and so on
        :param url: what follows the endpoint's URL
        :param expected: the status of success
        :param body: what to send as JSON
        :param text: what to send as it is, instead of body
        :param microversion: the microversion to ask for, such as "3.26"
        :returns: the headers and the decoded body, None where it is empty
        :raises tempest.lib.exceptions.RestClientException: as tempest.lib
            does for the status
        """
        headers = self.get_headers()
        if microversion is not None:
            headers[MICROVERSION_HEADER] = f"volume {microversion}"
        if text is None and body is not None:
            text = json.dumps(body)
        resp, answer = self.request(method, url, headers=headers, body=text)
        self.expected_success(expected, resp.status)
        if microversion is not None:
            api_version_utils.assert_version_header_matches_request(
                MICROVERSION_HEADER, f"volume {microversion}", resp
            )
        return resp, json.loads(answer) if answer else None
