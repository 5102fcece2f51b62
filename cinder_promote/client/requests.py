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

"""What promotion asks of Cinder, over openstacksdk.

``proxy`` is always the block storage proxy of a connection, for example
``openstack.connect().block_storage``. Errors are those of
:mod:`openstack.exceptions` and of keystoneauth; :func:`sentence` makes of one
what a person gets to read.
"""

import dataclasses
import typing

from keystoneauth1 import exceptions as auth_exceptions
from openstack import exceptions

from cinder_promote.client import hints

# The first one in which a cluster can be named.
_CLUSTERS = "3.26"
# The first one in which a service tells its cluster. Later ones ask the
# scheduler for more, which may be down when this is needed most.
_CLUSTER_SHOWN = "3.7"


class ExtensionNotLoaded(exceptions.NotFoundException):
    """Cinder does not know our requests."""


@dataclasses.dataclass(frozen=True)
class VolumeService:
    """A cinder-volume service as the API tells of it.

    ``up`` is judged by the age of its last heartbeat, so that a service that
    was stopped counts as up for a while. ``updated_at``, in ISO 8601 and UTC,
    is the time of that heartbeat, or of the last enabling, disabling or reset
    if that was later. ``cluster`` and ``active_backend_id`` are None when
    there is none.
    """

    host: str
    cluster: str | None
    up: bool
    disabled: bool
    disabled_reason: str | None
    frozen: bool
    replication_status: str | None
    active_backend_id: str | None
    updated_at: str | None


def reset_active_backend(
    proxy: typing.Any, host: str | None = None, cluster: str | None = None
) -> None:
    """Make a service or cluster forget its fail-over.

    :param host: ``host@backend``
    :param cluster: instead of host, ``cluster@backend``
    :raises ExtensionNotLoaded: Cinder does not have the extension
    :raises openstack.exceptions.ConflictException: the state of the service
        does not allow it
    :raises openstack.exceptions.HttpException: anything else that Cinder
        refuses
    """
    _put(proxy, "reset_active_backend", host, cluster)


def replication_enable(
    proxy: typing.Any, host: str | None = None, cluster: str | None = None
) -> None:
    """Let a promoted service or cluster replicate again; may be repeated.

    Parameters and errors are those of :func:`reset_active_backend`.
    """
    _put(proxy, "replication_enable", host, cluster)


def extension_loaded(proxy: typing.Any) -> bool:
    """Return whether Cinder has loaded the extension with our requests."""
    return any(found.alias == hints.EXTENSION for found in proxy.extensions())


def list_volume_services(proxy: typing.Any) -> list[VolumeService]:
    """Return the cinder-volume services, as the database has them.

    :raises openstack.exceptions.HttpException: Cinder refuses to tell
    """
    return [
        VolumeService(
            host=service.host,
            cluster=service.cluster or None,
            up=service.state == "up",
            disabled=service.status == "disabled",
            disabled_reason=service.disabled_reason or None,
            frozen=bool(service.is_frozen),
            replication_status=service.replication_status,
            active_backend_id=service.active_backend_id or None,
            updated_at=service.updated_at,
        )
        for service in proxy.services(
            binary="cinder-volume", microversion=_CLUSTER_SHOWN
        )
    ]


def capabilities(proxy: typing.Any) -> dict[str, dict[str, typing.Any]]:
    """Return what each backend last reported to the scheduler.

    :returns: capabilities by ``host@backend``, or by ``cluster@backend`` for
        a backend in a cluster; of several pools the first one's
    :raises openstack.exceptions.HttpException: Cinder refuses, or its
        scheduler does not answer
    """
    found: dict[str, dict[str, typing.Any]] = {}
    for pool in proxy.backend_pools():
        backend = pool.name.partition("#")[0]
        found.setdefault(backend, pool.capabilities or {})
    return found


def sentence(error: Exception) -> str:
    """Return what is wrong: Cinder's own sentence, if it said one."""
    if isinstance(error, auth_exceptions.ConnectFailure):
        return "The API does not answer: " + str(error)
    details = getattr(error, "details", None)
    return str(details or getattr(error, "message", None) or error)


def _put(
    proxy: typing.Any, action: str, host: str | None, cluster: str | None
) -> None:
    if (host is None) == (cluster is None):
        raise ValueError("exactly one of host and cluster must be given")
    response = proxy.put(
        f"/os-services/{action}",
        json={"host": host} if cluster is None else {"cluster": cluster},
        microversion=None if cluster is None else _CLUSTERS,
    )
    # An unknown action is 404 or, before Cinder 28, 400.
    if response.status_code in (400, 404) and not extension_loaded(proxy):
        raise ExtensionNotLoaded(response=response, details=hints.NOT_LOADED)
    exceptions.raise_from_response(response)
