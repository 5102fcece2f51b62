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

"""Look at every condition of a promotion before anything is touched."""

from collections.abc import Callable
import functools
from typing import Any

from cinder_promote.client import hints, requests
from cinder_promote.runbook import (
    cloud,
    errors,
    protection,
    records,
    report,
    situation,
)
from cinder_promote.runbook.promotion import Member, Promotion

# A volume in another one is being worked on by the service.
_AT_REST = ("available", "in-use", "reserved", "error", "maintenance")


class Preflight:
    """The checks of one promotion.

    ``checks`` are what was found, ``before`` is how the services are, as far
    as it could be told.

    :param run: what is to be promoted
    :param store: the records of this and of other runs
    """

    def __init__(self, run: Promotion, store: records.Records) -> None:
        self._run = run
        self._store = store
        self._shown: dict[str, dict[str, Any]] = {}
        self._goals: dict[str, dict[str, Any]] = {}
        self._services: list[requests.VolumeService] = []
        self.checks: list[report.Check] = []

    @property
    def blocked(self) -> bool:
        """Whether the run must not begin."""
        return any(each.level == report.BLOCKING for each in self.checks)

    @property
    def before(self) -> dict[str, records.Before]:
        """How each service is, if nothing is blocking."""
        return {
            each.host: records.Before(
                running=situation.process_state(self._shown[each.host])
                != situation.STOPPED,
                frozen=each.frozen,
                disabled_reason=each.disabled_reason,
                section=situation.pointing(self._shown[each.host]),
                goal=self._goals[each.host],
            )
            for each in self._services
        }

    def look(self) -> None:
        """Make all the checks; one that fails does not keep the others."""
        checks: list[Callable[[], None]] = [
            self._extension,
            self._rows,
            self._names,
            self._volumes,
            self._room,
            self._other_runs,
        ]
        for check in checks:
            self._attempt(check.__name__.strip("_"), check)
        for member in self._run.members:
            self._attempt("storage_host", self._storage_host, member)

    @functools.cached_property
    def _known_volumes(self) -> list[cloud.Volume]:
        return self._run.cloud.volumes(
            {each.name for each in self._run.members}
        )

    def _attempt(
        self, name: str, check: Callable[..., None], *arguments: Member
    ) -> None:
        try:
            check(*arguments)
        except errors.RunbookError as error:
            self._add(name, report.BLOCKING, str(error))

    def _add(self, name: str, level: str, text: str) -> None:
        check = report.Check(name, level, text)
        self.checks.append(check)
        self._run.report.check(check)

    def _extension(self) -> None:
        if self._run.cloud.extension_loaded():
            text = f"Cinder has the extension {hints.EXTENSION}."
            self._add("extension", report.OK, text)
            return
        self._add(
            "extension",
            report.BLOCKING,
            f"Cinder does not have the extension {hints.EXTENSION}: set "
            "osapi_volume_extension and look at the log of cinder-api.",
        )

    def _rows(self) -> None:
        self._services = self._run.services()
        for service in self._services:
            self._row(service)

    def _row(self, service: requests.VolumeService) -> None:
        to, found = self._run.to, situation.describe_row(service)
        status = service.replication_status
        if service.active_backend_id == to and status == "failed-over":
            text = f"{service.host} is failed over to {to}."
            self._add("failed_over", report.OK, text)
        elif service.active_backend_id == to and status in (
            "failover-error",
            "error",
        ):
            self._add(
                "failed_over",
                report.WARNING,
                f"{service.host} is failed over to {to}, but that ended in "
                f"an error: it has {found}. Look at its volumes.",
            )
        elif status == "failing-over":
            self._add(
                "failed_over",
                report.BLOCKING,
                f"{service.host} is failing over just now; wait for that.",
            )
        elif service.active_backend_id:
            self._add(
                "failed_over",
                report.BLOCKING,
                f"{service.host} is not failed over to {to}: it has {found}.",
            )
        else:
            self._add(
                "failed_over",
                report.BLOCKING,
                f"{service.host} is not failed over: it has {found}. That "
                f"comes first: cinder failover-host {service.host} "
                f"--backend_id {to}",
            )
        if service.up:
            self._add("up", report.OK, f"{service.host} is up.")
        else:
            self._add(
                "up",
                report.WARNING,
                f"{service.host} is down (its last report is of "
                f"{service.updated_at}); freezing it will take as long as "
                "Cinder waits for an answer.",
            )

    def _names(self) -> None:
        targets = self._run.replicate_to
        if self._run.to in targets:
            self._add(
                "targets",
                report.BLOCKING,
                f"{self._run.to} can't replicate to itself.",
            )
        if len(set(targets)) < len(targets):
            self._add("targets", report.BLOCKING, "A target is named twice.")

    def _volumes(self) -> None:
        volumes = self._known_volumes
        broken = [each for each in volumes if each.status.startswith("error")]
        busy = [
            each
            for each in volumes
            if each.status not in _AT_REST and each not in broken
        ]
        attached = [each for each in volumes if each.attachments]
        self._add(
            "volumes",
            report.OK,
            f"{self._run.what} has {len(volumes)} volumes, "
            f"{sum(each.replicated for each in volumes)} of them replicated; "
            f"{len(attached)} are attached and stay so.",
        )
        if broken:
            self._add(
                "volumes_in_error",
                report.WARNING,
                "These volumes are in error and will be afterwards: "
                f"{protection.names(broken)}.",
            )
        if busy:
            self._add(
                "volumes_busy",
                report.WARNING,
                "These volumes are being worked on, which the stop of the "
                f"service would interrupt: {protection.names(busy)}.",
            )

    def _room(self) -> None:
        needed = sum(
            each.size for each in self._known_volumes if each.replicated
        )
        reported = protection.capabilities(self._run.cloud)
        for target in self._run.replicate_to:
            host = f"{self._run.what.text.partition('@')[0]}@{target}"
            known = reported.get(host, {})
            free = known.get("free_capacity_gb")
            total = known.get("total_capacity_gb")
            if not isinstance(free, int | float) or not isinstance(
                total, int | float
            ):
                self._add(
                    "room",
                    report.WARNING,
                    f"Whether {target} has room for {needed} GiB can't be "
                    f"told: Cinder knows no capacity of {host}.",
                )
            elif total < needed:
                self._add(
                    "room",
                    report.BLOCKING,
                    f"{target} is too small: it has {total} GiB in all, the "
                    f"replicated volumes have {needed} GiB.",
                )
            elif free < needed:
                # Old copies of these very volumes may fill it, and they
                # are replaced.
                self._add(
                    "room",
                    report.WARNING,
                    f"{target} has {free} GiB free, the replicated volumes "
                    f"have {needed} GiB.",
                )
            else:
                self._add(
                    "room",
                    report.OK,
                    f"{target} has {free} GiB free for {needed} GiB.",
                )

    def _other_runs(self) -> None:
        for record in self._store.needing_stopped(
            self._run.what.text, self._run.hosts
        ):
            self._add(
                "other_runs",
                report.BLOCKING,
                f"The run of {record.name} needs the volume service on "
                "the same storage host stopped: finish that first "
                f"(cinder-promote resume {record.name}).",
            )

    def _storage_host(self, member: Member) -> None:
        host = member.storage_host
        shown = host.show(member.backend)
        unit = shown["service"]
        if unit["problem"]:
            raise errors.RunbookError(f"{host.name}: {unit['problem']}")
        self._add(
            "storage_host",
            report.OK,
            f"{host.name} is reached, {unit['name']} is {unit['state']}.",
        )
        others = [
            name
            for name, about in host.show_all().items()
            if name != member.backend
            and about["service"]["name"] == unit["name"]
        ]
        if others:
            self._add(
                "neighbours",
                report.WARNING,
                f"{unit['name']} on {host.name} has other backends, which do "
                f"nothing while it is stopped: {', '.join(others)}.",
            )
        answer = host.re_point(member.re_point, dry_run=True)
        self._shown[member.name] = shown
        self._goals[member.name] = situation.pointing(answer["after"])
        where = f"[{member.backend}] in cinder.conf on {host.name}"
        if answer["after"] == answer["before"]:
            self._add(
                "configuration",
                report.WARNING,
                f"{where} is re-pointed already.",
            )
        else:
            self._add("configuration", report.OK, f"{where} is understood.")


def members(api: cloud.Cloud, what: cloud.Name) -> list[str]:
    """Return the names of the services, for the checks.

    Without the API a host can still be looked at over SSH; that the API does
    not answer, or knows no such host, is for the checks to say.
    """
    try:
        return [each.host for each in api.members(what)]
    except errors.RunbookError:
        return [] if what.is_cluster else [what.text]
