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

"""Stop and start the volume service, whatever it is run by."""

import time

from oslo_config import cfg

from cinder_promote.host import command, errors

_BACKEND = "{backend}"


class Service:
    """The volume service, seen through the configured commands.

    :param options: the values of group [host]
    :param backend: the backend that it serves
    :raises HostError: each backend has its own, and none is named
    """

    def __init__(
        self, options: cfg.ConfigOpts.GroupAttr, backend: str | None = None
    ) -> None:
        self._options = options
        self.name: str = options.volume_service
        if _BACKEND in self.name:
            if backend is None:
                raise errors.HostError(
                    f"Each backend has a volume service of its own "
                    f"({self.name}), so name the backend."
                )
            self.name = self.name.replace(_BACKEND, backend)

    def state(self) -> str:
        """Return the word that status_command prints for the state.

        :raises HostError: it can't be told
        """
        timeout = self._options.status_timeout
        done = self._run("status_command", timeout)
        words = done.output.lower().split()
        if not words:
            raise errors.HostError(
                f"status_command printed no state for {self.name}"
                f"{command.quote(done.complaint)}"
            )
        if "not-found" in words:
            raise errors.HostError(
                f"There is no service {self.name}; set volume_service in "
                "[host]."
            )
        return words[-1]

    def runs(self, state: str) -> bool | None:
        """Whether the service runs in a state, None on the way to another."""
        if state in self._options.started_states:
            return True
        if state in self._options.stopped_states:
            return False
        return None

    def require_stopped(self) -> None:
        """Refuse to go on while the service may be running.

        :raises HostError: it is not in one of stopped_states
        """
        state = self.state()
        if self.runs(state) is not False:
            raise errors.HostError(
                f"{self.name} is {state}; stop it first (cinder-promote-host "
                "stop)."
            )

    def stop(self) -> bool:
        """Stop the service and wait until it is gone.

        :returns: False if it was stopped already
        :raises HostError: it did not stop within stop_timeout
        """
        if self.runs(self.state()) is False:
            return False
        self._change("stop_command", self._options.stop_timeout)
        self._wait("stop", self._options.stopped_states)
        return True

    def start(self) -> bool:
        """Start the service and wait until it runs.

        :returns: False if it was running already
        :raises HostError: it did not start within start_timeout
        """
        if self.runs(self.state()):
            return False
        self._change("start_command", self._options.start_timeout)
        self._wait("start", self._options.started_states)
        return True

    def _wait(self, verb: str, wanted: list[str]) -> None:
        timeout = self._options[f"{verb}_timeout"]
        deadline = time.monotonic() + timeout
        while (state := self.state()) not in wanted:
            if state == "failed":
                raise errors.HostError(
                    f"{self.name} failed to {verb}; its log says why."
                )
            if time.monotonic() >= deadline:
                raise errors.HostError(
                    f"{self.name} did not {verb} within {timeout} seconds, "
                    f"it is {state}."
                )
            time.sleep(self._options.poll_interval)

    def _change(self, option: str, timeout: int) -> None:
        self._run(option, timeout).require_success()

    def _run(self, option: str, timeout: int) -> command.Done:
        words = [
            word.replace("{service}", self.name)
            for word in command.split(self._options, option)
        ]
        return command.run(option, words, self.name, timeout)
