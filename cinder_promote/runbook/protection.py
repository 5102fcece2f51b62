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

"""How far the volumes of a backend are protected."""

from collections.abc import Sequence
import dataclasses
from typing import Any

from cinder_promote.runbook import cloud, errors

_MANY = 10


@dataclasses.dataclass(frozen=True)
class Sync:
    """The replicated volumes of a backend, by what can be said of them.

    ``pending`` will be in sync later, ``failed`` have lost a copy, ``lost``
    did not survive the fail-over, and of ``unknown`` the driver does not
    tell. ``percent`` is of the bytes, where the backend tells it; so are the
    bytes that were ``copied`` of those ``to_copy``, and how many
    ``seconds_left``, which are None where it does not.
    """

    total: int
    in_sync: int
    percent: float
    pending: list[cloud.Volume]
    failed: list[cloud.Volume]
    lost: list[cloud.Volume]
    unknown: list[cloud.Volume]
    copied: int | None = None
    to_copy: int | None = None
    seconds_left: float | None = None


def look(api: cloud.Cloud, name: str, hosts: set[str]) -> Sync:
    """Judge the replicated volumes of a backend that is protected.

    :param name: what the scheduler calls the backend: the host, or the
        cluster
    :param hosts: the services whose volumes these are
    """
    reported = capabilities(api).get(name)
    volumes = [each for each in api.volumes(hosts) if each.replicated]
    by_status: dict[str | None, list[cloud.Volume]] = {}
    for each in volumes:
        by_status.setdefault(each.replication_status, []).append(each)
    in_sync = by_status.pop("enabled", [])
    failed = by_status.pop("error", [])
    lost = by_status.pop("failover-error", [])
    pending = [each for group in by_status.values() for each in group]
    unknown: list[cloud.Volume] = []
    if reported is not None and "replication_volumes" not in reported:
        # Cinder itself never takes this status away, so it means nothing
        # with a driver that does not keep it up to date.
        unknown = by_status.get("failed-over", [])
        pending = [each for each in pending if each not in unknown]
    total = len(volumes)
    percent = 100.0 * len(in_sync) / total if total else 100.0
    # The scheduler is told less often than the volumes change.
    if reported is None or len(in_sync) == total:
        reported = {}
    return Sync(
        total,
        len(in_sync),
        float(reported.get("replication_sync_percent", percent)),
        pending,
        failed,
        lost,
        unknown,
        reported.get("replication_sync_bytes"),
        reported.get("replication_sync_bytes_total"),
        reported.get("replication_sync_seconds_left"),
    )


def capabilities(api: cloud.Cloud) -> dict[str, dict[str, Any]]:
    """Return what each backend told the scheduler, as far as it can be had."""
    try:
        return api.capabilities()
    except errors.APIError:
        # The scheduler may be down, and nothing here depends on it.
        return {}


def names(volumes: Sequence[cloud.Volume]) -> str:
    """Return volumes as a text with their states, shortened if many."""
    listed = [
        f"{each.id} ({each.status}, replication {each.replication_status})"
        for each in volumes[:_MANY]
    ]
    if len(volumes) > _MANY:
        listed.append(f"and {len(volumes) - _MANY} more")
    return ", ".join(listed)
