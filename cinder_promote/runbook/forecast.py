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

"""What would happen if a backend failed now."""

from collections.abc import Sequence
import dataclasses
from typing import Any

from cinder_promote.client import requests
from cinder_promote.runbook import cloud, errors, protection, situation


@dataclasses.dataclass(frozen=True)
class Forecast:
    """Which volumes of one backend would survive its loss.

    ``problem`` says why none would, where that is a matter of the whole
    backend. ``targets`` are None where the backend does not tell them.
    """

    host: str
    targets: list[str] | None
    problem: str | None
    protected: list[cloud.Volume]
    lost: list[tuple[cloud.Volume, str]]

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "host": self.host,
            "targets": self.targets,
            "problem": self.problem,
            "protected": [dataclasses.asdict(each) for each in self.protected],
            "lost": [
                {**dataclasses.asdict(each), "reason": reason}
                for each, reason in self.lost
            ],
        }


def forecasts(api: cloud.Cloud, name: str | None) -> list[Forecast]:
    """Look at one backend, or at all of them.

    :param name: a host or a cluster
    :raises RunbookError: there is no such one
    """
    services = [
        each
        for each in api.services()
        if name in (None, each.host, each.cluster)
    ]
    if not services:
        raise errors.RunbookError(
            f"There is no volume service of host or cluster {name}."
            if name
            else "There is no volume service."
        )
    volumes = api.volumes({each.host for each in services})
    reported = protection.capabilities(api)
    return [
        _forecast(
            service,
            reported.get(service.cluster or service.host),
            [each for each in volumes if each.host == service.host],
        )
        for service in services
    ]


def _forecast(
    service: requests.VolumeService,
    reported: dict[str, Any] | None,
    volumes: Sequence[cloud.Volume],
) -> Forecast:
    targets = (reported or {}).get("replication_targets")
    problem = None
    if (service.replication_status, service.active_backend_id) != (
        "enabled",
        None,
    ):
        problem = f"it has {situation.describe_row(service)}"
    elif reported is not None and not reported.get("replication_enabled"):
        problem = "its driver says that it does not replicate"
    protected = []
    lost = []
    for each in volumes:
        reason = problem or _reason(each)
        if reason:
            lost.append((each, reason))
        else:
            protected.append(each)
    return Forecast(service.host, targets, problem, protected, lost)


def _reason(volume: cloud.Volume) -> str | None:
    if not volume.replicated:
        return "its type is not replicated"
    if volume.replication_status != "enabled":
        return f"its replication is {volume.replication_status}"
    return None
