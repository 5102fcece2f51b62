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

"""The commands of ``openstack`` that promotion adds."""

import argparse
from collections.abc import Callable, Iterable, Iterator
import contextlib
import typing

from cliff import columns
from keystoneauth1 import exceptions as auth_exceptions
from openstack import exceptions
from osc_lib import exceptions as osc_exceptions
from osc_lib.command import command

from cinder_promote import amounts
from cinder_promote.client import hints, requests

_ERRORS = (exceptions.SDKException, auth_exceptions.ClientException)

_COMMANDS = hints.Commands(
    # From 3.26 on openstacksdk sends it to a path that newer Cinders miss.
    fail_over="openstack --os-volume-api-version 3.25 volume host failover "
    "--volume-backend <backend-id>",
    freeze="openstack volume host set --disable",
    reset="openstack volume service reset active backend",
    enable="openstack volume service enable replication",
)


class _Change(command.Command):
    """A command that sends one of our two requests."""

    request: Callable[..., None]
    hint: Callable[..., str]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "name",
            metavar="<host>",
            help="The volume service's host, host@backend",
        )
        parser.add_argument(
            "--cluster",
            action="store_true",
            help="<host> is the name of a cluster, cluster@backend, whose "
            "services are changed together",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        kind = "cluster" if parsed_args.cluster else "host"
        target = {kind: parsed_args.name}
        with _told():
            proxy = _proxy(self)
            try:
                self.request(proxy, **target)
            except exceptions.ConflictException as error:
                hint = self._hint(proxy, target)
                raise osc_exceptions.CommandError(
                    f"{requests.sentence(error)} {hint}".rstrip()
                ) from error

    def _hint(self, proxy: typing.Any, target: dict[str, str]) -> str:
        try:
            services = requests.list_volume_services(proxy)
        except _ERRORS:
            return ""
        return self.hint(_COMMANDS, services, **target)


class ResetActiveBackend(_Change):
    """Make a failed-over volume service forget its fail-over.

    For a service that is frozen and stopped and whose configuration names
    the promoted storage as its own. It is not protected until replication is
    enabled.
    """

    request = staticmethod(requests.reset_active_backend)
    hint = staticmethod(hints.before_reset)


class EnableReplication(_Change):
    """Let a promoted volume service replicate again."""

    request = staticmethod(requests.replication_enable)
    hint = staticmethod(hints.before_enable)


class Protection(columns.FormattableColumn):
    """How far a backend is protected, out of its capabilities."""

    def human_readable(self) -> str:
        told = self.machine_readable()
        if told is None:
            return "-"
        text = f"{told['in_sync']} of {told['volumes']} volumes"
        if told["percent"] is not None:
            text += f", {told['percent']} %"
        return text + amounts.of_backend(self._value)

    def machine_readable(self) -> dict[str, typing.Any] | None:
        told = {
            "volumes": self._value.get("replication_volumes"),
            "in_sync": self._value.get("replication_volumes_in_sync"),
            "percent": self._value.get("replication_sync_percent"),
            "bytes": self._value.get("replication_sync_bytes"),
            "bytes_total": self._value.get("replication_sync_bytes_total"),
            "seconds_left": self._value.get("replication_sync_seconds_left"),
        }
        if told["volumes"] is None or told["in_sync"] is None:
            return None
        return told


class ListReplication(command.Lister):
    """List the volume services and how far each is protected."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--host",
            metavar="<host>",
            help="Only the service of this host, host@backend",
        )
        parser.add_argument(
            "--cluster",
            metavar="<cluster>",
            help="Only the services of this cluster, cluster@backend",
        )
        parser.add_argument(
            "--long",
            action="store_true",
            help="Also list each service's cluster",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[typing.Any, ...]]]:
        with _told():
            proxy = _proxy(self)
            services = requests.list_volume_services(proxy)
        capabilities = self._capabilities(proxy)
        titles = [
            "Host",
            "State",
            "Status",
            "Replication Status",
            "Active Backend ID",
            "Frozen",
            "Disabled Reason",
            "Protection",
        ]
        rows = []
        for service in services:
            if parsed_args.host not in (None, service.host):
                continue
            if parsed_args.cluster not in (None, service.cluster):
                continue
            reported = capabilities.get(service.cluster or service.host, {})
            row = [
                service.host,
                "up" if service.up else "down",
                "disabled" if service.disabled else "enabled",
                service.replication_status,
                service.active_backend_id,
                service.frozen,
                service.disabled_reason,
                Protection(reported),
            ]
            if parsed_args.long:
                row.insert(1, service.cluster)
            rows.append(tuple(row))
        if parsed_args.long:
            titles.insert(1, "Cluster")
        return tuple(titles), rows

    def _capabilities(
        self, proxy: typing.Any
    ) -> dict[str, dict[str, typing.Any]]:
        """Return what the backends report; without a scheduler, nothing."""
        try:
            return requests.capabilities(proxy)
        except _ERRORS as error:
            self.log.warning(
                "How far the backends are protected is not known: %s",
                requests.sentence(error),
            )
            return {}


def _proxy(asking: command.Command) -> typing.Any:
    return asking.app.client_manager.sdk_connection.block_storage


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Have errors of the cloud printed as sentences."""
    try:
        yield
    except _ERRORS as error:
        raise osc_exceptions.CommandError(requests.sentence(error)) from error
