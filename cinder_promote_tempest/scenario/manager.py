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

"""What the scenarios share: volumes, and waits for what becomes of them."""

from tempest import config
from tempest.lib.common.utils import data_utils, test_utils

from cinder_promote_tempest.common import base, probes, states, waiters

CONF = config.CONF


class PromotionScenario(base.PromoteTest):
    """A test with volumes on the host it works on."""

    required_options: tuple[str, ...] = ("volume_type",)

    @classmethod
    def setup_clients(cls):
        super().setup_clients()
        cls.volumes_client = cls.os_admin.volumes_client_latest
        cls.pools_client = cls.os_admin.volume_scheduler_stats_client_latest

    def create_probe(self, io_probe=None):
        """Return the probe for one volume, closed at the end of the test.

        :param io_probe: which one, by default the configured one
        """
        options = CONF.cinder_promote
        probe = probes.create_probe(
            io_probe or options.io_probe, self.os_admin, options
        )
        self.addCleanup(probe.close)
        return probe

    def create_volume(self, volume_type, **arguments):
        """Create a volume and wait until it is available.

        :param volume_type: name of its type
        :param arguments: what else to send
        :returns: the id of the volume, which is deleted after the test
        """
        volume = self.volumes_client.create_volume(
            name=data_utils.rand_name(
                type(self).__name__, prefix=CONF.resource_name_prefix
            ),
            size=CONF.volume.volume_size,
            volume_type=volume_type,
            **arguments,
        )["volume"]
        self.addCleanup(self._wait_for_deletion, volume["id"])
        self.addCleanup(
            test_utils.call_and_ignore_notfound_exc,
            self.volumes_client.delete_volume,
            volume["id"],
        )
        self.wait_for_volume(
            volume["id"], "status", states.AVAILABLE, failed=(states.ERROR,)
        )
        return volume["id"]

    def wait_for_volume(self, volume_id, key, expected, *, failed=()):
        """Wait until a field of a volume has a value.

        :param failed: values from which the expected one cannot be reached
        """
        options = CONF.cinder_promote
        waiters.wait_for_value(
            lambda: self._show_volume(volume_id),
            key,
            expected,
            f"volume {volume_id}",
            failed=failed,
            interval=options.poll_interval,
            timeout=options.state_timeout,
        )

    def wait_until_in_sync(self, volume_id):
        """Wait until a volume is in sync with its replication target."""
        options = CONF.cinder_promote
        waiters.wait_for_value(
            lambda: self._show_volume(volume_id),
            "replication_status",
            states.ENABLED,
            f"volume {volume_id}",
            failed=(states.ERROR, states.FAILOVER_ERROR),
            interval=options.poll_interval,
            timeout=options.sync_timeout,
        )

    def wait_for_capabilities(self, expected):
        """Wait until the backend reports capabilities to the scheduler.

        :param expected: the capabilities and their values
        """
        options = CONF.cinder_promote

        def shown():
            pools = self.pools_client.list_pools(detail=True)["pools"]
            for pool in pools:
                if pool["name"].partition("#")[0] == self.host:
                    return {
                        key: pool["capabilities"].get(key) for key in expected
                    }
            return None

        waiters.wait_until(
            shown,
            lambda capabilities: capabilities == expected,
            f"{self.host} reports {expected}",
            interval=options.poll_interval,
            timeout=options.state_timeout,
        )

    def _show_volume(self, volume_id):
        return self.volumes_client.show_volume(volume_id)["volume"]

    def _wait_for_deletion(self, volume_id):
        options = CONF.cinder_promote
        waiters.wait_for_deletion(
            lambda: self._show_volume(volume_id),
            f"volume {volume_id}",
            interval=options.poll_interval,
            timeout=options.state_timeout,
        )
