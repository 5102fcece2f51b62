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

import pathlib
import subprocess
import tempfile
import types
from unittest import mock

from tempest.lib import exceptions as lib_exceptions

from cinder_promote_tempest.common import exceptions, guests
from cinder_promote_tempest.common.probes import guest
from tests.unit.tempest import base

LIMITS = {"interval": 2, "timeout": 10}


class FakeNova:
    """Servers, volumes, and a shell in the one server there is.

    What was asked for happens when somebody looks for the second time.
    """

    def __init__(self):
        self.server = {"id": "s", "status": "ACTIVE"}
        self.volumes = {"v": {"status": "available"}}
        self.disks = ["vda", "vdb"]
        self.commands = []
        self._pending = []

    def _later(self, change):
        self._pending += [lambda: None, change]

    def _look(self):
        if self._pending:
            self._pending.pop(0)()

    def attach_volume(self, server_id, *, volumeId):
        def attached():
            self.volumes[volumeId]["status"] = "in-use"
            self._later(lambda: self.disks.append("vdc"))

        self.volumes[volumeId]["status"] = "reserved"
        self._later(attached)

    def detach_volume(self, server_id, volume_id):
        if self.volumes[volume_id]["status"] != "in-use":
            raise lib_exceptions.NotFound()
        self._later(
            lambda: self.volumes[volume_id].update(status="available")
        )

    def show_volume(self, volume_id):
        self._look()
        return {"volume": dict(self.volumes[volume_id])}

    def shelve_server(self, server_id):
        self._later(lambda: self.server.update(status="SHELVED_OFFLOADED"))

    def unshelve_server(self, server_id):
        self._later(lambda: self.server.update(status="ACTIVE"))

    def delete_server(self, server_id):
        if self.server is None:
            raise lib_exceptions.NotFound()

        def deleted():
            self.server = None

        self._later(deleted)

    def show_server(self, server_id):
        self._look()
        if self.server is None:
            raise lib_exceptions.NotFound()
        return {"server": dict(self.server)}

    def exec_command(self, command, encoding="utf-8"):
        self.commands.append((command, encoding))
        self._look()
        return "".join(f"{disk}\n" for disk in self.disks)


