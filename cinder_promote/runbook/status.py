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

"""Where the services and the runs are."""

import dataclasses
from typing import Any

from cinder_promote import amounts
from cinder_promote.client import requests
from cinder_promote.runbook import cloud, errors, protection, records


@dataclasses.dataclass(frozen=True)
class Status:
    """A volume service, how far it is protected, and the last run of it.

    ``protection`` is what its driver reports, None if it does not;
    ``at_work`` is whether a process carries out the run now.
    """

    service: requests.VolumeService
    protection: str | None
    run: records.Record | None
    at_work: bool

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            **dataclasses.asdict(self.service),
            "protection": self.protection,
            "run": self.run and dataclasses.asdict(self.run),
            "at_work": self.at_work,
        }


def statuses(
    api: cloud.Cloud, store: records.Records, name: str | None
) -> list[Status]:
    """Look at one service or cluster, or at all of them.

    :raises RunbookError: there is no such one
    """
    runs = {record.name: record for record in store.all()}
    reported = protection.capabilities(api)
    found = []
    for each in api.services():
        if name in (None, each.host, each.cluster):
            run = runs.get(each.host) or runs.get(each.cluster or "")
            found.append(
                Status(
                    each,
                    _protection(reported.get(each.cluster or each.host, {})),
                    run,
                    run is not None and store.at_work(run.name),
                )
            )
    if name and not found:
        raise errors.RunbookError(
            f"There is no volume service of host or cluster {name}."
        )
    return found


def _protection(reported: dict[str, Any]) -> str | None:
    keys = (
        "replication_volumes_in_sync",
        "replication_volumes",
        "replication_sync_percent",
    )
    if not all(key in reported for key in keys):
        return None
    text = "{} of {} volumes, {} %".format(*(reported[key] for key in keys))
    return text + amounts.of_backend(reported)
