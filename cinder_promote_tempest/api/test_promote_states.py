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

"""What the two requests do in each state of a host that is failed over."""

import threading

from tempest import config
from tempest.lib import decorators, exceptions

from cinder_promote_tempest.api import base
from cinder_promote_tempest.common import states
from cinder_promote_tempest.services import promote_backend_client

CONF = config.CONF

CALLERS = 4


@decorators.serial
class PromoteStatesTest(base.PromoteApiTest):
    """Requests to a host that is failed over, frozen, reset and enabled.

    The host has no volumes meanwhile, so cinder.conf may stay as it is.
    """

    required_options = ("failover_target", "storage_host_address")

    @decorators.idempotent_id("b946dcba-7b36-40e1-8eee-8432da54a8b3")
    @decorators.attr(type="slow")
    def test_states_of_a_failed_over_host(self):
        """From failed over to protected, with every wrong call on the way.

        - fail the host over: neither request is allowed
        - freeze it: replication_enable still is not
        - stop it; several callers reset it at once: one does, the others are
          told 409, and so is one who comes later
        - start and thaw it, enable replication twice
        """
        self.addCleanup(self.workflow.put_back)
        target = CONF.cinder_promote.failover_target

        self.workflow.fail_over(target)
        self.assert_service_row(states.failed_over_row(target))
        self._assert_conflict(promote_backend_client.REPLICATION_ENABLE)
        self._assert_conflict(promote_backend_client.RESET_ACTIVE_BACKEND)

        self.workflow.freeze()
        self.assert_service_row(states.frozen_row(target))
        self._assert_conflict(promote_backend_client.REPLICATION_ENABLE)

        with self.workflow.stopped():
            self.assertEqual(
                [204] + [409] * (CALLERS - 1), self._reset_at_once()
            )
            self.assert_service_row(states.RESET_ROW)
            self._assert_conflict(promote_backend_client.RESET_ACTIVE_BACKEND)
        self.assert_service_row(states.RESET_ROW)

        self.workflow.thaw()
        self.assert_service_row(states.PROMOTED_ROW)

        for _ in range(2):
            self.workflow.replication_enable()
            self.assert_service_row(states.PROTECTED_ROW)

    def _assert_conflict(self, action):
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
