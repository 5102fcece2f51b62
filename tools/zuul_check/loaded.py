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

"""What is known of a loaded tenant, whoever has loaded it."""

import dataclasses
from typing import Protocol


@dataclasses.dataclass(frozen=True)
class Error:
    """What Zuul has to say about a piece of configuration.

    :param project: whose it is, or empty if Zuul does not say
    :param line: where the stanza begins, counted from 1, or 0
    """

    project: str
    file: str
    line: int
    text: str


@dataclasses.dataclass(frozen=True)
class Job:
    """A job as it would run, merged with its parents.

    :param variables: for all hosts, by name
    :param more: of further kinds: extra, and those of hosts and groups
    """

    name: str
    variables: dict
    more: list[dict]


class Loaded(Protocol):
    """A tenant as Zuul has loaded it."""

    errors: list[Error]

    def job_names(self) -> set[str]:
        """Return the names of the tenant's jobs."""
        ...

    def freeze(self, pipeline: str) -> dict[str, Job]:
        """Return the jobs that run for the project in a pipeline.

        :raises FreezeError: if Zuul can't put them together
        """
        ...


class FreezeError(Exception):
    """Zuul can't put a pipeline's jobs together."""
