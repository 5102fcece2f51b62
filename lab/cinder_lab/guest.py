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

"""Reach the guest over SSH, on the loopback interface only."""

from collections.abc import Sequence
import pathlib
import subprocess
import time
from typing import IO, Any

from cinder_lab import errors
from cinder_lab import machine as machine_module

NAME = "cinder-lab"


class Guest:
    """The running system inside the machine.

    :param machine: the machine it runs in.
    :param secrets: the folder with the key that logs in.
    :param user: whom it logs in as; only root can set the clock.
    """

    def __init__(
        self,
        machine: machine_module.Machine,
        secrets: pathlib.Path,
        user: str = "root",
    ) -> None:
        self._machine = machine
        self._secrets = secrets
        self._user = user

    def ssh_command(self, *options: str) -> list[str]:
        """Return the ssh command line that logs in.

        :raises LabError: if the machine does not run.
        """
        return [
            "ssh",
            "-F",
            "none",
            "-i",
            str(self._secrets / "lab"),
            "-p",
            str(self._machine.port("ssh")),
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            f"HostKeyAlias={NAME}",
            "-o",
            f"UserKnownHostsFile={self._secrets / 'known_hosts'}",
            "-o",
            "GlobalKnownHostsFile=none",
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "ConnectTimeout=60",
            "-o",
            "ServerAliveInterval=30",
            "-o",
            "LogLevel=ERROR",
            *options,
            f"{self._user}@127.0.0.1",
        ]

    def run(
        self,
        command: str,
        given: bytes | IO[bytes] | None = None,
        timeout: float = 300,
    ) -> str:
        """Run a shell command in the guest and return what it prints.

        :param given: its standard input.
        :param timeout: in seconds.
        :raises LabError: if it fails or takes longer.
        """
        if given is None:
            given = b""
        source: dict[str, Any] = (
            {"input": given} if isinstance(given, bytes) else {"stdin": given}
        )
        try:
            done = subprocess.run(
                [*self.ssh_command(), command],
                capture_output=True,
                timeout=timeout,
                **source,
            )
        except subprocess.TimeoutExpired as error:
            raise errors.LabError(
                f"in the guest: {command}: no end after {timeout:.0f} s"
            ) from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").splitlines()
            raise errors.LabError(
                f"in the guest: {command}: exit status {done.returncode}: "
                f"{' / '.join(said[-3:])}"
            )
        return done.stdout.decode(errors="replace")

    def interactive(self, words: Sequence[str]) -> int:
        """Run a command, or a login shell, on this terminal.

        :returns: its exit status.
        """
        options = [] if words else ["-t"]
        argv = self.ssh_command(*options)
        return subprocess.run([*argv, *words]).returncode

    def wait(self, timeout: float) -> None:
        """Wait until the guest lets us in.

        :param timeout: in seconds.
        :raises LabError: if it does not, or the machine ends.
        """
        deadline = time.monotonic() + timeout
        while True:
            if self._machine.pid() is None:
                raise errors.LabError("the machine ended", self._machine.log)
            try:
                self.run("true", timeout=60)
                return
            except errors.LabError as error:
                if time.monotonic() > deadline:
                    raise errors.LabError(
                        f"the guest lets nobody in after {timeout:.0f} s: "
                        f"{error}",
                        self._machine.console_log,
                    ) from error
            time.sleep(0.5)

    def set_clock(self) -> None:
        """Set the guest's clock by this machine's.

        :raises LabError: if that fails.
        """
        self.run(f"date -s @{time.time():.3f}")
