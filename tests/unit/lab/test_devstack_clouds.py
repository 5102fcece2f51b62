# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

import itertools

from cinder_lab.devstack import clouds
from tests.unit.lab import base

CLOUDS = (clouds.CINDER, clouds.NOVA)


class CloudsTestCase(base.LabTestCase):
    def test_no_name_begins_another(self):
        # a new layer takes the place of those whose names begin like its own
        for one, other in itertools.permutations(CLOUDS, 2):
            self.assertFalse(other.name.startswith(one.name))

    def test_machine(self):
        self.assertEqual(6144, clouds.CINDER.shape.memory_mib)
        self.assertEqual(10240, clouds.NOVA.shape.memory_mib)
        self.assertEqual("lab devstack up", clouds.CINDER.shape.start)
        self.assertEqual("lab devstack --nova up", clouds.NOVA.shape.start)

    def test_files(self):
        for cloud in CLOUDS:
            self.assertIn("VIRT_DRIVER=", cloud.text("localrc"))
        self.assertEqual("", clouds.CINDER.text("packages.txt"))
