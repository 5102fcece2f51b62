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

"""What the runbook asks of Cinder."""

from collections.abc import Iterator
import contextlib
import dataclasses
from typing import Any

from keystoneauth1 import exceptions as auth_exceptions
import openstack
from openstack import exceptions

from cinder_promote.client import requests
from cinder_promote.runbook import errors

# In which freeze and thaw take a cluster.
_CLUSTERS = "3.26"


@dataclasses.dataclass(frozen=True)
class Name:
    """What is promoted: ``host@backend``, or ``cluster@backend``."""

    text: str
    is_cluster: bool = False

    @property
    def kind(self) -> str:
        return "cluster" if self.is_cluster else "host"

    @property
    def body(self) -> dict[str, str]:
        return {self.kind: self.text}

    def __str__(self) -> str:
        return self.text


@dataclasses.dataclass(frozen=True)
class Volume:
    """A volume of a backend; ``size`` is in GiB.

    ``replicated`` is what its type asks for, ``replication_status`` what its
    driver says.
    """

    id: str
    name: str
    host: str
    size: int
    status: str
    replicated: bool
    replication_status: str | None
    attachments: int


class Cloud:
    """Cinder, by the API.

    Every method raises APIError with Cinder's own sentence.

    :param proxy: the block storage proxy of an openstacksdk connection
    """

    def __init__(self, proxy: Any) -> None:
        self._proxy = proxy

    @classmethod
    def connect(cls, name: str | None) -> "Cloud":
        """Connect as clouds.yaml or the environment say.

        :param name: the cloud in clouds.yaml, if it is not in OS_CLOUD
        """
        with _told():
            connection = openstack.connect(
                cloud=name, app_name="cinder-promote"
            )
            return cls(connection.block_storage)

    def extension_loaded(self) -> bool:
        """Tell whether Cinder has our two requests."""
        with _told():
            return requests.extension_loaded(self._proxy)

    def services(self) -> list[requests.VolumeService]:
        """Return every volume service."""
        with _told():
            return requests.list_volume_services(self._proxy)

    def members(self, name: Name) -> list[requests.VolumeService]:
        """Return the service of a host, or the services of a cluster.

        :raises RunbookError: there is none, or it is part of a cluster
        """
        services = self.services()
        if name.is_cluster:
            found = [each for each in services if each.cluster == name.text]
        else:
            found = [each for each in services if each.host == name.text]
        if not found:
            names = {getattr(each, name.kind) for each in services} - {None}
            known = ", ".join(sorted(names))
            raise errors.RunbookError(
                f"There is no volume service of {name.kind} {name} (there "
                f"is: {known or 'none'})."
            )
        if found[0].cluster and not name.is_cluster:
            raise errors.RunbookError(
                f"Host {name} is part of cluster {found[0].cluster}, whose "
                f"services change together: name that, with --cluster."
            )
        return sorted(found, key=lambda each: each.host)

    def freeze(self, name: Name) -> None:
        """Have the row say frozen, and tell the service."""
        self._put("freeze", name.body)

    def thaw(self, name: Name) -> None:
        """Have the row say not frozen, and tell the service.

        :raises RunbookError: also when the driver could not thaw
        """
        answer = self._put("thaw", name.body)
        # 200 with a sentence is how Cinder says that it failed.
        if answer.text.strip(' "\n') not in ("", "null"):
            raise errors.RunbookError(answer.text.strip(' "\n'))

    def disable(self, host: str, reason: str) -> None:
        """Have the scheduler leave a service out."""
        body = {"binary": "cinder-volume", "host": host}
        self._put("disable-log-reason", {**body, "disabled_reason": reason})

    def reset_active_backend(self, name: Name) -> None:
        """Have the row say that the host is a primary, unprotected."""
        with _told():
            requests.reset_active_backend(self._proxy, **name.body)

    def replication_enable(self, name: Name) -> None:
        """Have the host protected by its replication targets."""
        with _told():
            requests.replication_enable(self._proxy, **name.body)

    def capabilities(self) -> dict[str, dict[str, Any]]:
        """Return what each backend last told the scheduler."""
        with _told():
            return requests.capabilities(self._proxy)

    def volumes(self, hosts: set[str]) -> list[Volume]:
        """Return the volumes of backends, of all projects.

        :param hosts: their names, ``host@backend``
        """
        with _told():
            replicated = {
                found.name
                for public in (True, False)
                for found in self._proxy.types(is_public=public)
                if _is_replicated(found.extra_specs or {})
            }
            return [
                Volume(
                    id=each.id,
                    name=each.name or "",
                    host=each.host.partition("#")[0],
                    size=each.size,
                    status=each.status,
                    replicated=each.volume_type in replicated,
                    replication_status=each.replication_status,
                    attachments=len(each.attachments or []),
                )
                for each in self._proxy.volumes(
                    details=True, all_projects=True
                )
                if (each.host or "").partition("#")[0] in hosts
            ]

    def _put(self, action: str, body: dict[str, Any]) -> Any:
        with _told():
            response = self._proxy.put(
                f"/os-services/{action}",
                json=body,
                microversion=_CLUSTERS if "cluster" in body else None,
            )
            exceptions.raise_from_response(response)
        return response


def _is_replicated(extra_specs: dict[str, str]) -> bool:
    """Judge as Cinder does."""
    match extra_specs.get("replication_enabled", "").split():
        case ["<is>", word]:
            return word.lower() in ("1", "t", "true", "on", "y", "yes")
    return False


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn what the SDK raises into a sentence."""
    try:
        yield
    except (
        exceptions.SDKException,
        auth_exceptions.ClientException,
    ) as error:
        text = " ".join(requests.sentence(error).split())
        raise errors.APIError(f"Cinder's API: {text}") from error
