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

"""What all tests of this plugin share."""

from tempest import config, test
from tempest.lib import exceptions

from cinder_promote_tempest.common import states, storage_host, workflow

CONF = config.CONF


class PromoteTest(test.BaseTestCase):
    """A test of the host named by [cinder_promote] host."""

    credentials = ["admin"]

    #: Options without which the tests of a class cannot run.
    required_options: tuple[str, ...] = ()

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        for service in ("cinder", "cinder_promote"):
            if not getattr(CONF.service_available, service):
                raise cls.skipException(
                    f"[service_available] {service} is false"
                )
        # Not a reason to skip: who has the extension can name a host.
        if not CONF.cinder_promote.host:
            raise exceptions.InvalidConfiguration(
                "[cinder_promote] host is not set"
            )
        for option in cls.required_options:
            if not getattr(CONF.cinder_promote, option):
                raise cls.skipException(
                    f"[cinder_promote] {option} is not set"
                )

    @classmethod
    def setup_credentials(cls):
        cls.set_network_resources()
        super().setup_credentials()

    @classmethod
    def setup_clients(cls):
        super().setup_clients()
        clients = cls.os_admin.cinder_promote
        cls.promote_client = clients.PromoteBackendClient()
        cls.rows_client = clients.ServiceRowsClient()
        cls.services_client = cls.os_admin.volume_services_client_latest

    @classmethod
    def resource_setup(cls):
        super().resource_setup()
        options = CONF.cinder_promote
        cls.host = options.host
        cls.backend = options.backend or cls.host.partition("@")[2]
        cls.workflow = workflow.Workflow(
            host=cls.host,
            backend=cls.backend,
            rows_client=cls.rows_client,
            services_client=cls.services_client,
            promote_client=cls.promote_client,
            storage_host=(
                storage_host.StorageHost.from_config()
                if options.storage_host_address
                else None
            ),
            interval=options.poll_interval,
            timeout=options.state_timeout,
        )
        # Whatever follows relies on it, and says nothing without it.
        cls.workflow.assert_row(states.PROTECTED_ROW)

    def assert_service_row(self, expected):
        """Check the whole row of the service.

        :param expected: a states.ExpectedRow
        """
        self.workflow.assert_row(expected)

    def assert_service_row_unchanged(self, before):
        """Check that the row of the service is what it was.

        :param before: a states.ServiceRow
        """
        self.assertEqual(before, self.workflow.show_row())

    def assert_refused(self, error, action, before, *, naming=(), **body):
        """Check that a request is refused and leaves the row alone.

        :param error: the exception of tempest.lib for the status
        :param action: the request
        :param before: the row before
        :param naming: texts that the answer must contain
        :param body: what to send
        """
        request = getattr(self.promote_client, action)
        refusal = self.assertRaises(error, request, **body)
        for text in naming:
            self.assertIn(text, str(refusal))
        self.assert_service_row_unchanged(before)
