# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""A small client for the cloud's REST APIs."""

import json
from typing import Any
import urllib.error
import urllib.request

from cinder_lab import errors


class Refused(errors.LabError):
    """The service answered with an error status.

    :ivar status: the HTTP status.
    """

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class Client:
    """Requests as one user, of services whose addresses are given.

    :param addresses: where each service answers, such as
        {'identity': 'http://127.0.0.1:5000'}.
    :param timeout: seconds for one request.
    """

    def __init__(
        self, addresses: dict[str, str], timeout: float = 120
    ) -> None:
        self._addresses = addresses
        self._timeout = timeout
        self._token: str | None = None

    def authenticate(self, user: str, password: str, project: str) -> None:
        """Get a token, which later requests carry.

        :raises LabError: if the service does not answer or refuses.
        """
        domain = {"name": "Default"}
        self._token = None
        _, headers = self._exchange(
            "POST",
            "identity",
            "/v3/auth/tokens",
            {
                "auth": {
                    "identity": {
                        "methods": ["password"],
                        "password": {
                            "user": {
                                "name": user,
                                "password": password,
                                "domain": domain,
                            }
                        },
                    },
                    "scope": {"project": {"name": project, "domain": domain}},
                }
            },
        )
        self._token = headers["X-Subject-Token"]

    def request(
        self,
        method: str,
        service: str,
        path: str,
        body: Any = None,
        **headers: str,
    ) -> Any:
        """Make a request and return its answer, decoded, or None.

        :param body: sent as JSON, or as it is if it is bytes.
        :param headers: more headers; underscores stand for hyphens.
        :raises Refused: if the service answers with an error status.
        :raises LabError: if it does not answer.
        """
        return self._exchange(method, service, path, body, **headers)[0]

    def _exchange(
        self,
        method: str,
        service: str,
        path: str,
        body: Any = None,
        **headers: str,
    ) -> tuple[Any, Any]:
        url = self._addresses[service] + path
        raw = isinstance(body, bytes)
        request = urllib.request.Request(
            url,
            method=method,
            data=body if raw or body is None else json.dumps(body).encode(),
        )
        request.add_header("Accept", "application/json")
        request.add_header(
            "Content-Type",
            "application/octet-stream" if raw else "application/json",
        )
        if self._token is not None:
            request.add_header("X-Auth-Token", self._token)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with _DIRECT.open(request, timeout=self._timeout) as answer:
                text = answer.read()
                return (json.loads(text) if text else None), answer.headers
        except urllib.error.HTTPError as error:
            raise Refused(
                f"{method} {service} {path}: {error.code}: "
                f"{error.read().decode(errors='replace')[:500]}",
                error.code,
            ) from error
        except (OSError, ValueError) as error:
            raise errors.LabError(
                f"{method} {service} {path}: {error}"
            ) from error


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Never by way of a proxy: everything is on this machine."""