class GuestTest(base.TempestTestCase):
    def setUp(self):
        super().setUp()
        self.fake_clock()
        self.nova = FakeNova()
        self.guest = guests.Guest(
            "s", self.nova, self.nova, self.nova, **LIMITS
        )

    def test_commands_are_run_by_root_and_quoted(self):
        self.guest.run("echo", "a b", 3)
        self.guest.read("cat", "/x; reboot")
        self.assertEqual(
            [
                ("sudo echo 'a b' 3", "utf-8"),
                ("sudo cat '/x; reboot'", None),
            ],
            self.nova.commands,
        )

    def test_put_file(self):
        text = "it's \"$x\" %s \\n\n"
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "new", "file")
            for content in ("another", text):
                self.guest.put_file(path, content)
                command, _ = self.nova.commands[-1]
                subprocess.run(
                    command.removeprefix("sudo "), shell=True, check=True
                )
                self.assertEqual(content, path.read_text())

    def test_disks_are_block_devices(self):
        with self.assertRaises(lib_exceptions.TimeoutException):
            self.nova.attach_volume = mock.Mock()
            self.nova.volumes["v"]["status"] = "in-use"
            self.guest.attach("v")
        command = self.nova.commands[0][0].removeprefix("sudo ")
        listed = subprocess.run(
            command, shell=True, check=True, capture_output=True, text=True
        ).stdout.split()
        self.assertEqual(
            sorted(
                disk.name
                for disk in pathlib.Path("/sys/block").iterdir()
                if pathlib.Path("/dev", disk.name).is_block_device()
            ),
            sorted(listed),
        )

    def test_attached_is_the_new_disk(self):
        self.assertEqual("/dev/vdc", self.guest.attach("v"))

    def test_two_new_disks_are_not_guessed_from(self):
        show = self.nova.show_volume

        def show_volume(volume_id):
            self.nova.disks = ["vda", "vdb", "vdd", "vde"]
            return show(volume_id)

        self.nova.show_volume = show_volume
        with self.assertRaises(lib_exceptions.TimeoutException) as caught:
            self.guest.attach("v")
        self.assertIn(
            "one disk more than ['vda', 'vdb']", str(caught.exception)
        )

    def test_volume_that_goes_to_error(self):
        self.nova.attach_volume = lambda *_, **__: self.nova.volumes[
            "v"
        ].update(status="error")
        with self.assertRaises(exceptions.UnexpectedState):
            self.guest.attach("v")

    def test_detach_waits_until_the_volume_is_free(self):
        self.guest.attach("v")
        self.guest.detach("v")
        self.assertEqual("available", self.nova.volumes["v"]["status"])
        self.guest.detach("v")

    def test_shelve_and_unshelve(self):
        self.guest.shelve()
        self.assertEqual("SHELVED_OFFLOADED", self.nova.server["status"])
        self.guest.unshelve()
        self.assertEqual("ACTIVE", self.nova.server["status"])

    def test_server_that_cannot_be_unshelved(self):
        self.guest.shelve()
        self.nova.unshelve_server = lambda _: self.nova.server.update(
            status="ERROR"
        )
        with self.assertRaises(exceptions.UnexpectedState):
            self.guest.unshelve()

    def test_delete_waits_until_it_is_gone(self):
        self.guest.delete()
        self.assertIsNone(self.nova.server)
        self.assertTrue(self.guest.deleted)
        self.guest.delete()

    def test_server_that_stays_is_told(self):
        self.nova.delete_server = mock.Mock()
        with self.assertRaises(lib_exceptions.TimeoutException) as caught:
            self.guest.delete()
        self.assertIn("server s is deleted", str(caught.exception))


class StartServerTest(base.TempestTestCase):
    def setUp(self):
        super().setUp()
        module = guests.__name__
        conf = self.fake_conf(module, poll_interval=2, state_timeout=10)
        conf.validation = types.SimpleNamespace(
            image_ssh_user="cirros",
            ssh_key_type="ecdsa",
            ssh_timeout=77,
            connect_timeout=7,
        )
        self.conf = conf
        conf.compute = types.SimpleNamespace(fixed_network_name=None)
        self.networks = [
            {"id": "n-1", "name": "of-p", "project_id": "p"},
            {"id": "n-2", "name": "public", "project_id": "q"},
            {"id": "n-3", "name": "another", "project_id": "q"},
        ]
        self.clients = mock.Mock()
        self.clients.networks_client.project_id = "p"
        self.clients.networks_client.list_networks = self.list_networks
        self.compute = self.patch(f"{module}.compute")
        self.compute.create_test_server.return_value = ({"id": "s"}, None)
        self.compute.get_server_ip.return_value = "192.0.2.1"
        self.ssh = self.patch(f"{module}.ssh.Client")

    def list_networks(self, **filters):
        return {
            "networks": [
                network
                for network in self.networks
                if filters.items() <= network.items()
            ]
        }

    def network(self):
        """Return the id of the network a server is connected to."""
        guests.start_server(self.clients, {"keypair": {"private_key": "k"}})
        return self.compute.create_test_server.call_args.kwargs[
            "tenant_network"
        ]["id"]

    def test_network_of_the_project(self):
        self.assertEqual("n-1", self.network())
        self.conf.compute.fixed_network_name = "public"
        self.assertEqual("n-1", self.network())

    def test_network_that_is_configured(self):
        self.conf.compute.fixed_network_name = "public"
        self.clients.networks_client.project_id = "q"
        self.assertEqual("n-2", self.network())
        self.clients.networks_client.project_id = "of-nobody"
        self.assertEqual("n-2", self.network())

    def test_network_that_is_not_clear(self):
        self.clients.networks_client.project_id = "q"
        for name in (None, "not-there"):
            self.conf.compute.fixed_network_name = name
            with self.assertRaises(
                lib_exceptions.InvalidConfiguration
            ) as caught:
                self.network()
            self.assertIn(
                f"Project q has 2 networks, and [compute] fixed_network_name "
                f"= {name} does not tell",
                str(caught.exception),
            )

    def test_as_compute_and_validation_say(self):
        clients = self.clients
        resources = {"keypair": {"private_key": "a key"}}
        started = guests.start_server(clients, resources, image_id="", more=1)
        self.assertEqual("server s", str(started))
        arguments, keywords = self.compute.create_test_server.call_args
        self.assertEqual((clients,), arguments)
        name = keywords.pop("name")
        self.assertRegex(name, "^tempest-promote-guest-")
        self.assertEqual(
            {
                "validatable": True,
                "validation_resources": resources,
                "tenant_network": self.networks[0],
                "wait_until": "SSHABLE",
                "image_id": "",
                "more": 1,
            },
            keywords,
        )
        arguments, keywords = self.ssh.call_args
        self.assertEqual(("192.0.2.1", "cirros"), arguments)
        self.assertEqual("a key", keywords["pkey"])
        self.assertEqual("ecdsa", keywords["ssh_key_type"])
        self.assertEqual(77, keywords["timeout"])
        started.run("true")
        self.ssh.return_value.exec_command.assert_called_once_with("sudo true")


