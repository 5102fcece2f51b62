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

import hashlib
import io
import types
from unittest import mock

from tempest.lib import exceptions as lib_exceptions

from cinder_promote_tempest.common import exceptions, probes
from cinder_promote_tempest.common.probes import (
    guest,
    host,
    host_attachment,
    image,
)
from tests.unit.tempest import base, test_pattern, test_qcow2

OPTIONS = types.SimpleNamespace(
    root_helper="sudo", io_timeout=5, poll_interval=2, state_timeout=10
)


class FactoryTest(base.TempestTestCase):
    def create(self, io_probe):
        return probes.create_probe(
            io_probe, mock.Mock(), OPTIONS, self.create_guest
        )

    def create_guest(self):
        self.fail("no volume was opened")

    def test_host(self):
        self.assertIsInstance(self.create("host"), host.HostProbe)

    def test_image(self):
        self.assertIsInstance(self.create("image"), image.ImageProbe)

    def test_guest(self):
        self.assertIsInstance(self.create("guest"), guest.GuestProbe)

    def test_another_says_that_it_is_not_there(self):
        with self.assertRaises(lib_exceptions.InvalidConfiguration) as caught:
            self.create("ghost")
        self.assertIn("io_probe = ghost", str(caught.exception))


class HostProbeTest(base.TempestTestCase):
    def setUp(self):
        super().setUp()
        memory = test_pattern.Memory()
        memory.content.extend(bytes(16 * 1024 * 1024))
        self.memory = memory
        self.attachment = mock.Mock()
        self.attachment.attach.return_value = "/dev/sdx"
        self.probe = host.HostProbe(
            self.attachment, {"/dev/sdx": memory}.__getitem__
        )

    def test_data_is_remembered_while_detached(self):
        self.probe.open("v")
        self.probe.write("a")
        self.probe.close()
        self.attachment.detach.assert_called_once_with()
        self.probe.open("v")
        self.probe.verify()
        self.memory.content[1] ^= 1
        with self.assertRaises(exceptions.WrongData):
            self.probe.verify()

    def test_not_used_while_closed(self):
        self.probe.open("v")
        self.probe.close()
        with self.assertRaises(AttributeError):
            self.probe.write("a")


class HostAttachmentTest(base.TempestTestCase):
    INFO = {"driver_volume_type": "iscsi", "target_lun": 1}

    def setUp(self):
        super().setUp()
        self.calls = mock.Mock()
        self.client = self.calls.client
        self.client.create_attachment.return_value = {"id": "attachment"}
        self.client.update_attachment.return_value = {
            "id": "attachment",
            "connection_info": self.INFO,
        }
        self.connector = self.calls.connector
        self.connector.connect_volume.return_value = {"path": "/dev/sdx"}
        module = "cinder_promote_tempest.common.probes.host_attachment"
        self.patch(f"{module}._prepare_os_brick")
        brick = self.patch(f"{module}.connector")
        brick.get_connector_properties.return_value = {"initiator": "iqn"}
        self.factory = brick.InitiatorConnector.factory
        self.factory.return_value = self.connector
        self.attachment = host_attachment.HostAttachment(self.client, "sudo")

    def names(self):
        return [name for name, _, _ in self.calls.mock_calls]

    def test_attach_and_detach(self):
        self.assertEqual("/dev/sdx", self.attachment.attach("v"))
        self.factory.assert_called_once_with("iscsi", "sudo")
        self.client.create_attachment.assert_called_once_with("v")
        self.client.update_attachment.assert_called_once_with(
            "attachment", {"initiator": "iqn"}
        )
        self.attachment.detach()
        self.assertEqual(
            [
                "client.create_attachment",
                "client.update_attachment",
                "connector.connect_volume",
                "client.complete_attachment",
                "connector.disconnect_volume",
                "client.delete_attachment",
            ],
            self.names(),
        )
        self.connector.disconnect_volume.assert_called_once_with(
            self.INFO, {"path": "/dev/sdx"}
        )

    def test_detaching_again_does_nothing(self):
        self.attachment.attach("v")
        self.attachment.detach()
        self.calls.reset_mock()
        self.attachment.detach()
        self.assertEqual([], self.names())

    def test_volume_that_cannot_be_exported_is_not_reserved(self):
        self.client.update_attachment.side_effect = OSError
        with self.assertRaises(OSError):
            self.attachment.attach("v")
        self.client.delete_attachment.assert_called_once_with("attachment")

    def test_volume_that_cannot_be_connected_is_detached(self):
        self.connector.connect_volume.side_effect = OSError
        with self.assertRaises(OSError):
            self.attachment.attach("v")
        self.assertEqual("client.delete_attachment", self.names()[-1])
        self.assertNotIn("connector.disconnect_volume", self.names())

    def test_attachment_that_cannot_be_completed_is_undone(self):
        self.client.complete_attachment.side_effect = OSError
        with self.assertRaises(OSError):
            self.attachment.attach("v")
        self.assertEqual(
            ["connector.disconnect_volume", "client.delete_attachment"],
            self.names()[-2:],
        )

    def test_volume_is_detached_even_if_it_cannot_be_disconnected(self):
        self.attachment.attach("v")
        self.connector.disconnect_volume.side_effect = OSError
        with self.assertRaises(OSError):
            self.attachment.detach()
        self.assertEqual("client.delete_attachment", self.names()[-1])


