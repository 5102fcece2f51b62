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

"""What a run is about: the host or cluster, and how its parts are reached."""

from collections.abc import Sequence
import dataclasses
from typing import Any

from oslo_config import cfg

from cinder_promote.client import requests
from cinder_promote.runbook import (
    cloud,
    errors,
    report,
    situation,
    storage_host,
    waiting,
)


@dataclasses.dataclass(frozen=True)
class Member:
    """One volume service, and the host where it runs.

    ``re_point`` are the arguments of the verb for its section.
    """

    name: str
    backend: str
    storage_host: storage_host.StorageHost
    re_point: list[str]


class Promotion:
    """What the steps work on.

    :param what: the host or cluster
    :param members: the names of its services, host@backend
    :param to: backend_id of the target that becomes the primary
    :param replicate_to: backend_ids of the targets of the new primary
    :param options: the values of group [runbook]
    """

    def __init__(
        self,
        what: cloud.Name,
        members: Sequence[str],
        to: str,
        replicate_to: Sequence[str],
        api: cloud.Cloud,
        options: cfg.ConfigOpts.GroupAttr,
        reporter: report.Reporter,
    ) -> None:
        self.what = what
        self.to = to
        self.replicate_to = list(replicate_to)
        self.cloud = api
        self.options = options
        self.report = reporter
        self.members = []
        for name in members:
            host, _, backend = name.partition("@")
            self.members.append(
                Member(
                    name,
                    backend,
                    storage_host.StorageHost(host, options),
                    storage_host.re_point_arguments(
                        backend, to, self.replicate_to
                    ),
                )
            )

    @property
    def hosts(self) -> set[str]:
        """The names of the storage hosts."""
        return {each.storage_host.name for each in self.members}

    def services(self) -> list[requests.VolumeService]:
        """Return the services of the members, in the same order.

        :raises RunbookError: a service came or went since the run began
        """
        found = {each.host: each for each in self.cloud.members(self.what)}
        names = [each.name for each in self.members]
        if sorted(found) != sorted(names):
            raise errors.RunbookError(
                f"{self.what} has the services {', '.join(sorted(found))}, "
                f"but this run is about {', '.join(names)}."
            )
        return [found[name] for name in names]

    def settled(self, member: Member) -> dict[str, Any]:
        """Return what the storage host shows, once its service is settled.

        A service that is on its way to another state is waited for.
        """
        settled = (situation.RUNNING, situation.STOPPED)
        host = member.storage_host
        return waiting.wait_until(
            lambda: host.show(member.backend),
            # What can't be told now will not be told later.
            lambda shown: (
                situation.process_state(shown) in settled
                or not shown["service"]["state"]
            ),
            lambda shown: (
                f"{shown['service']['name']} on {host.name} is "
                f"{shown['service']['state']} and neither starts nor stops."
            ),
            timeout=self.options.service_timeout,
            interval=self.options.poll_interval,
        )
