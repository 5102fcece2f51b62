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

"""The test with a server of Nova, gone through on a fake cloud."""

import contextlib
import pathlib
import tempfile
import time
import types
import unittest

from tempest.lib import exceptions as lib_exceptions

from cinder_promote_tempest.common import exceptions
from cinder_promote_tempest.common.probes import guest_writer
from cinder_promote_tempest.scenario import (
    manager,
    test_guest_attachments,
    test_image_round_trip,
    test_promotion,
)
from tests.unit.tempest import base, fake_cloud, local_guest, test_direct_io

MODULES = (manager.__name__, test_guest_attachments.__name__)
BOOTED, ATTACHED = "booted", "attached"


class HastyClock:
    """The real time, in which nobody sleeps for long."""

    monotonic = staticmethod(time.monotonic)

    @staticmethod
    def sleep(seconds):
        time.sleep(min(seconds, 0.02))


class Scenario:
    """What stands around the steps: clients, waits, and cleanups."""

    def __init__(self, cloud, guest):
        self.workflow = cloud.workflow()
        self.backend = "lvm-a"
        self.guest_to_start = guest
        self.cleanups = contextlib.ExitStack()
        self.created = []
        self.failed = []

    def addCleanup(self, function, *arguments):
        self.cleanups.callback(function, *arguments)

    def create_volume(self, volume_type, **arguments):
        assert volume_type == "replicated"
        volume_id = BOOTED if "imageRef" in arguments else ATTACHED
        self.created.append(volume_id)
        self.addCleanup(self.delete_volume, volume_id)
        return volume_id

    def delete_volume(self, volume_id):
        assert volume_id not in self.guest_to_start.attached
        assert not self.workflow.show_row().frozen
        self.created.remove(volume_id)

    def create_guest(self, image_id, block_device_mapping_v2):
        assert image_id == ""
        (disk,) = block_device_mapping_v2
        assert disk["uuid"] == BOOTED
        self.addCleanup(self.guest_to_start.delete)
        return self.guest_to_start

    def create_probe(self, io_probe, create_guest):
        return manager.PromotionScenario.create_probe(
            self, io_probe, create_guest
        )

    def fail_backend(self, faults, backend_id):
        faults.callback(self.failed.append, "repaired")
        self.failed.append(backend_id)

    def wait_for_replication(self, volume_id, status):
        assert volume_id in self.created

    def wait_until_in_sync(self, volume_id):
        assert volume_id in self.created

    def __getattr__(self, name):
        attribute = getattr(test_guest_attachments.GuestAttachmentsTest, name)
        return types.MethodType(attribute, self)


