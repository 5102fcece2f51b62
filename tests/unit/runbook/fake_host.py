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

"""A storage host: a real SSH server that runs the real cinder-promote-host.

The volume service is a file with its state, as in the tests of that command.
"""

import contextlib
import io
import os
import pathlib
import shlex
import socket
import threading
from unittest import mock

import paramiko

from cinder_promote.cmd import host as host_command
from cinder_promote.runbook import errors, shell
from tests.unit.host import base

# redirect_stdout is for the whole process.
_ONE_AT_A_TIME = threading.Lock()


class FakeHost:
    """The machine.

    ``holds_current`` is the volume group with the newest copies: the driver
    does not work when its section or its row leads it elsewhere.

    :param directory: for its files
    """

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir()
        self.conf = self.dir / "cinder.conf"
        self.state = self.dir / "state"
        self.host_conf = self.dir / "host.conf"
        self.conf.write_bytes((base.SAMPLES / "devstack.conf").read_bytes())
        self.state.write_text("active\n")
        self.configure()
        self.holds_current = "promote-b"
        self.verbs = []
        # verb: what happens to the connection, "before" or "after" it ran
        self.breaks = {}

    def configure(self, **changes):
        base.write_host_conf(self.dir, **changes)

    @property
    def running(self):
        return self.state.read_text().strip() == "active"

    def points_at(self, backend):
        """Return the volume group and the targets of a section."""
        section = self.conf.read_text().partition(f"[{backend}]\n")[2]
        section = section.partition("\n[")[0]
        values = [line.partition(" = ") for line in section.splitlines()]
        (group,) = [each[2] for each in values if each[0] == "volume_group"]
        devices = [each[2] for each in values if each[0].startswith("replic")]
        return group, {
            device.split(",")[0].removeprefix("backend_id:"): device.split(
                ",volume_group:"
            )[1]
            for device in devices
        }

    def driver_works(self, backend, active_backend_id):
        group, targets = self.points_at(backend)
        if active_backend_id:
            return targets.get(active_backend_id) == self.holds_current
        return group == self.holds_current

    def run(self, command):
        """Run a command line as sshd would.

        :returns: exit status, standard output, standard error; None if the
            connection is to break
        """
        words = shlex.split(command)
        if words[0] != "cinder-promote-host":
            return 127, "", f"sh: 1: {words[0]}: not found\n"
        verb = words[2]
        fate = self.breaks.pop(verb, None)
        if fate == "before":
            return None
        output, complaint = io.StringIO(), io.StringIO()
        with (
            _ONE_AT_A_TIME,
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(complaint),
            # Neither matters here, and it takes time.
            mock.patch.object(os, "fsync"),
        ):
            status = host_command.main(
                ["--config-file", str(self.host_conf), *words[1:]]
            )
        if verb != "show" and "--dry-run" not in words:
            self.verbs.append(verb)
        if fate == "after":
            return None
        return status, output.getvalue(), complaint.getvalue()


class FakeShell:
    """Runs commands on a storage host without SSH, for the same quicker."""

    def __init__(self, fake_host):
        self.fake_host = fake_host

    def typed(self, words):
        return " ".join(words)

    def run(self, words):
        done = self.fake_host.run(shlex.join(words))
        if done is None:
            raise errors.CommandLost("The connection broke.")
        return shell.Result(*done)


class SSHServer(paramiko.ServerInterface):
    """Serves one storage host to one key.

    :param fake_host: the FakeHost
    :param key: the public key that may log in
    """

    def __init__(self, fake_host, key):
        self.fake_host = fake_host
        self.key = key

    def check_auth_publickey(self, username, key):
        if key == self.key:
            return paramiko.AUTH_SUCCESSFUL
        return paramiko.AUTH_FAILED

    def get_allowed_auths(self, username):
        return "publickey"

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        threading.Thread(
            target=self._run, args=(channel, command.decode()), daemon=True
        ).start()
        return True

    def _run(self, channel, command):
        # Its answer is dealt with after the request for this command was
        # accepted, which the client has to hear of first.
        channel.get_transport().global_request("accepted", wait=True)
        done = self.fake_host.run(command)
        if done is None:
            channel.get_transport().close()
            return
        status, output, complaint = done
        with contextlib.suppress(OSError):
            channel.sendall(output.encode())
            channel.sendall_stderr(complaint.encode())
            channel.send_exit_status(status)
            channel.close()


@contextlib.contextmanager
def served(fake_host, address, host_key, client_key):
    """Serve a host over SSH, and give the port.

    :param address: a pair of a host's address and a port or 0
    :param host_key: the server's private key
    :param client_key: the public key that may log in
    """
    listening = socket.create_server(address)
    transports = []

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(host_key)
            transports.append(transport)
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                transport.start_server(
                    event=threading.Event(),
                    server=SSHServer(fake_host, client_key),
                )

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        # Closing alone does not wake accept().
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
        for transport in transports:
            transport.close()
