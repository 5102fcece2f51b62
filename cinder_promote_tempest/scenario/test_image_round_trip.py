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

"""Replicated volumes to and from images."""

from tempest import config
from tempest.common import utils
from tempest.lib import decorators

from cinder_promote_tempest.scenario import manager

CONF = config.CONF


class ImageRoundTripTest(manager.PromotionScenario):
    """A replicated volume holds what an image held, and gives it back."""

    @decorators.idempotent_id("99e07cea-6f96-457f-b49b-7254b9faed09")
    @utils.services("volume", "image")
    def test_create_from_image_and_upload(self):
        """The image made from a volume is the image it was made from.

        - create an image with random content, and a volume from it
        - upload the volume to another image, and compare
        """
        probe = self.create_probe("image")
        volume_id = self.create_volume(
            CONF.cinder_promote.volume_type, **probe.volume_arguments()
        )
        probe.open(volume_id)
        probe.verify()
