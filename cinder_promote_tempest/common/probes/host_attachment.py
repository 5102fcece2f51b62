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

"""Volumes attached to the machine where the tests run."""

import functools
import os
import pathlib
import shlex
import sys
from typing import Any

import os_brick
from os_brick import privileged
from os_brick.initiator import connector
from oslo_config import cfg
from oslo_log import log as logging
from oslo_privsep import priv_context
from oslo_utils import netutils

LOG = logging.getLogger(__name__)


class HostAttachment:
    """One volume, attached through Cinder and connected by os-brick."""

    def __init__(self, attachments_client, root_helper):
        """Initialise.

        :param attachments_client: an AttachmentsClient
        :param root_helper: the command that makes a command run as root
        """
        self._attachments_client = attachments_client
        self._root_helper = root_helper
        self._attachment_id = None
        self._connection_info: dict = {}
        self._connector: Any = None
        self._device_info = None

    def attach(self, volume_id):
        """Attach and connect a volume.

        :param volume_id: the volume
        :returns: the path of its block device
        """
        _prepare_os_brick(self._root_helper)
        try:
            properties = connector.get_connector_properties(
                self._root_helper,
                netutils.get_my_ipv4(),
                multipath=False,
                enforce_multipath=False,
            )
            # In two steps, as a volume that can't be exported stays reserved
            # by an attachment whose id the error does not tell.
            self._attachment_id = self._attachments_client.create_attachment(
                volume_id
            )["id"]
            attachment = self._attachments_client.update_attachment(
                self._attachment_id, properties
            )
            self._connection_info = attachment["connection_info"]
            self._connector = connector.InitiatorConnector.factory(
                self._connection_info["driver_volume_type"], self._root_helper
            )
            self._device_info = self._connector.connect_volume(
                self._connection_info
            )
            self._attachments_client.complete_attachment(self._attachment_id)
        except BaseException:
            self.detach()
            raise
        LOG.info("Volume %s is %s here", volume_id, self._device_info)
        return self._device_info["path"]

    def detach(self):
        """Disconnect and detach the volume, as far as it is attached."""
        try:
            if self._device_info is not None:
                self._connector.disconnect_volume(
                    self._connection_info, self._device_info
                )
                self._device_info = None
        finally:
            if self._attachment_id is not None:
                self._attachments_client.delete_attachment(self._attachment_id)
                self._attachment_id = None


def root_command(root_helper):
    """Return the words to put before a command that needs root."""
    return [] if os.geteuid() == 0 else shlex.split(root_helper)


@functools.cache
def _prepare_os_brick(root_helper):
    os_brick.setup(cfg.CONF)
    if os.geteuid() == 0:
        # No helper process is needed to become what we are.
        for context in (
            privileged.default,
            privileged.brick_privsep_hide_output,
        ):
            context.set_client_mode(False)
        return
    command = root_command(root_helper)
    priv_context.init(root_helper=command)
    # The helper of this Python environment: sudo would look for one on its
    # own path. [privsep_osbrick] helper_command of tempest.conf still wins.
    helper = pathlib.Path(sys.executable).with_name("privsep-helper")
    if helper.exists():
        cfg.CONF.set_default(
            "helper_command",
            shlex.join([*command, str(helper)]),
            group="privsep_osbrick",
        )
