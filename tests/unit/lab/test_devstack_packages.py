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

import pathlib
import subprocess
from unittest import mock

from cinder_lab import errors
from cinder_lab.devstack import clouds, system_layer, wheelhouse
from tests.unit.lab import base

FUNCTIONS = """
declare -A -g GITDIR
get_packages() {
    [ "$os_PACKAGE" = deb ] && cat "$FILES/debs/"*
    echo "for-$1" "for-$DISTRO"
}
get_plugin_packages() {
    cat "${GITDIR[$DEVSTACK_PLUGINS]}/devstack/files/debs/$DEVSTACK_PLUGINS"
}
"""


class PackageNamesTestCase(base.LabTestCase):
    """DevStack's own functions say what it installs."""

    def setUp(self):
        super().setUp()
        self.write("devstack/functions-common", FUNCTIONS)
        self.write("devstack/files/debs/general", "curl git\n")
        self.write(
            "plugin/devstack/files/debs/cinder-promote", "of-the-plugin\n"
        )

    def names(self, cloud=clouds.CINDER):
        return system_layer.package_names(
            self.folder / "devstack", self.folder / "plugin", cloud
        )

    def test_lists_of_all_three(self):
        names = self.names()
        for name in ("curl", "git", "of-the-plugin", "targetcli-fb"):
            self.assertIn(name, names)
        self.assertEqual(sorted(set(names)), names)

    def test_for_the_guest_and_its_services(self):
        self.assertIn("for-bookworm", self.names())
        self.assertIn(
            f"for-general,{','.join(clouds.CINDER.services)}", self.names()
        )

    def test_for_servers_and_networks(self):
        names = self.names(clouds.NOVA)
        self.assertLess({"targetcli-fb", "qemu-system"}, set(names))
        self.assertNotIn("qemu-system", self.names())
        (lists,) = (name for name in names if name.startswith("for-general"))
        self.assertTrue(lists.endswith(",ovsdb-server,openvswitch,ovn"))

    def test_no_comments(self):
        self.assertFalse([name for name in self.names() if "#" in name])

    def test_no_devstack_there(self):
        with self.assertRaisesRegex(errors.LabError, "package-names"):
            system_layer.package_names(
                self.folder / "no", self.folder, clouds.CINDER
            )


class BackportsTestCase(base.LabTestCase):
    MIRRORS = ["deb http://a.example/d s main", "deb http://b.example s main"]

    def argv(self, mirrors):
        return system_layer.with_backports(
            ["mmdebstrap", "--mode=root", *mirrors], ["qemu*", "ovmf"], mirrors
        )

    def test_only_these_packages_come_from_there(self):
        program, hook, *others = self.argv(self.MIRRORS)
        self.assertEqual("mmdebstrap", program)
        script = hook.removeprefix("--setup-hook=")
        subprocess.run(
            ["sh", "-c", script, "sh", str(self.folder)], check=True
        )
        self.assertEqual(
            "Package: qemu* ovmf\n"
            "Pin: release n=bookworm-backports\n"
            "Pin-Priority: 990\n",
            pathlib.Path(self.folder, "etc/apt/preferences.d/lab").read_text(),
        )
        self.assertEqual(
            "deb http://a.example/d bookworm-backports main", others[-1]
        )
        self.assertEqual(["--mode=root", *self.MIRRORS], others[:-1])

    def test_no_archive_is_known(self):
        with self.assertRaisesRegex(errors.LabError, "LAB_DEBIAN_MIRROR"):
            self.argv([])


class ProjectRequirementsTestCase(base.LabTestCase):
    SETUP = """
[extras]
server =
    cinder>=26.0.0 # Apache-2.0
    cliff>=4.3.0 # Apache-2.0
tempest =
    tempest>=41.0.0 # Apache-2.0
    os-brick>=6.10.0 # Apache-2.0
lint =
    ruff
"""

    def setUp(self):
        super().setUp()
        self.write("setup.cfg", self.SETUP)
        self.write("requirements.txt", "# why\npbr>=7.0.0 # Apache-2.0\n")

    def test_what_is_installed_but_not_what_is_cloned(self):
        self.assertEqual(
            ["cliff>=4.3.0", "os-brick>=6.10.0", "pbr>=7.0.0"],
            wheelhouse.project_requirements(self.folder),
        )

    def test_the_key_tells_constraints_and_requirements(self):
        sources = mock.Mock()
        sources.path = lambda name: self.folder / name
        for name in (*clouds.NOVA.deployed, *wheelhouse.OTHERS):
            self.write(f"{name}/requirements.txt", "a\n")
        self.write("requirements/upper-constraints.txt", "a===1\n")

        def key(cloud=clouds.CINDER):
            return wheelhouse.Wheelhouse(mock.Mock(), sources, cloud).key

        before = key()
        self.assertEqual(before, key())
        self.write("requirements/upper-constraints.txt", "a===2\n")
        changed = key()
        self.write("tempest/requirements.txt", "b\n")
        self.assertEqual(3, len({before, changed, key()}))
        self.assertNotEqual(key(), key(clouds.NOVA))
