#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

from tempest import config
from tempest.common import utils
from tempest.lib import decorators

from cinder_promote_tempest.common import states
from cinder_promote_tempest.scenario import manager

CONF = config.CONF


@decorators.serial
class FailbackTest(manager.FailoverScenario):
    """Fails a host over, back, and over again."""

    @decorators.idempotent_id("ffb85b4c-4377-4aa5-8c08-f2fa1302953a")
    @decorators.attr(type="slow")
    @utils.services("volume")
    def test_fail_back_and_over_again(self):
        """No data is lost on the way from A to B, back to A, and to B again.

        - a replicated volume on A, attached: write data
        - the storage of A fails; fail over to B: the data is there
        - the storage of A works again; fail back: the data is there, and the
          volume is in sync with B
        - the storage of A fails again; fail over to B: all data is there

        Data is added at every hop, and the whole row of the service checked.
        """
        target = CONF.cinder_promote.failover_target
        self.addCleanup(self.workflow.put_back)
        probe = self.create_probe()
        volume_id = self.create_volume(
            CONF.cinder_promote.volume_type, **probe.volume_arguments()
        )
        failures = self.faults_until_volumes_are_deleted()
        self.addCleanup(probe.close)
        self.wait_for_replication(volume_id, states.ENABLED)
        probe.open(volume_id)
        probe.write("on A")

        with self.interruption(probe, volume_id):
            self.fail_backend(failures, self.backend)
            self.workflow.fail_over(target)
        self.assert_service_row(states.failed_over_row(target))
        self.wait_for_replication(volume_id, states.FAILED_OVER)
        probe.verify()
        probe.write("on B, failed over")

        failures.close()
        with self.interruption(probe, volume_id):
            self.workflow.fail_back(CONF.cinder_promote.sync_timeout)
        self.assert_service_row(states.FAILED_BACK_ROW)
        self.wait_until_in_sync(volume_id)
        probe.verify()
        probe.write("on A again")

        with self.interruption(probe, volume_id):
            self.fail_backend(failures, self.backend)
            self.workflow.fail_over(target)
        self.assert_service_row(states.failed_over_row(target))
        probe.verify()
        probe.close()
        probe.open(volume_id)
        probe.verify()
