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

from cinder_lab import chroot, errors
from cinder_lab import console as console_module
from cinder_lab import guest as guest_module

DEFAULT_ARGUMENTS = ("--regex", "cinder_promote")

REPORT = "report.txt"


def command(arguments: Sequence[str]) -> str:
    """Return the guest's shell command that runs Tempest.

    :param arguments: for `tempest run`; none means all tests of this
        project.
    """
    words = [
        "env",
        "PYTHONUNBUFFERED=1",
        f"{chroot.VENV}/bin/tempest",
        "run",
        "--config-file",
        "/etc/tempest/tempest.conf",
        "--serial",
        *(arguments or DEFAULT_ARGUMENTS),
    ]
    return f"cd /var/lib/tempest && exec {shlex.join(words)}"


def run(
    guest: guest_module.Guest,
    arguments: Sequence[str],
    results: pathlib.Path,
    console: console_module.Console,
) -> int:
    """Run Tempest, showing and keeping what it says.

    :param results: the folder that the report goes to.
    :returns: Tempest's exit status.
    :raises LabError: if the guest can't be reached.
    """
    with (results / REPORT).open("w") as report:
        process = subprocess.Popen(
            [*guest.ssh_command(), command(arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                report.write(line)
                report.flush()
                if line.strip():
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


def collect(guest: guest_module.Guest, results: pathlib.Path) -> None:
    """Copy the streams and logs out of the guest.

    :raises LabError: if the guest does not hand them over.
    """
    process = subprocess.run(
        [*guest.ssh_command(), "/usr/local/sbin/lab-collect"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=600,
    )
    if process.returncode != 0:
        raise errors.LabError(
            "the results could not be collected: "
            f"{process.stderr.decode(errors='replace').strip()}"
        )
    with tarfile.open(fileobj=io.BytesIO(process.stdout)) as archive:
        archive.extractall(results, filter="data")
