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

"""What becomes of a server of Nova and its volumes in a promotion."""

import contextlib

from tempest import config
from tempest.common import utils
from tempest.lib import decorators

from cinder_promote_tempest.common import states
from cinder_promote_tempest.common.probes import guest_writer
from cinder_promote_tempest.scenario import manager

CONF = config.CONF

FILE_ON_ROOT = "/root/promote-blocks"


@decorators.serial
class GuestAttachmentsTest(manager.FailoverScenario):
    """Promotes a host beneath a server that runs and writes."""

    @classmethod
    def needs_guest(cls):
        return True

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        if not CONF.compute_feature_enabled.shelve:
            raise cls.skipException(
                "[compute-feature-enabled] shelve is false"
            )

    @decorators.idempotent_id("c233fb29-e287-4d1c-b074-ca4967b22b22")
    @decorators.attr(type="slow")
    @utils.services("compute", "volume", "image")
    def test_attach_and_unshelve_after_promotion(self):
        """Nova gets at volumes again after their host was promoted.

        - a server booted from a replicated volume on A, another one attached:
          it writes to both from now on
        - the storage of A fails, fail over to B
        - freeze, stop, re-point cinder.conf to B with C as its target,
          reset_active_backend, start, thaw
        - replication_enable: both volumes get in sync with C
        - detach and attach the one: nothing is missing
        - detach it, shelve and unshelve the server, attach it: nothing is
          missing on either
        """
        target = CONF.cinder_promote.failover_target
        next_target = CONF.cinder_promote.protection_target
        volume_type = CONF.cinder_promote.volume_type
        self.addCleanup(self.workflow.put_back)
        volumes = [
            self.create_volume(volume_type),
            self.create_volume(volume_type, imageRef=CONF.compute.image_ref),
        ]
        failures = self.faults_until_volumes_are_deleted()
        for volume_id in volumes:
            self.wait_for_replication(volume_id, states.ENABLED)
        self._start_writing(*volumes)
        self._write_and_verify("on A")

        with self._interruption():
            self.fail_backend(failures, self.backend)
            self.workflow.fail_over(target)
            for volume_id in volumes:
                self.wait_for_replication(volume_id, states.FAILED_OVER)
            self.workflow.freeze()
            with self.workflow.stopped():
                self.workflow.re_point(target, next_target)
                self.workflow.reset_active_backend()
            self.workflow.thaw()
            for volume_id in volumes:
                self.wait_for_replication(volume_id, states.DISABLED)
        self._write_and_verify("on B, promoted")

        self.workflow.replication_enable()
        for volume_id in volumes:
            self.wait_until_in_sync(volume_id)
        self.assert_service_row(states.PROTECTED_ROW)
        self._write_and_verify("on B and C")

        self.probe.close()
        self.probe.open(self.attached_id)
        self._write_and_verify("attached again")
        with self._shelved():
            pass
        self._write_and_verify("unshelved")

    def _start_writing(self, attached_id, root_id):
        """Boot a server from one volume and attach another."""
        options = CONF.cinder_promote
        self.guest = self.create_guest(
            image_id="",
            block_device_mapping_v2=[
                {
                    "boot_index": 0,
                    "uuid": root_id,
                    "source_type": "volume",
                    "destination_type": "volume",
                    "delete_on_termination": False,
                }
            ],
        )
        self.root_writer = guest_writer.GuestWriter(
            self.guest,
            interval=options.poll_interval,
            timeout=options.io_timeout,
        )
        self.root_writer.start(FILE_ON_ROOT)
        self.attached_id = attached_id
        self.probe = self.create_probe("guest", lambda: self.guest)
        self.probe.open(attached_id)

    def _write_and_verify(self, label):
        for writer in (self.root_writer, self.probe):
            writer.write(label)
            writer.verify()

    @contextlib.contextmanager
    def _shelved(self):
        """Have the server shelved, and off its host, meanwhile."""
        self.probe.close()
        self.root_writer.stop()
        self.guest.shelve()
        yield
        self.guest.unshelve()
        self.root_writer.start(FILE_ON_ROOT)
        self.probe.open(self.attached_id)

    def _interruption(self):
        """Shelve the server meanwhile, if it cannot go on."""
        if CONF.cinder_promote.attached_io_continues:
            return contextlib.nullcontext()
        return self._shelved()
