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

"""What is not done to a replicated volume is refused before it begins."""

import copy

from cinder import objects

from cinder_promote.volume import refusals
from tests.unit.volume import base

REFUSED = refusals.NotForReplicatedVolumes


class TestRefusals(base.TestCase):

    def setUp(self):
        super().setUp()
        self.driver = self.start()
        self.volume = self.create(self.driver)
        self.plain = self.create(self.driver, replicated=False)
        self.before = copy.deepcopy(
            (self.host.groups, self.host.devices))
        self.addCleanup(self._nothing_changed)

    def _nothing_changed(self):
        self.assertEqual(self.before, (self.host.groups, self.host.devices))

    def _snapshot(self, volume):
        return objects.Snapshot(
            self.context, id=base.base.PROJECT_ID, volume_id=volume.id,
            volume=volume, volume_size=1)

    def _refused(self, method, *args):
        error = self.assertRaises(REFUSED, getattr(self.driver, method),
                                  *args)
        self.assertIn('not supported for replicated volume volume-',
                      str(error))

    def test_create_snapshot(self):
        self._refused('create_snapshot', self._snapshot(self.volume))

    def test_revert(self):
        self._refused('revert_to_snapshot', self.context, self.volume,
                      self._snapshot(self.volume))

    def test_create_from_snapshot(self):
        self._refused('create_volume_from_snapshot',
                      self.new_volume(replicated=False),
                      self._snapshot(self.volume))
        self._refused('create_volume_from_snapshot', self.new_volume(),
                      self._snapshot(self.plain))

    def test_clone(self):
        self._refused('create_cloned_volume',
                      self.new_volume(replicated=False), self.volume)
        self._refused('create_cloned_volume', self.new_volume(), self.plain)

    def test_manage_snapshot(self):
        self._refused('manage_existing_snapshot',
                      self._snapshot(self.volume), {'source-name': 'x'})
