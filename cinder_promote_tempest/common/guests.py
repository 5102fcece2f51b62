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

"""Servers of Nova that the tests log in to."""

import shlex

from oslo_log import log as logging
from tempest import config
from tempest.common import compute
from tempest.lib import exceptions
from tempest.lib.common import ssh
from tempest.lib.common.utils import data_utils, test_utils

from cinder_promote_tempest.common import states, waiters

CONF = config.CONF
LOG = logging.getLogger(__name__)

# The names of all block devices that can be opened.
_LIST_DISKS = (
    "for disk in /sys/block/*; do disk=${disk##*/}; "
    'if [ -b "/dev/$disk" ]; then echo "$disk"; fi; done'
)


def start_server(clients, validation_resources, **arguments):
    """Start a server, and wait until one can log in to it.

    Its image, flavor and the way to it are what Tempest's [compute] and
    [validation] say. It is deleted where it does not become usable.

    :param clients: whose server it is
    :param validation_resources: Tempest's key, security group and address
    :param arguments: what else to send, also instead of Tempest's options
    :returns: a Guest
    :raises tempest.lib.exceptions.InvalidConfiguration: it is not clear which
        network to connect it to
    """
    server, _ = compute.create_test_server(
        clients,
        validatable=True,
        validation_resources=validation_resources,
        tenant_network=_find_network(clients.networks_client),
        wait_until="SSHABLE",
        name=data_utils.rand_name(
            "promote-guest", prefix=CONF.resource_name_prefix
        ),
        **arguments,
    )
    validation = CONF.validation
    ssh_client = ssh.Client(
        compute.get_server_ip(server, validation_resources),
        validation.image_ssh_user,
        pkey=validation_resources["keypair"]["private_key"],
        ssh_key_type=validation.ssh_key_type,
        timeout=validation.ssh_timeout,
        channel_timeout=validation.connect_timeout,
        ssh_allow_agent=False,
    )
    return Guest(
        server["id"],
        clients.servers_client,
        clients.volumes_client_latest,
        ssh_client,
        interval=CONF.cinder_promote.poll_interval,
        timeout=CONF.cinder_promote.state_timeout,
    )


def _find_network(networks_client):
    """Return the network of the project, or else the configured one.

    Tempest itself looks for the network of its primary credentials, which
    can be another project than the one whose volumes are attached.
    """
    project_id = networks_client.project_id
    name = CONF.compute.fixed_network_name
    networks = own = networks_client.list_networks(project_id=project_id)[
        "networks"
    ]
    if len(own) != 1 and name:
        networks = networks_client.list_networks(name=name)["networks"]
    if len(networks) != 1:
        raise exceptions.InvalidConfiguration(
            f"Project {project_id} has {len(own)} networks, and [compute] "
            f"fixed_network_name = {name} does not tell which one servers are "
            "to be connected to"
        )
    return networks[0]


class Guest:
    """One server: its volumes, its life, and commands in it."""

    def __init__(
        self,
        server_id,
        servers_client,
        volumes_client,
        ssh_client,
        *,
        interval,
        timeout,
    ):
        """Initialise.

        :param server_id: the server
        :param servers_client: tempest.lib's client of servers
        :param volumes_client: tempest.lib's client of volumes
        :param ssh_client: a tempest.lib.common.ssh.Client of it
        :param interval: seconds between two looks at a state
        :param timeout: seconds to wait for a state
        """
        self._id = server_id
        self._servers_client = servers_client
        self._volumes_client = volumes_client
        self._ssh_client = ssh_client
        self._limits = {"interval": interval, "timeout": timeout}
        #: Whether delete has been called: then it has no volumes either.
        self.deleted = False

    def __str__(self):
        return f"server {self._id}"

    def run(self, *command):
        """Run a command as root.

        :param command: its words
        :returns: what it printed
        :raises tempest.lib.exceptions.SSHExecCommandFailed: it failed
        """
        return self._ssh_client.exec_command(_as_root(command))

    def read(self, *command):
        """Run a command as root, and return the bytes it printed."""
        return self._ssh_client.exec_command(_as_root(command), encoding=None)

    def put_file(self, path, text):
        """Write a file, and make the directory it is in.

        :param path: of the file
        :param text: what is to be in it, less than 8 KiB
        """
        self.run(
            "sh",
            "-c",
            'mkdir -p "${1%/*}" && printf %s "$2" >"$1"',
            "sh",
            path,
            text,
        )

    def attach(self, volume_id):
        """Attach a volume.

        :param volume_id: the volume
        :returns: the path of its block device, found as the one that is new:
            what Nova calls it need not be right, and not every guest has
            links with the id of the volume
        """
        before = self._disks()
        self._servers_client.attach_volume(self._id, volumeId=volume_id)
        self._wait_for_volume(volume_id, states.IN_USE)
        (name,) = waiters.wait_until(
            lambda: self._disks() - before,
            lambda new: len(new) == 1,
            f"{self} has one disk more than {sorted(before)}",
            **self._limits,
        )
        LOG.info("Volume %s is %s of %s", volume_id, name, self)
        return f"/dev/{name}"

    def detach(self, volume_id):
        """Detach a volume, as far as it is attached."""
        test_utils.call_and_ignore_notfound_exc(
            self._servers_client.detach_volume, self._id, volume_id
        )
        self._wait_for_volume(volume_id, states.AVAILABLE)

    def shelve(self):
        """Shelve a server that was booted from a volume.

        Nova takes it from its host at once then, with all connections, and
        its volumes stay reserved for it.
        """
        self._servers_client.shelve_server(self._id)
        self._wait_for_status(states.SERVER_SHELVED_OFFLOADED)

    def unshelve(self):
        """Start a shelved server again, on whichever host."""
        self._servers_client.unshelve_server(self._id)
        self._wait_for_status(states.SERVER_ACTIVE)

    def delete(self):
        """Delete the server, and wait until it is gone."""
        self.deleted = True
        test_utils.call_and_ignore_notfound_exc(
            self._servers_client.delete_server, self._id
        )
        waiters.wait_for_deletion(self._show, str(self), **self._limits)

    def _disks(self):
        return set(self.run("sh", "-c", _LIST_DISKS).split())

    def _show(self):
        return self._servers_client.show_server(self._id)["server"]

    def _wait_for_status(self, status):
        waiters.wait_for_value(
            self._show,
            "status",
            status,
            str(self),
            failed=(states.SERVER_ERROR,),
            **self._limits,
        )

    def _wait_for_volume(self, volume_id, status):
        waiters.wait_for_value(
            lambda: self._volumes_client.show_volume(volume_id)["volume"],
            "status",
            status,
            f"volume {volume_id}",
            failed=(states.ERROR,),
            **self._limits,
        )


def _as_root(command):
    return shlex.join(["sudo", *map(str, command)])
