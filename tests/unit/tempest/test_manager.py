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

"""What the scenarios create, and what they leave."""

import contextlib
import types

from tempest.lib import exceptions

from cinder_promote_tempest.scenario import manager
from tests.unit.tempest import base

IMAGE = "an-image"


class FakeVolumes:
    """Cinder with an image cache, in which nothing takes time."""

    def __init__(self):
        self.volumes = {}

    def create_volume(self, **values):
        self._add("made", name="made", source_volid=None)
        if values.get("imageRef"):
            self._add(
                "cached",
                name=f"image-{values['imageRef']}",
                source_volid="made",
            )
        return {"volume": {"id": "made"}}

    def _add(self, volume_id, **values):
        self.volumes[volume_id] = {
            "id": volume_id,
            "status": "available",
            **values,
        }

    def show_volume(self, volume_id):
        if volume_id not in self.volumes:
            raise exceptions.NotFound
        return {"volume": self.volumes[volume_id]}

    def delete_volume(self, volume_id):
        self.show_volume(volume_id)
        del self.volumes[volume_id]

    def list_volumes(self, detail, params):
        assert detail and params["all_tenants"]
        return {
            "volumes": [
                volume
                for volume in self.volumes.values()
                if volume["name"] == params["name"]
            ]
        }


class Scenario(manager.PromotionScenario):
    def __init__(self):
        self.cleanups = contextlib.ExitStack()
        self.volumes_client = FakeVolumes()

    def addCleanup(self, function, *arguments):
        self.cleanups.callback(function, *arguments)


class CreateVolumeTest(base.TempestTestCase):
    def setUp(self):
        super().setUp()
        conf = self.fake_conf(
            manager.__name__, poll_interval=0.01, state_timeout=5
        )
        conf.volume = types.SimpleNamespace(volume_size=1)
        self.scenario = Scenario()
        self.volumes = self.scenario.volumes_client.volumes

    def test_volume_is_deleted(self):
        with self.scenario.cleanups:
            self.scenario.create_volume("replicated")
            self.assertEqual({"made"}, set(self.volumes))
        self.assertEqual({}, self.volumes)

    def test_what_was_deleted_before(self):
        with self.scenario.cleanups:
            self.scenario.delete_volume(
                self.scenario.create_volume("replicated")
            )
            self.assertEqual({}, self.volumes)

    def test_what_the_image_cache_made_is_deleted(self):
        self.scenario.volumes_client._add(
            "of others", name=f"image-{IMAGE}", source_volid="theirs"
        )
        with self.scenario.cleanups:
            self.scenario.create_volume("replicated", imageRef=IMAGE)
            self.assertIn("cached", self.volumes)
        self.assertEqual({"of others"}, set(self.volumes))
