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

"""The probe that attaches volumes to the machine where the tests run."""

from tempest.lib.common.utils import data_utils

from cinder_promote_tempest.common.probes import (
    base,
    direct_io,
    host_attachment,
    pattern,
)


class HostProbe(base.Probe):
    """Writes and reads the block device of an attached volume."""

    writes_in_place = True

    def __init__(self, attachment, open_device):
        """Initialise.

        :param attachment: a HostAttachment
        :param open_device: function that makes of a device's path an object
            with read and write, as DirectDevice has them
        """
        self._attachment = attachment
        self._open_device = open_device
        self._pattern = pattern.Pattern(None, data_utils.rand_uuid())

    @classmethod
    def create(cls, os_admin, options):
        """Build one from clients and the options of [cinder_promote]."""

        def open_device(path):
            return direct_io.DirectDevice(
                path,
                root_command=host_attachment.root_command(options.root_helper),
                timeout=options.io_timeout,
            )

        attachment = host_attachment.HostAttachment(
            os_admin.cinder_promote.AttachmentsClient(), options.root_helper
        )
        return cls(attachment, open_device)

    def open(self, volume_id):
        self._pattern.device = self._open_device(
            self._attachment.attach(volume_id)
        )

    def write(self, label):
        self._pattern.write(label)

    def verify(self):
        self._pattern.verify()

    def close(self):
        self._pattern.device = None
        self._attachment.detach()
