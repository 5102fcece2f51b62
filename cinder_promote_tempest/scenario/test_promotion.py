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

"""The whole way: A fails over to B, B is promoted, C protects B."""

import threading

from tempest import config
from tempest.common import utils
from tempest.lib import decorators, exceptions

from cinder_promote_tempest.common import states
from cinder_promote_tempest.scenario import manager
from cinder_promote_tempest.services import promote_backend_client

CONF = config.CONF

CALLERS = 4
ENABLE = promote_backend_client.REPLICATION_ENABLE
RESET = promote_backend_client.RESET_ACTIVE_BACKEND


@decorators.serial
class PromotionTest(manager.FailoverScenario):
    """Fails a host over twice, with a promotion between."""

    @decorators.idempotent_id("5987297b-a108-4d88-8848-5cb64d647f06")
    @decorators.attr(type="slow")
    @utils.services("volume")
    def test_promote_and_protect_again(self):
        """No data is lost on the way from A through B to C.

        - a replicated volume on A, attached: write data
        - the storage of A fails: write more
        - fail over to B: the data is there, a plain volume is in error
        - freeze, stop, re-point cinder.conf to B with C as its target,
          reset_active_backend, start, thaw: the data is there, nothing is
          replicated
        - replication_enable: the volume gets in sync with C
        - the storage of B fails: write more
        - fail over to C: all data is there
        - detach and attach: all data is there

        Data is added at every hop, and the whole row of the service checked.
        A request that comes too early, too late, or at once with others is
        answered with 409 and changes nothing.
        """
        target = CONF.cinder_promote.failover_target
        next_target = CONF.cinder_promote.protection_target
        self.addCleanup(self.workflow.put_back)
        probe = self.create_probe()
        plain_volume_id = self._create_plain_volume()
        volume_id = self.create_volume(
            CONF.cinder_promote.volume_type, **probe.volume_arguments()
        )
        failures = self.faults_until_volumes_are_deleted()
        self.addCleanup(probe.close)
        self.wait_for_replication(volume_id, states.ENABLED)

        probe.open(volume_id)
        probe.write("on A")
        probe.verify()

        with self.interruption(probe, volume_id):
            self.fail_backend(failures, self.backend)
            self._write_and_verify(probe, "on B, A has failed")
            self.workflow.fail_over(target)
            self.assert_service_row(states.failed_over_row(target))
            self.wait_for_replication(volume_id, states.FAILED_OVER)
        self._assert_conflicts(ENABLE, RESET)
        self._assert_lost(plain_volume_id)
        probe.verify()
        probe.write("on B, failed over")

        self.workflow.freeze()
        self.assert_service_row(states.frozen_row(target))
        self._assert_conflicts(ENABLE)
        with self.interruption(probe, volume_id):
            with self.workflow.stopped():
                self.workflow.re_point(target, next_target)
                self.assertEqual(
                    [204] + [409] * (CALLERS - 1), self._reset_at_once()
                )
                self.assert_service_row(states.RESET_ROW)
                self._assert_conflicts(RESET)
                self._write_and_verify(probe, "on B, service stopped")
            self.assert_service_row(states.RESET_ROW)
            self.workflow.thaw()
            self.assert_service_row(states.PROMOTED_ROW)
            self.wait_for_replication(volume_id, states.DISABLED)
        self.wait_for_capabilities({"replication_enabled": False})
        probe.verify()
        probe.write("on B, promoted")

        for _ in range(2):
            self.workflow.replication_enable()
            self.assert_service_row(states.PROTECTED_ROW)
        probe.write("on B, C catches up")
        self.wait_until_in_sync(volume_id)
        self.wait_for_capabilities(
            {
                "replication_enabled": True,
                "replication_targets": [next_target],
            }
        )
        self.assert_service_row(states.PROTECTED_ROW)
        probe.verify()
        probe.write("on B and C")

        with self.interruption(probe, volume_id):
            self.fail_backend(failures, target)
            self._write_and_verify(probe, "on C, B has failed")
            self.workflow.fail_over(next_target)
            self.assert_service_row(states.failed_over_row(next_target))
            self.wait_for_replication(volume_id, states.FAILED_OVER)
        probe.verify()
        probe.write("on C, failed over")

        probe.close()
        probe.open(volume_id)
        probe.verify()

    def _assert_conflicts(self, *actions):
        for action in actions:
            self.assert_refused(
                exceptions.Conflict,
                action,
                self.workflow.show_row(),
                host=self.host,
            )

    def _reset_at_once(self):
        """Return the sorted statuses of all callers."""
        statuses = []
        together = threading.Barrier(CALLERS)

        def reset():
            client = self.os_admin.cinder_promote.PromoteBackendClient()
            together.wait()
            try:
                answer = client.reset_active_backend(host=self.host)
                statuses.append(answer.response.status)
            except exceptions.RestClientException as refusal:
                statuses.append(refusal.resp.status)

        callers = [threading.Thread(target=reset) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        return sorted(statuses)

    def _create_plain_volume(self):
        volume_type = CONF.cinder_promote.plain_volume_type
        return self.create_volume(volume_type) if volume_type else None

    def _assert_lost(self, plain_volume_id):
        if plain_volume_id is not None:
            self.wait_for_volume(plain_volume_id, "status", states.ERROR)

    def _write_and_verify(self, probe, label):
        """Use a volume that is attached all the while, if it may be."""
        if probe.writes_in_place and CONF.cinder_promote.attached_io_continues:
            probe.write(label)
            probe.verify()
