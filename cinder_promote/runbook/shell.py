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

"""Run a command on a storage host: here, or over SSH."""

from collections.abc import Sequence
import dataclasses
import os
import shlex
import subprocess
from typing import Protocol

from oslo_config import cfg
import paramiko

from cinder_promote.runbook import config, errors

# Seconds. A connection that broke shows when something is sent over it.
_KEEPALIVE = 15


@dataclasses.dataclass(frozen=True)
class Result:
    """How a command ended."""

    status: int
    output: str
    complaint: str


class Shell(Protocol):
    """Where commands are run."""

    def typed(self, words: Sequence[str]) -> str:
        """Return the command line with which a person would do the same."""

    def run(self, words: Sequence[str]) -> Result:
        """Run a command to its end.

        :raises CommandLost: it was begun, how it ended is unknown
        :raises RunbookError: it was not begun
        """


def shell_for(host: str, options: cfg.ConfigOpts.GroupAttr) -> Shell:
    """Return the shell of a storage host.

    :param options: the values of group [runbook]
    """
    address = options.storage_host_addresses.get(host, host)
    if address == config.LOCAL:
        return LocalShell(options.storage_host_timeout)
    return SSHShell(address, options)


class LocalShell:
    """Runs commands on this machine.

    :param timeout: seconds that a command may take
    """

    def __init__(self, timeout: int) -> None:
        self._timeout = timeout

    def typed(self, words: Sequence[str]) -> str:
        return shlex.join(words)

    def run(self, words: Sequence[str]) -> Result:
        # A session of its own: what interrupts the runbook does not
        # interrupt what it has begun.
        try:
            done = subprocess.run(
                words,
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self._timeout,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired as error:
            raise errors.CommandLost(
                f"'{shlex.join(words)}' did not end within {self._timeout} "
                "seconds."
            ) from error
        except OSError as error:
            raise errors.RunbookError(
                f"'{shlex.join(words)}' can't be run: {error.strerror}."
            ) from error
        return Result(done.returncode, done.stdout, done.stderr)


class SSHShell:
    """Runs commands over SSH, with one connection for each.

    :param address: the name or address of the SSH server
    :param options: the values of group [runbook]
    """

    def __init__(
        self, address: str, options: cfg.ConfigOpts.GroupAttr
    ) -> None:
        self._address = address
        self._options = options

    def typed(self, words: Sequence[str]) -> str:
        ssh = ["ssh"]
        if self._options.ssh_port != 22:
            ssh += ["-p", str(self._options.ssh_port)]
        if self._options.ssh_key_file:
            ssh += ["-i", self._options.ssh_key_file]
        ssh.append(f"{self._options.ssh_user}@{self._address}")
        # As ssh does it: the words are joined, and split by the other side.
        return f"{shlex.join(ssh)} {shlex.join(words)}"

    def run(self, words: Sequence[str]) -> Result:
        command = shlex.join(words)
        with paramiko.SSHClient() as client:
            channel = self._begin(client, command)
            try:
                with channel.makefile("rb") as stream:
                    output = stream.read()
                with channel.makefile_stderr("rb") as stream:
                    complaint = stream.read()
                status = channel.recv_exit_status()
            except TimeoutError as error:
                raise errors.CommandLost(
                    f"'{command}' on {self._address} said nothing for "
                    f"{self._options.storage_host_timeout} seconds."
                ) from error
            except (paramiko.SSHException, OSError, EOFError) as error:
                raise self._broken(command) from error
        if status < 0:
            raise self._broken(command)
        return Result(
            status,
            output.decode(errors="replace"),
            complaint.decode(errors="replace"),
        )

    def _broken(self, command: str) -> errors.CommandLost:
        return errors.CommandLost(
            f"The connection to {self._address} broke while '{command}' ran."
        )

    def _key(self) -> paramiko.PKey | None:
        if not self._options.ssh_key_file:
            return None
        path = os.path.expanduser(self._options.ssh_key_file)
        try:
            return paramiko.PKey.from_path(path)
        except (
            paramiko.SSHException,
            paramiko.UnknownKeyType,
            OSError,
            TypeError,
            ValueError,
        ) as error:
            reason = getattr(error, "strerror", None) or error
            raise errors.RunbookError(
                f"{path} (ssh_key_file) can't be used: {reason}."
            ) from error

    def _begin(
        self, client: paramiko.SSHClient, command: str
    ) -> paramiko.Channel:
        options = self._options
        known_hosts = os.path.expanduser(options.ssh_known_hosts_file)
        key = self._key()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            client.load_host_keys(known_hosts)
        except OSError as error:
            raise errors.RunbookError(
                f"{known_hosts} (ssh_known_hosts_file) can't be read: "
                f"{error.strerror}."
            ) from error
        try:
            client.connect(
                self._address,
                port=options.ssh_port,
                username=options.ssh_user,
                pkey=key,
                allow_agent=not key,
                look_for_keys=not key,
                timeout=options.ssh_timeout,
                banner_timeout=options.ssh_timeout,
                auth_timeout=options.ssh_timeout,
            )
            transport = client.get_transport()
            if transport is None:
                raise EOFError("the connection was closed")
            transport.set_keepalive(_KEEPALIVE)
            channel = transport.open_session(timeout=options.ssh_timeout)
            channel.settimeout(options.storage_host_timeout)
        except (paramiko.SSHException, OSError, EOFError) as error:
            reason = getattr(error, "strerror", None) or error
            raise errors.RunbookError(
                f"{self._address} can't be reached over SSH as "
                f"{options.ssh_user}: {str(reason).rstrip('.')}."
            ) from error
        try:
            channel.exec_command(command)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise self._broken(command) from error
        return channel
