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

import json

from cinder_lab import pinning, wheels
from tests.unit import lab as lab_tests
from tests.unit.lab import base


class DownloadTestCase(base.LabTestCase):
    def test_for_the_guest_whatever_this_machine_is(self):
        arguments = wheels.download_arguments(self.folder)
        self.assertIn("--python-version=3.11", arguments)
        self.assertIn("--no-deps", arguments)
        self.assertIn("--platform=manylinux_2_36_x86_64", arguments)
        self.assertIn("--platform=manylinux2014_x86_64", arguments)

    def test_nothing_newer_than_the_guest_has(self):
        self.assertNotIn("manylinux_2_37_x86_64", wheels.platforms())


class LockTestCase(base.LabTestCase):
    def test_names_and_versions_only(self):
        report = {
            "install": [
                {
                    "metadata": {"name": name, "version": "1.0"},
                    "download_info": {"url": f"https://secret.host/{name}"},
                }
                for name in ("b", "A", "c")
            ]
        }
        text = pinning.lock_text(json.dumps(report))
        self.assertNotIn("secret", text)
        self.assertEqual(["A==1.0", "b==1.0", "c==1.0"], text.splitlines()[1:])

    def test_the_lock_in_the_repository_pins_everything(self):
        lines = wheels.LOCK.read_text().splitlines()
        pins = [line for line in lines if not line.startswith("#")]
        for line in pins:
            self.assertRegex(line, r"^[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*$")
        self.assertIn("cinder==29.0.0", pins)

    def test_what_is_required_is_in_the_lock(self):
        def normal(name):
            return name.lower().replace("_", "-").replace(".", "-")

        locked = {
            normal(line.partition("==")[0])
            for line in wheels.LOCK.read_text().splitlines()
        }
        wanted = (lab_tests.LAB / "requirements.in").read_text().splitlines()
        for line in wanted:
            if line.startswith(("#", "-")):
                continue
            self.assertIn(normal(line.partition("==")[0]), locked)
