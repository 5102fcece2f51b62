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

"""Programs that run in the background for as long as a block lasts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time

_STOP_SECONDS = 15


class LabError(Exception):
    """The lab can't do what it was asked for."""


class Program:
    """A running program.

    :param log: where its output goes
    """

    def __init__(
        self, name: str, process: subprocess.Popen, log: pathlib.Path
    ) -> None:
        self.name = name
        self.log = log
        self._process = process

    def wait(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until it does its work.

        :raises LabError: if it ends before, or takes longer
        """
        end = time.monotonic() + seconds
        while not ready():
            status = self._process.poll()
            if status is not None:
                raise LabError(
                    f"{self.name} ended with status {status}; its last words:"
                    f"\n{self.last_words()}"
                )
            if time.monotonic() > end:
                raise LabError(
                    f"{self.name} was not ready in {seconds:g} seconds; its"
                    f" last words:\n{self.last_words()}"
                )
            time.sleep(0.2)

    def status(self, seconds: float) -> int:
        """Wait until it ends; return its status.

        :raises LabError: if it takes longer
        """
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise LabError(
                f"{self.name} did not end in {seconds:g} seconds; its last"
                f" words:\n{self.last_words()}"
            ) from None

    def last_words(self) -> str:
        """Return the end of its log."""
        return "\n".join(
            self.log.read_text(errors="replace").split("\n")[-20:]
        )


@contextlib.contextmanager
def running(
    name: str,
    command: Sequence[str | pathlib.Path],
    directory: pathlib.Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Program]:
    """Run a program and stop it with all that it has started.

    :param directory: where its log is written
    """
    log = directory / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            # Ctrl-C is for the lab, which stops the program in its turn.
            start_new_session=True,
        )
    try:
        yield Program(name, process, log)
    finally:
        _stop(process)


def _stop(process: subprocess.Popen) -> None:
    """End a program, and by force what is left of it and its children."""
    process.terminate()
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port: int) -> bool:
    """Tell whether somebody listens on a port of the loopback interface."""
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False