class GuestProbeTest(base.TempestTestCase):
    def setUp(self):
        super().setUp()
        self.calls = mock.Mock()
        self.guest = self.calls.guest
        self.guest.deleted = False
        self.guest.attach.return_value = "/dev/vdc"
        self.writer = self.patch(
            "cinder_promote_tempest.common.probes.guest_writer.GuestWriter"
        )
        self.writer.return_value = self.calls.writer
        self.calls.create_guest.return_value = self.guest
        self.probe = guest.GuestProbe(self.calls.create_guest, **LIMITS)

    def names(self):
        return [name for name, _, _ in self.calls.mock_calls]

    def test_writes_from_open_to_close(self):
        self.probe.open("v")
        self.probe.write("a")
        self.probe.verify()
        self.probe.close()
        self.assertEqual(
            [
                "create_guest",
                "guest.attach",
                "writer.start",
                "writer.write",
                "writer.verify",
                "writer.stop",
                "guest.detach",
            ],
            self.names(),
        )
        self.writer.assert_called_once_with(self.guest, **LIMITS)
        self.calls.writer.start.assert_called_once_with("/dev/vdc")
        self.guest.detach.assert_called_once_with("v")
        self.assertTrue(self.probe.writes_in_place)
        self.assertEqual({}, self.probe.volume_arguments())

    def test_one_server_and_one_writer(self):
        for _ in range(2):
            self.probe.open("v")
            self.probe.close()
        self.calls.create_guest.assert_called_once_with()
        self.writer.assert_called_once()

    def test_closing_again_does_nothing(self):
        self.probe.close()
        self.probe.open("v")
        self.probe.close()
        self.calls.reset_mock()
        self.probe.close()
        self.assertEqual([], self.names())

    def test_volume_is_detached_though_the_writer_hangs(self):
        self.probe.open("v")
        self.calls.writer.stop.side_effect = lib_exceptions.TimeoutException
        with self.assertRaises(lib_exceptions.TimeoutException):
            self.probe.close()
        self.guest.detach.assert_called_once_with("v")

    def test_volume_is_detached_though_writing_did_not_start(self):
        self.calls.writer.start.side_effect = KeyError
        with self.assertRaises(KeyError):
            self.probe.open("v")
        self.probe.close()
        self.calls.writer.stop.assert_not_called()
        self.guest.detach.assert_called_once_with("v")

    def test_server_that_is_deleted_has_no_volume(self):
        self.probe.open("v")
        self.calls.reset_mock()
        self.guest.deleted = True
        self.probe.close()
        self.assertEqual([], self.names())
