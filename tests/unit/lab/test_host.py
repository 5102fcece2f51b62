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

from cinder_lab import errors, host
from tests.unit.lab import base


class MissingTestCase(base.LabTestCase):
    def missing(
        self, lacking=(), keyring=True, ensurepip=True, accelerator=None
    ):
        def which(command, path):
            return None if command in lacking else f"/usr/bin/{command}"

        with (
            mock.patch("shutil.which", which),
            mock.patch.object(host, "KEYRING", self.folder / "keyring"),
            mock.patch(
                "importlib.util.find_spec",
                return_value=object() if ensurepip else None,
            ),
        ):
            if keyring:
                (self.folder / "keyring").touch()
            return host.missing_packages(accelerator)

    def test_nothing(self):
        self.assertEqual([], self.missing())

    def test_each_package_once(self):
        self.assertEqual(
            ["openssh-client", "qemu-system-x86"],
            self.missing(["qemu-system-x86_64", "ssh", "ssh-keygen"]),
        )

    def test_each_way_to_run_the_machine_has_its_own(self):
        lacking = ["qemu-system-x86_64", "qemu-img", "slirp4netns"]
        self.assertEqual(
            ["slirp4netns"], self.missing(lacking, accelerator="uml")
        )
        for accelerator in ("kvm", "tcg", None):
            self.assertEqual(
                ["qemu-system-x86", "qemu-utils"],
                self.missing(lacking, accelerator=accelerator),
            )

    def test_what_is_no_command(self):
        self.assertEqual(
            ["debian-archive-keyring", "python3-venv"],
            self.missing(keyring=False, ensurepip=False),
        )


class AsRootTestCase(base.LabTestCase):
    def as_root(self, uid, sudo):
        with (
            mock.patch("os.geteuid", return_value=uid),
            mock.patch("shutil.which", return_value=sudo),
        ):
            return host.as_root(["true"])

    def test_root(self):
        self.assertEqual(["true"], self.as_root(0, None))

    def test_sudo(self):
        self.assertEqual(["sudo", "true"], self.as_root(1, "/usr/bin/sudo"))

    def test_neither(self):
        with self.assertRaisesRegex(errors.LabError, "sudo"):
            self.as_root(1, None)


class SearchPathTestCase(base.LabTestCase):
    def test_administrators_tools_are_found(self):
        path = host.search_path({"PATH": "/usr/bin"}).split(":")
        self.assertEqual("/usr/bin", path[0])
        self.assertIn("/usr/sbin", path)

    def test_nothing_twice(self):
        path = host.search_path({"PATH": "/usr/sbin:/usr/bin"}).split(":")
        self.assertEqual(len(path), len(set(path)))
