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

from cinder_lab import errors, layers
from tests.unit.lab import base


class EnsureTestCase(base.LabTestCase):
    def setUp(self):
        super().setUp()
        self.built = []

    def build(self, target):
        target.mkdir()
        (target / "file").write_text("done")
        self.built.append(target)

    def fail(self, target):
        target.mkdir()
        raise errors.LabError("no")

    def test_built_once_for_a_key(self):
        first = layers.ensure(self.folder, "base", "k1", self.build)
        again = layers.ensure(self.folder, "base", "k1", self.build)
        self.assertEqual(first, again)
        self.assertEqual(1, len(self.built))
        self.assertEqual("done", (first / "file").read_text())

    def test_other_key_is_built_and_replaces_the_old(self):
        old = layers.ensure(self.folder, "base", "k1", self.build)
        new = layers.ensure(self.folder, "base", "k2", self.build)
        self.assertFalse(old.exists())
        self.assertTrue(new.exists())

    def test_other_names_stay(self):
        other = layers.ensure(self.folder, "python", "k1", self.build)
        layers.ensure(self.folder, "base", "k1", self.build)
        self.assertTrue(other.exists())

    def test_failed_build_leaves_no_layer_and_keeps_the_old(self):
        old = layers.ensure(self.folder, "base", "k1", self.build)
        with self.assertRaises(errors.LabError):
            layers.ensure(self.folder, "base", "k2", self.fail)
        self.assertTrue(old.exists())
        self.assertFalse(layers.path_of(self.folder, "base", "k2").exists())

    def test_killed_build_is_started_afresh(self):
        killed = self.folder / "base-unfinished"
        killed.mkdir()
        (killed / "half").write_text("half")
        layer = layers.ensure(self.folder, "base", "k1", self.build)
        self.assertFalse((layer / "half").exists())
        self.assertFalse(killed.exists())