class GuestAttachmentsTest(base.TempestTestCase):
    def setUp(self):
        super().setUp()
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        directory = pathlib.Path(made.name)
        file = directory / "file"
        file.write_bytes(bytes(4096))
        if not test_direct_io.takes_direct_io(file):
            raise unittest.SkipTest("this file system has no O_DIRECT")
        self.guest = local_guest.LocalGuest(self, directory)
        self.root = directory / "on-root"
        self.patch(
            f"{test_guest_attachments.__name__}.FILE_ON_ROOT", str(self.root)
        )
        local_guest.short_writes(self, 1)
        self.patch("cinder_promote_tempest.common.waiters.time", HastyClock)
        self.configure(attached_io_continues=True)
        self.cloud = fake_cloud.FakeCloud()
        self.scenario = Scenario(self.cloud, self.guest)
        self.scenario.os_admin = None

    def configure(self, **options):
        for module in MODULES:
            conf = self.fake_conf(
                module,
                volume_type="replicated",
                failover_target="lvm-b",
                protection_target="lvm-c",
                poll_interval=0.05,
                io_timeout=20,
                **options,
            )
            conf.compute = types.SimpleNamespace(image_ref="cirros")

    def go(self):
        test = test_guest_attachments.GuestAttachmentsTest
        steps = test.test_attach_and_unshelve_after_promotion.__wrapped__
        with self.scenario.cleanups:
            steps(self.scenario)

    def assert_put_back(self):
        self.assertTrue(self.cloud.at_the_start(), self.cloud.row)
        self.assertEqual([], self.scenario.created)
        self.assertTrue(self.guest.deleted)
        self.assertEqual([], self.guest.writers())
        self.assertEqual(["lvm-a", "repaired"], self.scenario.failed)

    def test_whole_way(self):
        self.go()
        self.assertEqual(
            ["attach"]
            + ["detach", "attach"]
            + ["detach", "shelve", "unshelve", "attach"]
            + ["detach"],
            self.guest.calls,
        )
        self.assert_put_back()

    def test_server_that_cannot_go_on_is_shelved_meanwhile(self):
        self.configure(attached_io_continues=False)
        seen = []
        fail_over = self.cloud.failover_host

        def failover_host(**arguments):
            seen.extend(self.guest.calls)
            fail_over(**arguments)

        self.cloud.failover_host = failover_host
        self.go()
        self.assertEqual(["attach", "detach", "shelve"], seen)
        self.assert_put_back()

    def test_an_old_copy_of_either_volume_is_noticed(self):
        for volume in (self.root, self.guest.file_of(ATTACHED)):
            with self.subTest(volume.name):
                self.setUp()
                self.cloud.failover_host = self.loses_a_block(volume.name)
                with self.assertRaises(exceptions.WrongData):
                    self.go()
                self.assert_put_back()

    def loses_a_block(self, name):
        fail_over = self.cloud.failover_host

        def failover_host(**arguments):
            volume = self.guest.directory / name
            with volume.open("r+b") as file:
                file.write(bytes(4096))
            fail_over(**arguments)

        return failover_host

    def test_all_is_put_back_when_a_step_fails(self):
        self.cloud.broken.add("reset_active_backend")
        with self.assertRaises(lib_exceptions.ServerFault):
            self.go()
        self.assert_put_back()

    def test_all_is_put_back_when_the_writer_ends(self):
        self.patch(f"{guest_writer.__name__}.MAX_BLOCKS", 1)
        with self.assertRaises(exceptions.UnexpectedState):
            self.go()
        self.assertTrue(self.cloud.at_the_start())
        self.assertEqual([], self.scenario.created)


class SkipTest(base.TempestTestCase):
    """Without what a server needs, the tests say what is missing."""

    def setUp(self):
        super().setUp()
        self.patch(
            "cinder_promote_tempest.common.base.PromoteTest.skip_checks"
        )
        self.conf = types.SimpleNamespace(
            cinder_promote=types.SimpleNamespace(
                can_destroy_primary=False, io_probe="host"
            ),
            service_available=types.SimpleNamespace(nova=True),
            validation=types.SimpleNamespace(run_validation=True),
            compute_feature_enabled=types.SimpleNamespace(shelve=True),
        )
        for module in (*MODULES, test_promotion.__name__):
            self.patch(f"{module}.CONF", self.conf)

    def assert_reason(self, expected, *tests):
        for test in tests:
            with self.assertRaises(unittest.SkipTest) as caught:
                test.skip_checks()
            self.assertIn(expected, str(caught.exception))

    def test_nothing_is_missing(self):
        for io_probe in ("host", "guest", "image"):
            self.conf.cinder_promote.io_probe = io_probe
            test_guest_attachments.GuestAttachmentsTest.skip_checks()
            test_promotion.PromotionTest.skip_checks()

    def test_no_nova(self):
        self.conf.service_available.nova = False
        reason = "[service_available] nova is false"
        self.assert_reason(reason, test_guest_attachments.GuestAttachmentsTest)
        test_promotion.PromotionTest.skip_checks()
        self.conf.cinder_promote.io_probe = "guest"
        self.assert_reason(reason, test_promotion.PromotionTest)
        test_image_round_trip.ImageRoundTripTest.skip_checks()

    def test_nothing_may_log_in(self):
        self.conf.validation.run_validation = False
        self.assert_reason(
            "[validation] run_validation is false",
            test_guest_attachments.GuestAttachmentsTest,
        )

    def test_no_shelve(self):
        self.conf.compute_feature_enabled.shelve = False
        self.assert_reason(
            "[compute-feature-enabled] shelve is false",
            test_guest_attachments.GuestAttachmentsTest,
        )
        self.conf.cinder_promote.io_probe = "guest"
        test_promotion.PromotionTest.skip_checks()

    def test_primary_that_must_be_destroyed_and_cannot(self):
        self.conf.cinder_promote.can_destroy_primary = True
        self.conf.cinder_promote.fail_backend_command = None
        self.assert_reason(
            "[cinder_promote] can_destroy_primary is true",
            test_guest_attachments.GuestAttachmentsTest,
            test_promotion.PromotionTest,
        )
