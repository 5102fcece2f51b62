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

"""What dmsetup prints, read."""

import testtools

from cinder_promote.volume import devices


class ParseTest(testtools.TestCase):

    def test_device_without_a_table_yet(self):
        found = devices.parse(
            'new Suspended 254 1\nlinear Active 254 0\n',
            'new: \nlinear: 0 2048 linear 98:0 0\n',
            'new: \nlinear: 0 2048 linear \n')
        self.assertEqual(
            [('new', True, (), 0), ('linear', False, (), 1 << 20)],
            [(device.name, device.suspended, device.uses, device.size)
             for device in found.values()])
