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

"""What to do about a request that Cinder refused.

It needs neither openstacksdk nor cinderclient: a service is whatever has the
attributes of :class:`Service`, and :class:`Commands` says how a client's
commands are typed.
"""

from collections.abc import Iterable
import dataclasses
import typing

EXTENSION = "os-promote-backend"
"""How Cinder lists the extension that has our requests."""

NOT_LOADED = (
    f"The cloud's Cinder does not have the extension {EXTENSION}: name it in "
    f"osapi_volume_extension in cinder.conf and restart cinder-api."
)

_FAILED_FAILOVER = ("failover-error", "error")


class Service(typing.Protocol):
    """A cinder-volume service, as both clients list it."""

    host: str
    cluster: str | None
    frozen: bool
    replication_status: str | None
    active_backend_id: str | None


@dataclasses.dataclass(frozen=True)
class Commands:
    """A client's commands, to be followed by a host.

    ``reset`` and ``enable`` may be followed by ``--cluster`` and a cluster.
    """

    fail_over: str
    freeze: str
    reset: str
    enable: str


def before_reset(
    commands: Commands,
    services: Iterable[Service],
    host: str | None = None,
    cluster: str | None = None,
) -> str:
    """Return what is to be done before reset_active_backend, or nothing.

    :param services: all cinder-volume services
    """
    service = _find(services, host, cluster)
    if service is None:
        return ""
    if host and service.cluster:
        return _name_the_cluster(commands.reset, service)
    if service.replication_status == "failing-over":
        return "Wait until the fail-over has ended."
    if _failed_over(service):
        if service.frozen:
            return ""
        return f"Freeze it first: {commands.freeze} {service.host}"
    if service.replication_status == "disabled":
        return (
            f"There is nothing to reset; what comes next is: "
            f"{commands.enable} {_name(host, cluster)}"
        )
    return (
        f"Only what has failed over can be reset; to fail it over first: "
        f"{commands.fail_over} {service.host}"
    )


def before_enable(
    commands: Commands,
    services: Iterable[Service],
    host: str | None = None,
    cluster: str | None = None,
) -> str:
    """Return what is to be done before replication_enable, or nothing.

    :param services: all cinder-volume services
    """
    service = _find(services, host, cluster)
    if service is None:
        return ""
    if host and service.cluster:
        return _name_the_cluster(commands.enable, service)
    if service.replication_status == "failing-over":
        return "Wait until the fail-over has ended."
    if _failed_over(service):
        return (
            f"What comes first, once it is frozen, stopped and re-pointed: "
            f"{commands.reset} {_name(host, cluster)}"
        )
    if service.replication_status == "not-capable":
        return (
            "Its driver does not report that it can replicate: see "
            "replication_device in cinder.conf."
        )
    return ""


def _find(
    services: Iterable[Service], host: str | None, cluster: str | None
) -> Service | None:
    for service in services:
        if (service.cluster if cluster else service.host) == (cluster or host):
            return service
    return None


def _failed_over(service: Service) -> bool:
    if service.replication_status in _FAILED_FAILOVER:
        return bool(service.active_backend_id)
    return service.replication_status == "failed-over"


def _name(host: str | None, cluster: str | None) -> str:
    return f"--cluster {cluster}" if cluster else str(host)


def _name_the_cluster(command: str, service: Service) -> str:
    return f"That is: {command} {_name(None, service.cluster)}"
