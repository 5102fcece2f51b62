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

import configparser
import re

from cinder_lab import (
    bring_up,
    cloud_layer,
    credentials,
    errors,
    overlay,
    shape,
)
from tests.unit import lab as lab_tests
from tests.unit.lab import base

VALUES = {f"{name}_PASSWORD": "secret" for name in credentials.PASSWORDS} | {
    "IMAGE_ID": cloud_layer.IMAGE_ID
}


class FillInTestCase(base.LabTestCase):
    def test_names_are_replaced(self):
        self.assertEqual(
            "rabbit://u:pw@127.0.0.1/",
            overlay.fill_in("rabbit://u:@PASS@@127.0.0.1/", {"PASS": "pw"}),
        )

    def test_other_at_signs_stay(self):
        text = "host = cinder-lab@lvm-a, a@b.c, @x@"
        self.assertEqual(text, overlay.fill_in(text, {}))

    def test_name_without_a_value(self):
        with self.assertRaisesRegex(errors.LabError, "@WHAT@"):
            overlay.fill_in("@WHAT@", {})


class InstallTestCase(base.LabTestCase):
    def test_files_and_templates(self):
        self.write("source/etc/plain", "@X@")
        self.write("source/etc/filled.in", "@X@")
        self.write("source/bin/run", "#!/bin/sh\n", 0o755)
        tree = self.folder / "tree"
        overlay.install(self.folder / "source", tree, {"X": "1"})
        self.assertEqual("@X@", (tree / "etc/plain").read_text())
        self.assertEqual("1", (tree / "etc/filled").read_text())
        self.assertFalse((tree / "etc/filled.in").exists())
        self.assertEqual(0o755, (tree / "bin/run").stat().st_mode & 0o777)
        self.assertEqual(0o644, (tree / "etc/plain").stat().st_mode & 0o777)

    def test_link_is_replaced_not_followed(self):
        self.write("source/etc/name", "new")
        outside = self.write("outside", "old")
        (self.folder / "tree/etc").mkdir(parents=True)
        (self.folder / "tree/etc/name").symlink_to(outside)
        overlay.install(self.folder / "source", self.folder / "tree", {})
        self.assertEqual("old", outside.read_text())
        self.assertEqual("new", (self.folder / "tree/etc/name").read_text())


class GuestFilesTestCase(base.LabTestCase):
    """The lab's real files, filled in."""

    def setUp(self):
        super().setUp()
        self.tree = self.folder / "tree"
        overlay.install(lab_tests.LAB / "guest", self.tree, VALUES)

    def read(self, name):
        return (self.tree / name).read_text()

    def test_nothing_is_left_to_fill_in(self):
        for path in self.tree.rglob("*"):
            if path.is_file():
                self.assertNotRegex(path.read_text(), "@[A-Z_]+@")

    def test_the_backends_make_a_ring(self):
        sections = dict(
            re.findall(
                r"^\[(lvm-.)\]$.*?^replication_device = backend_id:(lvm-.),",
                self.read("etc/cinder/cinder.conf"),
                re.M | re.S,
            )
        )
        self.assertEqual(
            {"lvm-a": "lvm-b", "lvm-b": "lvm-c", "lvm-c": "lvm-a"}, sections
        )

    def test_each_enabled_unit_of_ours_can_be_enabled(self):
        units = self.tree / "etc/systemd/system"
        for unit in units.glob("*.service"):
            instances = [
                name
                for name in cloud_layer.ENABLED
                if name == unit.stem
                or (unit.stem.endswith("@") and name.startswith(unit.stem))
            ]
            self.assertNotEqual([], instances, unit.stem)
            self.assertIn("[Install]", unit.read_text())

    def test_a_volume_service_for_each_backend(self):
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.read_string(self.read("etc/cinder/cinder.conf"))
        backends = parser["DEFAULT"]["enabled_backends"].split(",")
        self.assertEqual(list(bring_up.BACKENDS), backends)
        for backend in backends:
            self.assertIn(f"cinder-volume@{backend}", cloud_layer.ENABLED)
            self.assertIn(
                f"\nenabled_backends = {backend}\n",
                self.read(f"etc/cinder/only/{backend}.conf"),
            )

    def test_a_disk_that_can_fail_for_each_group(self):
        table = [
            line.split()
            for line in self.read("etc/cinder-promote/disks").splitlines()
            if not line.startswith("#")
        ]
        self.assertEqual(
            [
                [
                    f"lvm-{disk}",
                    f"promote-{disk}",
                    f"/dev/disk/by-id/virtio-lab-{disk}",
                    "True",
                ]
                for disk in shape.DISKS
            ],
            table,
        )
        accepted = re.search(
            'global_filter = \\[ "a\\|(.*?)\\|"', self.read("etc/lvm/lvm.conf")
        )
        for backend, *_others in table:
            self.assertRegex(f"/dev/mapper/disk-{backend}", accepted[1])

    def test_tempest_uses_the_image_that_is_uploaded(self):
        self.assertIn(
            f"image_ref = {cloud_layer.IMAGE_ID}\n",
            self.read("etc/tempest/tempest.conf"),
        )
