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

import contextlib
import io
import json
import logging
import os
import pathlib
import tempfile
import unittest
from unittest import mock

import fixtures
import paramiko

from cinder_promote.cmd import promote
from cinder_promote.runbook import records, shell
from tests.unit.runbook import fake_cinder, fake_host

HOST = "node1@lvm-a"
RUN = ("run", HOST, "--to", "lvm-b", "--replicate-to", "lvm-c")

AT_THE_START = ("failed-over", "lvm-b", True, False)
AT_THE_END = ("enabled", None, False, False)
BEFORE = ("promote-a", {"lvm-b": "promote-b"})
GOAL = ("promote-b", {"lvm-c": "promote-c"})

_HOST_KEY = paramiko.ECDSAKey.generate()
_CLIENT_KEY = paramiko.ECDSAKey.generate()


class RunbookTestCase(unittest.TestCase):
    """A cloud whose backend node1@lvm-a is failed over to lvm-b."""

    OVER_SSH = False
    HOSTS = ("node1",)
    CLUSTER = None

    def setUp(self):
        super().setUp()
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.ssh = {}
        self.dir = pathlib.Path(made.name).resolve()
        self.hosts = {
            name: fake_host.FakeHost(self.dir / name) for name in self.HOSTS
        }
        self.host = self.hosts["node1"]
        self.cinder = fake_cinder.FakeCinder(self.hosts)
        for name in self.HOSTS:
            self.add_backends(name)
        served = contextlib.ExitStack()
        self.addCleanup(served.close)
        url = served.enter_context(self.cinder.served())
        if self.OVER_SSH:
            self.serve_hosts(served)
        else:
            patch = mock.patch.object(
                shell,
                "shell_for",
                lambda name, _: fake_host.FakeShell(self.hosts[name]),
            )
            served.enter_context(patch)
        clouds = self.dir / "clouds.yaml"
        clouds.write_text(
            "clouds: {test: {auth_type: admin_token, "
            f"auth: {{endpoint: '{url}', token: admin}}}}}}\n"
        )
        for name, value in (
            ("OS_CLIENT_CONFIG_FILE", str(clouds)),
            ("OS_CLOUD", "test"),
        ):
            fixture = fixtures.EnvironmentVariable(name, value)
            fixture.setUp()
            self.addCleanup(fixture.cleanUp)
        # What the servers log is not to be taken for what a command says.
        # Without any handler it would go to standard error; Tempest lowers the
        # level of a logger below this one.
        for name, value in (
            ("propagate", False),
            ("handlers", [logging.NullHandler()]),
        ):
            silenced = fixtures.MockPatchObject(
                logging.getLogger("paramiko"), name, value
            )
            silenced.setUp()
            self.addCleanup(silenced.cleanUp)
        self.runbook_conf = self.dir / "runbook.conf"
        self.state_directory = self.dir / "state"
        self.configure()

    def serve_hosts(self, served):
        # The option for the port is one for all, so each has an address.
        self.addresses = {
            name: f"127.0.0.{number}"
            for number, name in enumerate(self.HOSTS, 1)
        }
        self.port = 0
        for name, address in self.addresses.items():
            self.port = served.enter_context(
                fake_host.served(
                    self.hosts[name],
                    (address, self.port),
                    _HOST_KEY,
                    _CLIENT_KEY,
                )
            )
        _CLIENT_KEY.write_private_key_file(str(self.dir / "key"))
        self.write_known_hosts(_HOST_KEY)
        self.ssh = {
            "storage_host_addresses": ",".join(
                f"{name}:{address}" for name, address in self.addresses.items()
            ),
            "ssh_port": self.port,
            "ssh_key_file": self.dir / "key",
            "ssh_known_hosts_file": self.dir / "known_hosts",
        }

    def add_backends(self, name):
        cluster = self.CLUSTER
        self.cinder.add_service(f"{name}@lvm-a", cluster=cluster)
        self.cinder.add_service(f"{name}@lvm-c")
        self.cinder.add_volume(f"{name}-1", f"{name}@lvm-a")
        self.cinder.add_volume(
            f"{name}-2",
            f"{name}@lvm-a",
            status="in-use",
            attachments=[{"id": "attachment"}],
        )
        self.cinder.add_volume(
            f"{name}-3", f"{name}@lvm-a", "plain", replication_status=None
        )
        self.cinder.fail_over(f"{name}@lvm-a", "lvm-b")

    def configure(self, **changes):
        values = {
            "state_directory": self.state_directory,
            **self.ssh,
            "service_timeout": 5,
            "silence_timeout": 0,
            "sync_timeout": 5,
            "poll_interval": 0.01,
            **changes,
        }
        lines = [f"{key} = {value}" for key, value in values.items()]
        self.runbook_conf.write_text("\n".join(["[runbook]", *lines, ""]))

    def write_known_hosts(self, key):
        lines = [
            f"[{address}]:{self.port} {key.get_name()} {key.get_base64()}\n"
            for address in self.addresses.values()
        ]
        (self.dir / "known_hosts").write_text("".join(lines))

    def run_promote(self, *arguments):
        """Run the command in this process.

        :returns: exit status, standard output, standard error
        """
        output, complaint = io.StringIO(), io.StringIO()
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        with (
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(complaint),
        ):
            try:
                status = promote.main(
                    ["--config-file", str(self.runbook_conf), *arguments]
                )
            finally:
                root.handlers, root.level = handlers, level
        return status, output.getvalue(), complaint.getvalue()

    def assert_done(self, *arguments):
        """Run the command, which must succeed, and return what it said."""
        status, output, complaint = self.run_promote(*arguments)
        self.assertEqual((0, ""), (status, complaint), output)
        return output

    def assert_refused(self, pattern, *arguments, status=1):
        """Run the command, which must say why it fails."""
        done, output, complaint = self.run_promote(*arguments)
        self.assertEqual(status, done, output + complaint)
        self.assertRegex(complaint, pattern)
        self.assertEqual(1, complaint.count("\n"), complaint)
        return complaint

    def events(self, *arguments, status=0):
        """Run the command with --json and return its lines."""
        done, output, complaint = self.run_promote(*arguments, "--json")
        self.assertEqual(status, done, output + complaint)
        return [json.loads(line) for line in output.splitlines()]

    def record(self):
        return records.Records(str(self.state_directory)).read(HOST)

    def assert_at_the_end(self):
        self.assertEqual(AT_THE_END, self.cinder.row(HOST))
        self.assertEqual(GOAL, self.host.points_at("lvm-a"))
        self.assertTrue(self.host.running)
        self.assertEqual("done", self.record().state)

    def assert_at_the_start(self):
        self.assertEqual(AT_THE_START, self.cinder.row(HOST))
        self.assertEqual(BEFORE, self.host.points_at("lvm-a"))
        self.assertTrue(self.host.running)

    def break_off(self, step):
        """Run until before a step is carried out, as if killed there."""

        class Killed(BaseException):
            pass

        def kill(*arguments):
            raise Killed

        with (
            fixtures.MockPatchObject(step, "do", kill),
            contextlib.suppress(Killed),
        ):
            self.run_promote(*RUN)
            self.fail("The run was not broken off")
        self.assertEqual(step.name, self.record().begun)


def fork(call):
    """Run a call in a child, and return how that ended.

    :returns: the status as of os.waitpid
    """
    child = os.fork()
    if child == 0:
        try:
            os._exit(call())
        finally:
            os._exit(99)
    return os.waitpid(child, 0)[1]
