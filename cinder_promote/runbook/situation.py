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

"""Where a promotion really is, whatever the record says."""

from collections.abc import Collection, Mapping, Sequence
import dataclasses
from typing import Any, TypeAlias

from cinder_promote.client import requests

# Values of Situation.row, seen from the backend that the run is about.
FAILED_OVER = "failed over"
PROMOTED = "promoted"
PROTECTED = "protected"
# Of Situation.service
RUNNING = "running"
STOPPED = "stopped"
# Of Situation.section
BEFORE = "before"
GOAL = "goal"
OTHER = "other"

# What a step leaves, or what must be so before it: the values that are right
# for some of the fields of a Situation.
Expected: TypeAlias = Mapping[str, Collection[object]]


@dataclasses.dataclass(frozen=True)
class Situation:
    """One volume service: its row, its process, its section in cinder.conf.

    ``texts`` says the same in words, by field.
    """

    row: str
    frozen: bool
    service: str
    section: str
    texts: Mapping[str, str] = dataclasses.field(compare=False, repr=False)

    def differences(self, expected: Expected) -> list[str]:
        """Return in words what is not as expected."""
        return [
            self.texts[field]
            for field, values in expected.items()
            if getattr(self, field) not in values
        ]


def of_service(
    service: requests.VolumeService,
    shown: Mapping[str, Any],
    to: str,
    before: Mapping[str, Any] | None,
    goal: Mapping[str, Any] | None,
) -> Situation:
    """Judge what was seen of one service.

    :param shown: what cinder-promote-host shows of it
    :param to: backend_id of the target that is promoted
    :param before: what the section pointed at before the run
    :param goal: what it is to point at
    """
    host, _, backend = service.host.partition("@")
    state = process_state(shown)
    found = pointing(shown)
    where = GOAL if found == goal else BEFORE if found == before else OTHER
    return Situation(
        row=_row(service, to),
        frozen=service.frozen,
        service=state,
        section=where,
        texts={
            "row": f"{service.host} has {describe_row(service)}",
            "frozen": f"{service.host} is "
            f"{'frozen' if service.frozen else 'not frozen'}",
            "service": f"the volume service on {host} is {state}",
            "section": f"[{backend}] in cinder.conf on {host} "
            f"{_SECTIONS[where]}",
        },
    )


_SECTIONS = {
    BEFORE: "is as before the run",
    GOAL: "is re-pointed",
    OTHER: "is neither as before the run nor as it is to be",
}


def process_state(shown: Mapping[str, Any]) -> str:
    """Return RUNNING, STOPPED, or the word for a state in between.

    :param shown: what cinder-promote-host shows of a backend
    """
    service = shown["service"]
    if service["running"] is None:
        return service["state"] or service["problem"]
    return RUNNING if service["running"] else STOPPED


def pointing(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part that says what a section points at, comparable.

    :param told: what cinder-promote-host shows of a backend, or says that a
        re-point makes of it
    """
    # The order of the targets means nothing, and a command for another driver
    # may choose it.
    return {
        "volume_group": told["volume_group"],
        "replication_devices": sorted(
            told["replication_devices"], key=lambda each: each["backend_id"]
        ),
    }


def describe_row(service: requests.VolumeService) -> str:
    """Say what the fields of the row are that promotion is about."""
    return (
        f"replication_status {service.replication_status} and "
        f"active_backend_id {service.active_backend_id or 'unset'}"
    )


def _row(service: requests.VolumeService, to: str) -> str:
    status, active = service.replication_status, service.active_backend_id
    # What reset_active_backend accepts.
    if status in ("failed-over", "failover-error", "error") and active == to:
        return FAILED_OVER
    if active is None and status == "disabled":
        return PROMOTED
    if active is None and status == "enabled":
        return PROTECTED
    return describe_row(service)


def position(situation: Situation, path: Sequence[Expected]) -> int | None:
    """Return the furthest place of a path that a service is at.

    :returns: its number; None if it is nowhere on the path
    """
    matching = [
        number
        for number, expected in enumerate(path)
        if not situation.differences(expected)
    ]
    return max(matching, default=None)
