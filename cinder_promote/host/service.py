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

import shlex
import subprocess
import tempfile
import time
from typing import IO

from oslo_config import cfg

from cinder_promote.host import errors


class Service:
    """The volume service, seen through the configured commands.

    :param options: the values of group [host]
    """

    def __init__(self, options: cfg.ConfigOpts.GroupAttr) -> None:
        self._options = options
        self.name: str = options.volume_service

    def state(self) -> str:
        """Return the word that status_command prints for the state.

        :raises HostError: it can't be told
        """
        timeout = self._options.status_timeout
        _, output, complaint = self._run("status_command", timeout)
        words = output.lower().split()
        if not words:
            raise errors.HostError(
                f"status_command printed no state for {self.name}"
                f"{_last_line(complaint)}"
            )
        if "not-found" in words:
            raise errors.HostError(
                f"There is no service {self.name}; set volume_service in "
                "[host]."
            )
        return words[-1]

    def require_stopped(self) -> None:
        """Refuse to go on while the service may be running.

        :raises HostError: it is not in one of stopped_states
        """
        state = self.state()
        if state not in self._options.stopped_states:
            raise errors.HostError(
                f"{self.name} is {state}; stop it first (cinder-promote-host "
                "stop)."
            )

    def stop(self) -> bool:
        """Stop the service and wait until it is gone.

        :returns: False if it was stopped already
        :raises HostError: it did not stop within stop_timeout
        """
        if self.state() in self._options.stopped_states:
            return False
        self._change("stop_command", self._options.stop_timeout)
        self._wait("stop", self._options.stopped_states)
        return True

    def start(self) -> bool:
        """Start the service and wait until it runs.

        :returns: False if it was running already
        :raises HostError: it did not start within start_timeout
        """
        if self.state() in self._options.started_states:
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
        status, output, complaint = self._run(option, timeout)
        if status != 0:
            raise errors.HostError(
                f"{option} for {self.name} failed with status {status}"
                f"{_last_line(complaint or output)}"
            )

    def _run(self, option: str, timeout: int) -> tuple[int, str, str]:
        """Run a configured command.

        What it prints goes to files: a service that it leaves behind may
        keep a pipe open for ever.

        :returns: its exit status, standard output and standard error
        """
        words = self._words(option)
        with (
            tempfile.TemporaryFile() as output,
            tempfile.TemporaryFile() as complaint,
        ):
            try:
                done = subprocess.run(
                    words,
                    check=False,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=complaint,
                    timeout=timeout,
                )
            except subprocess.TimeoutExpired:
                raise errors.HostError(
                    f"{option} for {self.name} did not end within {timeout} "
                    "seconds."
                ) from None
            except OSError as error:
                raise errors.HostError(
                    f"{option} in [host] can't be run: {error.strerror} "
                    f"({words[0]})."
                ) from error
            return done.returncode, _text(output), _text(complaint)

    def _words(self, option: str) -> list[str]:
        try:
            words = shlex.split(self._options[option])
        except ValueError as error:
            raise errors.HostError(
                f"{option} in [host] can't be split into words: {error}."
            ) from error
        if not words:
            raise errors.HostError(f"{option} in [host] is empty.")
        return [word.replace("{service}", self.name) for word in words]


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace").strip()


def _last_line(text: str) -> str:
    """Return how a sentence ends that quotes what a command said last."""
    return f": {text.splitlines()[-1].rstrip('.')}." if text else "."
