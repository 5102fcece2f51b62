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

"""The way of one host from primary to primary, and the way back.

The order of the steps, what each must have reached before the next, and how
to come back from any of them are here and nowhere else.
"""

import contextlib

from oslo_log import log as logging
from tempest.lib import exceptions as lib_exceptions

from cinder_promote_tempest.common import exceptions, faults, states, waiters

LOG = logging.getLogger(__name__)

FAILBACK = "default"
"""What Cinder calls the primary where a replication target is named."""


class Workflow:
    """Fails over, promotes and protects one host, and puts it back."""

    def __init__(
        self,
        *,
        host,
        backend,
        rows_client,
        services_client,
        promote_client,
        storage_host,
        interval,
        timeout,
    ):
        """Initialise.

        :param host: the cinder-volume service, h@backend
        :param backend: its section in cinder.conf
        :param rows_client: a ServiceRowsClient
        :param services_client: tempest.lib's client of volume services
        :param promote_client: a PromoteBackendClient
        :param storage_host: a StorageHost
        :param interval: seconds between two looks at a state
        :param timeout: seconds to wait for a state
        """
        self._host = host
        self._backend = backend
        self._rows_client = rows_client
        self._services_client = services_client
        self._promote_client = promote_client
        self._storage_host = storage_host
        self._interval = interval
        self._timeout = timeout
        self._re_pointed = False
        self._restart_needed = False

    def show_row(self):
        """Return the present ServiceRow."""
        return states.ServiceRow.from_api(
            self._rows_client.show_service_row(self._host)
        )

    def assert_row(self, expected):
        """Check the whole row of the service.

        :param expected: an ExpectedRow
        :raises UnexpectedState: a field is different
        """
        row = self.show_row()
        wrong = expected.differences(row)
        if wrong:
            raise exceptions.UnexpectedState(
                f"Service {self._host}: {'; '.join(wrong)}. It is {row}"
            )

    def wait_for_row(self, expected):
        """Wait until the whole row of the service is as expected.

        :param expected: an ExpectedRow
        """
        return waiters.wait_until(
            self.show_row,
            lambda row: not expected.differences(row),
            f"service {self._host} is {expected}",
            interval=self._interval,
            timeout=self._timeout,
        )

    @contextlib.contextmanager
    def failed_backend(self, backend_id):
        """Have the storage of a backend fail until the context is left.

        :param backend_id: the primary, or one of its replication targets
        """
        # A volume service does not notice by itself that the storage it
        # once initialised was replaced.
        self._restart_needed = True
        with faults.failed_backend(backend_id):
            yield

    def fail_over(self, backend_id):
        """Fail the host over, and wait until Cinder is done with it.

        :param backend_id: the replication target to use
        """
        self._services_client.failover_host(
            host=self._host, backend_id=backend_id
        )
        self._wait_while_failing_over()

    def fail_back(self, timeout):
        """Fail the host back to its primary, and wait until that is done.

        A driver may refuse that until it has copied to the primary what was
        written meanwhile; the host is failed over still then, and is asked
        again.

        :param timeout: seconds that this may take
        """

        def ask():
            self.fail_over(FAILBACK)
            return self.show_row()

        waiters.wait_until(
            ask,
            lambda row: row.replication_status != states.FAILED_OVER,
            f"service {self._host} fails back",
            interval=self._interval,
            timeout=timeout,
        )

    def freeze(self):
        """Freeze the host."""
        self._services_client.freeze_host(host=self._host)

    def thaw(self):
        """Thaw the host."""
        self._services_client.thaw_host(host=self._host)

    def thaw_if_frozen(self):
        """Thaw the host unless it is thawed: nothing can be deleted else."""
        if self.show_row().frozen:
            self.thaw()

    @contextlib.contextmanager
    def stopped(self):
        """Have the volume service stopped until the context is left.

        Afterwards the service works again. After an error it is started all
        the same, but not waited for: put_back does that.
        """
        with self._storage_host.stopped(self._backend):
            yield
            before = self.show_row().updated_at
        self._wait_until_started(before)

    def re_point(self, to, replicate_to):
        """Make what the host failed over to the primary in cinder.conf.

        :param to: backend_id of the target that becomes the primary
        :param replicate_to: backend_id of the target of the new primary
        """
        if self._re_pointed:
            raise exceptions.UnexpectedState(
                "The storage host command can undo one re-pointing only"
            )
        self._re_pointed = True
        self._storage_host.re_point(self._backend, to, replicate_to)

    def reset_active_backend(self):
        """Have the database say that the host is a primary, unprotected."""
        self._promote_client.reset_active_backend(host=self._host)

    def replication_enable(self):
        """Have the host protected by its replication targets."""
        self._promote_client.replication_enable(host=self._host)

    def put_back(self):
        """Bring the host back to where it was, from wherever it is now.

        The volumes of the test must have been deleted, as what the original
        cinder.conf calls the primary no longer holds their newest copy.
        Does nothing where nothing was changed.
        """
        row = self._wait_while_failing_over()
        if (
            not states.PROTECTED_ROW.differences(row)
            and not self._re_pointed
            and not self._restart_needed
        ):
            return
        LOG.info("Putting back %s, which is %s", self._host, row)
        reset = row.replication_status not in (states.ENABLED, states.DISABLED)
        if reset and not row.frozen:
            self._freeze_whether_or_not_it_answers()
        with self.stopped():
            if self._re_pointed:
                self._storage_host.undo(self._backend)
                self._re_pointed = False
            if reset:
                self.reset_active_backend()
        self._restart_needed = False
        self.thaw_if_frozen()
        if self.show_row().replication_status == states.DISABLED:
            self.replication_enable()
        self.wait_for_row(states.PROTECTED_ROW)

    def _freeze_whether_or_not_it_answers(self):
        try:
            self.freeze()
        except lib_exceptions.ServerFault:
            # Cinder writes the row first and asks the service then.
            if not self.show_row().frozen:
                raise

    def _wait_while_failing_over(self):
        return waiters.wait_until(
            self.show_row,
            lambda row: row.replication_status != states.FAILING_OVER,
            f"service {self._host} is no longer failing over",
            interval=self._interval,
            timeout=self._timeout,
        )

    def _wait_until_started(self, before):
        waiters.wait_for_service_start(
            self.show_row,
            before,
            interval=self._interval,
            timeout=self._timeout,
        )
