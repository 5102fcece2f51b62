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

"""Run Tempest in the guest and bring home what tells how it went."""

from collections.abc import Sequence
import io
import pathlib
import shlex
import subprocess
import tarfile
import time

from cinder_lab import chroot, commands, errors
from cinder_lab import console as console_module
from cinder_lab import guest as guest_module

PROJECT = "cinder_promote"

DEFAULT_ARGUMENTS = ("--regex", PROJECT)

FOLDER = "/var/lib/tempest"
"""In the guest: where this project's tests run; all tests run in `all`."""

REPORT = "report.txt"

_QUIET_SECONDS = 60


def command(arguments: Sequence[str]) -> str:
    """Return the guest's shell command that runs Tempest.

    Where the arguments are about this project, as they are by default, only
    its tests are looked for; otherwise all that Tempest can find.

    :param arguments: for `tempest run`; none means all tests of this
        project.
    """
    chosen = list(arguments or DEFAULT_ARGUMENTS)
    ours = any(PROJECT in argument for argument in chosen)
    words = [
        "env",
        "PYTHONUNBUFFERED=1",
        f"{chroot.VENV}/bin/tempest",
        "run",
        "--config-file",
        "/etc/tempest/tempest.conf",
        "--serial",
        *chosen,
    ]
    folder = FOLDER if ours else f"{FOLDER}/all"
    # A run that was killed has not given its users back.
    freed = f"rm -rf {FOLDER}/locks"
    return f"cd {folder} && {freed} && exec {shlex.join(words)}"


def run(
    guest: guest_module.Guest,
    line: str,
    results: pathlib.Path,
    console: console_module.Console,
) -> int:
    """Run Tempest, showing and keeping what it says.

    :param line: the guest's shell command that runs it.
    :param results: the folder that the report goes to.
    :returns: Tempest's exit status.
    :raises LabError: if the guest can't be reached.
    """
    with (results / REPORT).open("w") as report:
        process = subprocess.Popen(
            [*guest.ssh_command(), line],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None
        quiet = _Quiet()
        try:
            with commands.Progress(console, quiet.tell):
                for line in process.stdout:
                    report.write(line)
                    report.flush()
                    if line.strip():
                        quiet.heard(line)
                        console.say(line.rstrip())
                status = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if status == 255:
        raise errors.LabError(
            "the connection to the guest broke", results / REPORT
        )
    return status


def collect(
    guest: guest_module.Guest,
    results: pathlib.Path,
    command: str = "/usr/local/sbin/lab-collect",
    script: bytes = b"",
) -> None:
    """Copy the streams and logs out of the guest.

    :param command: prints them as a tar file.
    :param script: what the command is given to read.
    :raises LabError: if the guest does not hand them over.
    """
    process = subprocess.run(
        [*guest.ssh_command(), command],
        input=script,
        capture_output=True,
        timeout=600,
    )
    if process.returncode != 0:
        raise errors.LabError(
            "the results could not be collected: "
            f"{process.stderr.decode(errors='replace').strip()}"
        )
    with tarfile.open(fileobj=io.BytesIO(process.stdout)) as archive:
        for entry in archive:
            content = archive.extractfile(entry)
            if content is not None:
                name = pathlib.PurePath(entry.name).name
                (results / name).write_bytes(content.read())


class _Quiet:
    """Says how long nothing has been heard of a test run."""

    def __init__(self) -> None:
        self._finished = 0
        self._last = self._told = time.monotonic()

    def heard(self, line: str) -> None:
        """Take note of a line of the report."""
        self._last = self._told = time.monotonic()
        self._finished += " ... " in line

    def tell(self) -> str:
        """Return a line once a minute without any other, else nothing."""
        now = time.monotonic()
        if now - self._told < _QUIET_SECONDS:
            return ""
        self._told = now
        waited = console_module.duration(now - self._last)
        return f"{self._finished} tests done, the next runs since {waited}"
