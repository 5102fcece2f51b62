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

import contextlib

from tempest import config
from tempest.lib import exceptions
from tempest.lib.common.utils import data_utils, test_utils

from cinder_promote_tempest.common import (
    base,
    guests,
    probes,
    states,
    waiters,
)

CONF = config.CONF


class PromotionScenario(base.PromoteTest):
    """A test with volumes on the host it works on."""

    required_options: tuple[str, ...] = ("volume_type",)

    @classmethod
    def needs_guest(cls):
        """Return whether the tests of this class start servers of Nova."""
        return False

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        if not cls.needs_guest():
            return
        if not CONF.service_available.nova:
            raise cls.skipException("[service_available] nova is false")
        if not CONF.validation.run_validation:
            raise cls.skipException(
                "[validation] run_validation is false, so nothing may log in "
                "to servers"
            )

    @classmethod
    def setup_credentials(cls):
        if cls.needs_guest():
            cls.set_network_resources(
                network=True, router=True, subnet=True, dhcp=True
            )
        super().setup_credentials()

    @classmethod
    def setup_clients(cls):
        super().setup_clients()
        cls.volumes_client = cls.os_admin.volumes_client_latest
        cls.pools_client = cls.os_admin.volume_scheduler_stats_client_latest

    def create_guest(self, **arguments):
        """Start a server that one can log in to.

        :param arguments: what else to send, as guests.start_server takes it
        :returns: a Guest, which is deleted after the test
        """
        guest = guests.start_server(
            self.os_admin,
            self.get_test_validation_resources(self.os_admin),
            **arguments,
        )
        self.addCleanup(guest.delete)
        return guest

    def create_probe(self, io_probe=None, create_guest=None):
        """Return the probe for one volume, closed at the end of the test.

        :param io_probe: which one, by default the configured one
        :param create_guest: function that returns the Guest for the `guest`
            probe, by default a new one
        """
        options = CONF.cinder_promote
        probe = probes.create_probe(
            io_probe or options.io_probe,
            self.os_admin,
            options,
            create_guest or self.create_guest,
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
        if "imageRef" in arguments:
            self.addCleanup(
                self._delete_cached, arguments["imageRef"], volume["id"]
            )
        self.addCleanup(self.delete_volume, volume["id"])
        self.wait_for_volume(
            volume["id"], "status", states.AVAILABLE, failed=(states.ERROR,)
        )
        return volume["id"]

    def delete_volume(self, volume_id):
        """Delete a volume, if it is there, and wait until it is gone."""
        test_utils.call_and_ignore_notfound_exc(
            self.volumes_client.delete_volume, volume_id
        )
        self._wait_for_deletion(volume_id)

    def _delete_cached(self, image_id, volume_id):
        """Delete what Cinder's image cache cloned from a volume.

        It is a volume of the same type, and would keep the host from being
        put back.
        """
        cached = self.volumes_client.list_volumes(
            detail=True,
            params={"all_tenants": True, "name": f"image-{image_id}"},
        )["volumes"]
        for volume in cached:
            if volume["source_volid"] == volume_id:
                self.delete_volume(volume["id"])

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


class FailoverScenario(PromotionScenario):
    """A test that fails the host over and promotes what it failed over to."""

    required_options = (
        "volume_type",
        "failover_target",
        "protection_target",
        "storage_host_address",
    )

    @classmethod
    def needs_guest(cls):
        return CONF.cinder_promote.io_probe == "guest"

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        options = CONF.cinder_promote
        if not options.can_destroy_primary:
            return
        if not options.fail_backend_command:
            raise cls.skipException(
                "[cinder_promote] can_destroy_primary is true, and "
                "fail_backend_command is not set"
            )
        if not options.repair_backend_command:
            raise exceptions.InvalidConfiguration(
                "[cinder_promote] fail_backend_command is set, and "
                "repair_backend_command is not"
            )

    def faults_until_volumes_are_deleted(self):
        """Return the stack of faults, undone before volumes are deleted.

        To be called when all volumes are created, and before they are
        attached. In the end they are detached, the storage is replaced,
        which nobody may use by then, and the host is thawed, as Cinder
        deletes nothing on a frozen one.
        """
        self.addCleanup(self.workflow.thaw_if_frozen)
        faults = contextlib.ExitStack()
        self.addCleanup(faults.close)
        return faults

    def fail_backend(self, faults, backend_id):
        """Have the storage of a backend fail, if that may be done here.

        :param faults: the stack of faults
        :param backend_id: the primary, or one of its replication targets
        """
        if CONF.cinder_promote.can_destroy_primary:
            faults.enter_context(self.workflow.failed_backend(backend_id))

    def wait_for_replication(self, volume_id, status):
        """Wait until a volume has a replication_status."""
        self.wait_for_volume(
            volume_id,
            "replication_status",
            status,
            failed=(states.FAILOVER_ERROR,),
        )

    @contextlib.contextmanager
    def interruption(self, probe, volume_id):
        """Detach a volume meanwhile, if it cannot stay attached."""
        stays = (
            CONF.cinder_promote.attached_io_continues
            or not probe.writes_in_place
        )
        if not stays:
            probe.close()
        yield
        if not stays:
            probe.open(volume_id)
