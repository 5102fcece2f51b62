#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""SIGKILL before each command of an operation, one after the other."""

from tests.unit.volume import base
from tests.unit.volume.base import A, B, C


class Killing(base.TestCase):
    """Tests that kill the service wherever it can be killed."""

    #: Of the driver, as ``base.TestCase.start`` takes them.
    options = {}

    def replicated(self):
        """A driver with a volume in sync that holds something."""
        driver = self.start(**self.options)
        volume = self.create(driver)
        self.until_enabled(driver, volume)
        self.host.write(self.front(volume), 'x', 1)
        return driver, volume

    def anew(self):
        self.host.__init__(A, B, C)
        self.database.execute('DELETE FROM volumes')
        self.set_service(replication_status='not-capable', disabled=0,
                         active_backend_id=None, disabled_reason=None)

    def killed_everywhere(self, prepare, act, finish):
        """Kill ``act`` before its first command, its second and so on.

        :param prepare: makes the driver and what ``act`` takes beside it
        :param finish: starts again and checks; once more after a power cut
        """
        for power_cut in (False, True):
            self.anew()
            for things in self.kills(act, *prepare()):
                if power_cut:
                    self.host.cut_power()
                finish(*things)
                self.check_mirrors()

    def check_mirrors(self):
        """None is left over, and none is given discards that are too long."""
        used = [path for device in self.host.devices.values()
                for path in device.table.split()]
        for name, device in self.host.devices.items():
            if name.startswith('promote-mirror-'):
                self.assertIn('/dev/mapper/' + name, used)
                self.assertTrue(device.limited, name)

    def front_size(self, volume):
        return int(self.host.devices[
            self.front(volume)].table.split()[1]) * 512

    def copy_size(self, group, volume):
        return self.host.groups[group].volumes[volume.name].size
