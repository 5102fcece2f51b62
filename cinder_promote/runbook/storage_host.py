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

"""The storage host command, as the runbook uses it."""

from collections.abc import Sequence
import json
import shlex
from typing import Any

from oslo_config import cfg

from cinder_promote.runbook import errors, shell


class StorageHost:
    """cinder-promote-host on one storage host.

    Every verb may be repeated. Each raises RunbookError, with what the
    command had to say, when it was refused or failed.

    :param name: the part of host@backend before the @
    :param options: the values of group [runbook]
    """

    def __init__(self, name: str, options: cfg.ConfigOpts.GroupAttr) -> None:
        self.name = name
        self._shell = shell.shell_for(name, options)
        self._command = shlex.split(options.storage_host_command)

    def typed(self, *arguments: str) -> str:
        """Return the command line with which a person would do the same."""
        return self._shell.typed([*self._command, *arguments])

    def show(self, backend: str) -> dict[str, Any]:
        """Tell what a backend's section points at and how its service is."""
        return self._run("show", backend)["backends"][backend]

    def show_all(self) -> dict[str, dict[str, Any]]:
        """Tell the same of each enabled backend."""
        return self._run("show")["backends"]

    def stop(self, backend: str) -> dict[str, Any]:
        """Stop a backend's volume service; returns when it is gone."""
        return self._run("stop", backend)

    def start(self, backend: str) -> dict[str, Any]:
        """Start a backend's volume service; returns when it runs."""
        return self._run("start", backend)

    def re_point(
        self, arguments: Sequence[str], dry_run: bool = False
    ) -> dict[str, Any]:
        """Make a replication target a section's primary.

        :param arguments: of the verb, see :func:`re_point_arguments`
        """
        return self._run(
            "re-point", *arguments, *(["--dry-run"] if dry_run else [])
        )

    def undo(self, backend: str) -> dict[str, Any]:
        """Put back the cinder.conf of before the last re-point."""
        return self._run("undo", backend)

    def _run(self, *arguments: str) -> dict[str, Any]:
        words = [*self._command, "--json", *arguments]
        done = self._shell.run(words)
        try:
            answer = json.loads(done.output)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            complaint = (done.complaint or done.output).strip().splitlines()
            said = f": {complaint[-1].rstrip('.')}" if complaint else ""
            raise errors.RunbookError(
                f"'{shlex.join(words)}' on {self.name} failed with status "
                f"{done.status}{said}."
            )
        if done.status != 0 or not answer.get("done"):
            raise errors.RunbookError(
                f"{self.name}: {answer.get('error', 'it failed.')}"
            )
        return answer


def re_point_arguments(
    backend: str, to: str, replicate_to: Sequence[str]
) -> list[str]:
    """Return the arguments of the verb re-point."""
    arguments = [backend, "--to", to]
    for target in replicate_to:
        arguments += ["--replicate-to", target]
    return arguments
