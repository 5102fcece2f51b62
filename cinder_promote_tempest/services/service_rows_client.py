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

"""Client of the one row of the services table that the tests assert."""

from urllib import parse

from tempest.lib import exceptions
from tempest.lib.common import rest_client

from cinder_promote_tempest.services import base_client


class ServiceRowsClient(base_client.MicroversionClient):
    """Shows one cinder-volume service as `GET /os-services` lists it."""

    # The first that also shows the cluster.
    microversion = "3.7"

    def show_service_row(self, host, binary="cinder-volume"):
        """Show one service.

        :param host: the service's host, such as h@lvm-a
        :param binary: the service's binary
        :returns: the service as the API shows it
        :raises tempest.lib.exceptions.NotFound: no such service
        """
        query = parse.urlencode({"binary": binary, "host": host})
        resp, body = self.send(
            "GET",
            f"os-services?{query}",
            200,
            microversion=self.microversion,
        )
        for service in body["services"]:
            if service["host"] == host and service["binary"] == binary:
                return rest_client.ResponseBody(resp, service)
        raise exceptions.NotFound(f"There is no {binary} service {host}")
