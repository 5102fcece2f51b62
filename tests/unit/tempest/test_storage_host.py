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

import types

from tempest.lib import exceptions as lib_exceptions

from cinder_promote_tempest.common import storage_host
from tests.unit.tempest import base


class FakeSSH:
    """Takes commands; those in refused fail."""

    def __init__(self):
        self.commands = []
        self.refused = set()

    def exec_command(self, command):
        self.commands.append(command)
        if self.refused & set(command.split()):
            raise lib_exceptions.SSHExecCommandFailed(
                command=command, exit_status=1, stderr="no", stdout=""
            )
        return "done\n"


class StorageHostTest(base.TempestTestCase):
    def setUp(self):
        super().setUp()
        self.ssh = FakeSSH()
        self.host = storage_host.StorageHost(self.ssh, "sudo promote -x")

    def test_commands(self):
        self.host.stop("lvm-a")
        self.host.re_point("lvm-a", "lvm-b", "lvm-c")
        self.host.start("lvm-a")
        self.host.undo("lvm-a")
        self.assertEqual(
            [
                "sudo promote -x stop lvm-a",
                "sudo promote -x re-point lvm-a --to lvm-b "
                "--replicate-to lvm-c",
                "sudo promote -x start lvm-a",
                "sudo promote -x undo lvm-a",
            ],
            self.ssh.commands,
        )

    def test_arguments_are_quoted(self):
        self.host.undo("a b; reboot")
        self.assertEqual(
            "sudo promote -x undo 'a b; reboot'", self.ssh.commands[0]
        )

    def test_a_refusal_is_an_error(self):
        self.ssh.refused.add("stop")
        with self.assertRaises(lib_exceptions.SSHExecCommandFailed):
            self.host.stop("lvm-a")

    def verbs(self):
        return [command.split()[-2] for command in self.ssh.commands]

    def test_stopped_starts_again(self):
        with self.host.stopped("lvm-a"):
            self.assertEqual(["stop"], self.verbs())
        self.assertEqual(["stop", "start"], self.verbs())

    def test_stopped_starts_again_after_an_error(self):
        with self.assertRaises(KeyError):
            with self.host.stopped("lvm-a"):
                raise KeyError
        self.assertEqual(["stop", "start"], self.verbs())

    def test_stopped_starts_what_did_not_stop_in_time(self):
        self.ssh.refused.add("stop")
        with self.assertRaises(lib_exceptions.SSHExecCommandFailed):
            with self.host.stopped("lvm-a"):
                self.fail("not reached")
        self.assertEqual(["stop", "start"], self.verbs())

    def test_from_config(self):
        self.fake_conf(
            "cinder_promote_tempest.common.storage_host",
            storage_host_address="192.0.2.1",
            storage_host_ssh_port=2222,
            storage_host_ssh_user="operator",
            storage_host_ssh_private_key_file="/key",
            storage_host_timeout=77,
            storage_host_command="promote",
        )
        client = self.patch(
            "cinder_promote_tempest.common.storage_host.ssh",
            types.SimpleNamespace(Client=lambda *a, **k: (a, k)),
        )
        made = storage_host.StorageHost.from_config()
        arguments, keywords = made._ssh_client
        self.assertIsNotNone(client)
        self.assertEqual(("192.0.2.1", "operator"), arguments)
        self.assertEqual(2222, keywords["port"])
        self.assertEqual("/key", keywords["key_filename"])
        self.assertEqual(77, keywords["timeout"])
