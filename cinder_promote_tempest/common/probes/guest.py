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

"""The probe that writes in a server of Nova all the time."""

from cinder_promote_tempest.common.probes import base, guest_writer


class GuestProbe(base.Probe):
    """Writes to a volume that is attached to a server, and misses nothing.

    The server writes from open to close, whatever happens to the backend
    meanwhile. Here, write waits until it goes on, and verify compares all
    that was acknowledged.
    """

    writes_in_place = True

    def __init__(self, create_guest, *, interval, timeout):
        """Initialise.

        :param create_guest: function that starts a server and returns a
            Guest; called when a volume is opened for the first time, so
            that the server is deleted before the volume
        :param interval: seconds between two looks at what was written
        :param timeout: seconds that a few blocks may take
        """
        self._create_guest = create_guest
        self._limits = {"interval": interval, "timeout": timeout}
        self._guest = None
        self._writer = None
        self._volume_id = None
        self._writing = False

    @classmethod
    def create(cls, create_guest, options):
        """Build one with the options of [cinder_promote]."""
        return cls(
            create_guest,
            interval=options.poll_interval,
            timeout=options.io_timeout,
        )

    def open(self, volume_id):
        if self._guest is None:
            self._guest = self._create_guest()
            self._writer = guest_writer.GuestWriter(
                self._guest, **self._limits
            )
        self._volume_id = volume_id
        device = self._guest.attach(volume_id)
        self._writer.start(device)
        self._writing = True

    def write(self, label):
        self._writer.write(label)

    def verify(self):
        self._writer.verify()

    def close(self):
        if self._volume_id is None or self._guest.deleted:
            return
        try:
            if self._writing:
                self._writing = False
                self._writer.stop()
        finally:
            self._guest.detach(self._volume_id)
            self._volume_id = None
