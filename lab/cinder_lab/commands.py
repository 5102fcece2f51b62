# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Run commands: output to a log, progress to the console."""

from collections.abc import Callable, Mapping, Sequence
import os
import pathlib
import subprocess
import threading

from cinder_lab import console as console_module
from cinder_lab import errors

PROGRESS_INTERVAL = 15
"""Seconds between two progress lines of a command that is still running."""


def clean_environment(
    environment: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the process environment with a stable locale, plus the given."""
    merged = dict(os.environ, LC_ALL="C.UTF-8")
    merged.update(environment or {})
    return merged


def run(
    argv: Sequence[str],
    log: pathlib.Path,
    console: console_module.Console | None = None,
    name: str = "",
    environment: Mapping[str, str] | None = None,
    cwd: pathlib.Path | None = None,
) -> None:
    """Run a command to its end, with its output appended to a log.

    :param argv: the command.
    :param log: where its output goes.
    :param console: where progress is told, if anywhere.
    :param name: what the progress lines call it.
    :raises LabError: if it can't be started or exits with other than 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        output.write(f"+ {' '.join(argv)}\n".encode())
        output.flush()
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=clean_environment(environment),
                cwd=cwd,
            )
        except OSError as error:
            raise errors.LabError(f"{argv[0]}: {error.strerror}") from error
        with Progress(console, lambda: _last_line(name or argv[0], log)):
            try:
                status = process.wait()
            except BaseException:
                process.terminate()
                process.wait()
                raise
    if status != 0:
        raise errors.LabError(f"{name or argv[0]}: exit status {status}", log)


def output_of(
    argv: Sequence[str], environment: Mapping[str, str] | None = None
) -> str:
    """Return what a short command prints.

    :raises LabError: if it can't be started or exits with other than 0.
    """
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=clean_environment(environment),
        )
    except OSError as error:
        raise errors.LabError(f"{argv[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise errors.LabError(
            f"{' '.join(argv)}: exit status {done.returncode}: "
            f"{done.stderr.strip()}"
        )
    return done.stdout


class Progress:
    """Tells how a long step is getting on, while a with block lasts.

    :param console: where it is told; None tells nothing.
    :param tell: what to say, asked every interval; nothing if empty.
    :param interval: in seconds.
    """

    def __init__(
        self,
        console: console_module.Console | None,
        tell: Callable[[], str],
        interval: float = PROGRESS_INTERVAL,
    ) -> None:
        self._console = console
        self._tell = tell
        self._interval = interval
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        if self._console is not None:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        assert self._console is not None
        while not self._done.wait(self._interval):
            text = self._tell()
            if text:
                self._console.say(f"  {text}")


def _last_line(name: str, log: pathlib.Path) -> str:
    lines = errors.last_lines(log, 1)
    return f"{name}: {lines[0][:100]}" if lines else ""
