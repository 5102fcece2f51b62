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

from unittest import mock

from cinder_lab import bring_up
from tests.unit.lab import base


class StartFromTestCase(base.LabTestCase):
    def start_from(self, saved):
        return bring_up.start_from(saved, "cloud-key", "ready-key")

    def test_nothing_saved(self):
        self.assertIsNone(self.start_from({}))

    def test_everything_is_true(self):
        self.assertEqual(
            "ready",
            self.start_from({"cloud": "cloud-key", "ready": "ready-key"}),
        )

    def test_the_project_has_changed(self):
        self.assertEqual(
            "cloud", self.start_from({"cloud": "cloud-key", "ready": "old"})
        )

    def test_the_cloud_has_changed(self):
        self.assertIsNone(self.start_from({"cloud": "old", "ready": "old"}))

    def test_ready_key_tells_both_parts(self):
        key = bring_up.ready_key("c", "p")
        self.assertNotEqual(key, bring_up.ready_key("c2", "p"))
        self.assertNotEqual(key, bring_up.ready_key("c", "p2"))


class MissingTestCase(base.LabTestCase):
    """What counts as a cloud that is not up yet."""

    def missing(self, services, pools):
        answers = {
            "/v3/os-services": {
                "services": [
                    {"binary": binary, "host": host, "state": state}
                    for binary, host, state in services
                ]
            },
            "/v3/scheduler-stats/get_pools": {
                "pools": [{"name": name} for name in pools]
            },
        }
        client = mock.Mock()
        client.request.side_effect = lambda method, service, path: answers[
            path
        ]
        return bring_up._missing(client)

    def services(self, state="up"):
        return [("cinder-scheduler", "cinder-lab", "up")] + [
            ("cinder-volume", f"cinder-lab@lvm-{letter}", state)
            for letter in "abc"
        ]

    def pools(self):
        return [f"cinder-lab@lvm-{letter}#pool" for letter in "abc"]

    def test_nothing(self):
        self.assertEqual([], self.missing(self.services(), self.pools()))

    def test_service_that_is_down(self):
        missing = self.missing(self.services("down"), self.pools())
        self.assertEqual(3, len(missing))
        self.assertIn("cinder-volume on cinder-lab@lvm-a", missing)

    def test_driver_that_did_not_initialise(self):
        self.assertEqual(
            ["pool of lvm-c"],
            self.missing(self.services(), self.pools()[:2]),
        )


class ImageBytesTestCase(base.LabTestCase):
    def test_always_the_same_and_never_flat(self):
        data = bring_up._image_bytes(65536)
        self.assertEqual(65536, len(data))
        self.assertEqual(data, bring_up._image_bytes(65536))
        self.assertEqual(256, len(set(data)))