class PrepareOsBrickTest(base.TempestTestCase):
    def setUp(self):
        super().setUp()
        module = "cinder_promote_tempest.common.probes.host_attachment"
        self.patch(f"{module}.os_brick.setup")
        self.context = self.patch(f"{module}.privileged.default")
        self.patch(f"{module}.privileged.brick_privsep_hide_output")
        self.init = self.patch(f"{module}.priv_context.init")
        self.set_default = self.patch(f"{module}.cfg.CONF").set_default
        self.geteuid = self.patch(f"{module}.os.geteuid")
        self.addCleanup(host_attachment._prepare_os_brick.cache_clear)
        host_attachment._prepare_os_brick.cache_clear()

    def test_root_needs_no_helper(self):
        self.geteuid.return_value = 0
        host_attachment._prepare_os_brick("sudo")
        self.context.set_client_mode.assert_called_once_with(False)
        self.init.assert_not_called()
        self.assertEqual([], host_attachment.root_command("sudo"))

    def test_others_use_the_root_helper(self):
        self.geteuid.return_value = 1000
        self.patch("pathlib.Path.exists", return_value=True)
        host_attachment._prepare_os_brick("sudo -n")
        self.context.set_client_mode.assert_not_called()
        self.init.assert_called_once_with(root_helper=["sudo", "-n"])
        (option, value), keywords = self.set_default.call_args
        self.assertEqual("helper_command", option)
        self.assertRegex(value, r"^sudo -n /.*/privsep-helper$")
        self.assertEqual({"group": "privsep_osbrick"}, keywords)
        self.assertEqual(
            ["sudo", "-n"], host_attachment.root_command("sudo -n")
        )


class FakeBody(io.BytesIO):
    def release_conn(self):
        pass


class FakeGlance:
    """Images by id; uploading a volume to one is FakeVolumes' part."""

    def __init__(self):
        self.images = {}

    def create_image(self, **fields):
        image_id = str(len(self.images))
        self.images[image_id] = dict(fields, id=image_id, status="queued")
        return self.images[image_id]

    def store_image_file(self, image_id, data):
        self.images[image_id].update(data=data.read(), status="active")

    def show_image(self, image_id):
        return self.images[image_id]

    def show_image_file(self, image_id, chunked):
        assert chunked
        return FakeBody(self.images[image_id]["data"])

    def delete_image(self, image_id):
        if image_id not in self.images:
            raise lib_exceptions.NotFound()
        del self.images[image_id]


class ImageProbeTest(base.TempestTestCase):
    def setUp(self):
        super().setUp()
        self.fake_clock()
        self.fake_conf("cinder_promote_tempest.common.probes.image")
        self.glance = FakeGlance()
        self.volume = None
        self.probe = image.ImageProbe(
            self.glance, self, interval=2, timeout=10
        )

    # The client of volumes.

    def upload_volume(self, volume_id, image_name, **formats):
        self.assertEqual("v", volume_id)
        self.assertEqual("qcow2", formats["disk_format"])
        made = self.glance.create_image(name=image_name)
        self.glance.store_image_file(
            made["id"], io.BytesIO(test_qcow2.image_of(bytes(self.volume)))
        )
        return {"os-volume_upload_image": {"image_id": made["id"]}}

    def show_volume(self, volume_id):
        return {"volume": {"status": "available"}}

    def create(self):
        image_id = self.probe.volume_arguments()["imageRef"]
        content = self.glance.images[image_id]["data"]
        # Behind the image a volume may hold anything.
        self.volume = bytearray(content + b"anything" * 1000)
        self.probe.open("v")
        return content

    def test_what_was_created_is_right(self):
        content = self.create()
        self.assertEqual(image.CONTENT_SIZE, len(content))
        self.assertGreater(len(set(content)), 200)
        self.probe.verify()
        self.probe.write("does nothing")
        self.probe.verify()

    def test_one_flipped_bit(self):
        content = self.create()
        self.volume[-9000] ^= 1
        with self.assertRaises(exceptions.WrongData) as caught:
            self.probe.verify()
        self.assertIn(
            hashlib.sha256(content).hexdigest(), str(caught.exception)
        )

    def test_short_volume(self):
        self.create()
        del self.volume[1000:]
        with self.assertRaises(exceptions.WrongData):
            self.probe.verify()

    def test_no_image_is_left(self):
        self.create()
        self.probe.verify()
        self.volume[0] ^= 1
        with self.assertRaises(exceptions.WrongData):
            self.probe.verify()
        self.assertEqual(1, len(self.glance.images))
        self.probe.close()
        self.probe.close()
        self.assertEqual({}, self.glance.images)

    def test_images_have_the_prefix_by_which_they_can_be_found(self):
        self.create()
        (made,) = self.glance.images.values()
        self.assertTrue(made["name"].startswith("tempest-"))

    def test_upload_that_failed(self):
        self.create()
        self.show_volume = lambda volume_id: {"volume": {"status": "error"}}
        self.probe._volumes_client = self
        with self.assertRaises(exceptions.UnexpectedState):
            self.probe.verify()
        self.assertEqual(1, len(self.glance.images))
