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

"""Run the guest's programs natively, in its tree, without mounting."""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time

from cinder_lab import commands, errors
from cinder_lab import console as console_module

VENV = "/opt/cinder-lab/venv"

ENVIRONMENT = {
    "PATH": f"{VENV}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
}


class Chroot:
    """A tree and its programs, run on this machine as root.

    :param tree: the guest's root folder. Its programs see the network of
        this machine, the static device nodes in its /dev, and no /proc.
    :param log: where the output of programs goes.
    """

    def __init__(self, tree: pathlib.Path, log: pathlib.Path) -> None:
        self.tree = tree
        self._log = log

    def run(
        self,
        *argv: str,
        environment: Mapping[str, str] | None = None,
        console: console_module.Console | None = None,
    ) -> None:
        """Run a program to its end.

        :raises LabError: if it exits with other than 0.
        """
        commands.run(
            self._argv(argv, environment),
            self._log,
            console,
            name=os.path.basename(argv[0]),
        )

    @contextlib.contextmanager
    def daemon(
        self,
        *argv: str,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        timeout: float = 120,
    ) -> Iterator[None]:
        """Run a program while the block lasts; stop it by SIGTERM.

        :param ready: says whether the program can be used.
        :param timeout: seconds until it must be ready, or stopped.
        :raises LabError: if it ends early or does not get ready.
        """
        name = os.path.basename(argv[0])
        with self._log.open("ab") as output:
            process = subprocess.Popen(
                self._argv(argv, environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            deadline = time.monotonic() + timeout
            while not ready():
                if process.poll() is not None:
                    raise errors.LabError(
                        f"{name}: ended with {process.returncode}", self._log
                    )
                if time.monotonic() > deadline:
                    raise errors.LabError(
                        f"{name}: not ready after {timeout:.0f} s", self._log
                    )
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _argv(
        self, argv: tuple[str, ...], environment: Mapping[str, str] | None
    ) -> list[str]:
        merged = {**ENVIRONMENT, **(environment or {})}
        return [
            "chroot",
            str(self.tree),
            "/usr/bin/env",
            "-i",
            *(f"{name}={value}" for name, value in merged.items()),
            *argv,
        ]


def listens(path: pathlib.Path) -> bool:
    """Say whether a program accepts connections on a Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
