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

"""The storage host command, run over SSH on the host of a volume service."""

import contextlib
import shlex

from oslo_log import log as logging
from tempest import config
from tempest.lib.common import ssh

CONF = config.CONF
LOG = logging.getLogger(__name__)

# tempest.lib uses it as seconds for connecting and as milliseconds between
# two looks at the output of a command.
_CHANNEL_TIMEOUT = 60


class StorageHost:
    """Stops, re-points and starts the volume service on its host.

    Every method raises tempest.lib.exceptions.SSHExecCommandFailed, with
    what the command had to say, when it was refused or failed.
    """

    def __init__(self, ssh_client, command):
        """Initialise.

        :param ssh_client: a tempest.lib.common.ssh.Client
        :param command: the storage host command and its options, a text
        """
        self._ssh_client = ssh_client
        self._command = shlex.split(command)

    @classmethod
    def from_config(cls):
        """Build one from the options of [cinder_promote]."""
        options = CONF.cinder_promote
        client = ssh.Client(
            options.storage_host_address,
            options.storage_host_ssh_user,
            port=options.storage_host_ssh_port,
            key_filename=options.storage_host_ssh_private_key_file,
            timeout=options.storage_host_timeout,
            channel_timeout=_CHANNEL_TIMEOUT,
            ssh_allow_agent=False,
        )
        return cls(client, options.storage_host_command)

    def stop(self, backend):
        """Stop a backend's volume service; returns when it is gone."""
        self._run("stop", backend)

    def start(self, backend):
        """Start a backend's volume service; returns when it is active."""
        self._run("start", backend)

    def re_point(self, backend, to, replicate_to):
        """Have a backend use what was one of its replication targets.

        :param backend: its section in cinder.conf
        :param to: backend_id of the target that becomes the primary
        :param replicate_to: backend_id of the target of the new primary
        """
        self._run(
            "re-point", backend, "--to", to, "--replicate-to", replicate_to
        )

    def undo(self, backend):
        """Put back the section of before the last re-pointing."""
        self._run("undo", backend)

    @contextlib.contextmanager
    def stopped(self, backend):
        """Have a backend's service stopped until the context is left."""
        try:
            self.stop(backend)
            yield
        finally:
            self.start(backend)

    def _run(self, *arguments):
        command = shlex.join([*self._command, *arguments])
        output = self._ssh_client.exec_command(command)
        LOG.info("%s on the storage host: %s", command, output.strip())
