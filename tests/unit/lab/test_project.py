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

import subprocess
import sys
import zipfile

from cinder_lab import chroot, image_python, project
from tests.unit.lab import base

ENTRY_POINTS = """\
[console_scripts]
cinder-promote-host = package.module:main

[other.group]
name = package:Thing
"""


class UnpackTestCase(base.LabTestCase):
    def setUp(self):
        super().setUp()
        wheel = self.folder / "p-1-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("package/__init__.py", "")
            archive.writestr("p-1.dist-info/entry_points.txt", ENTRY_POINTS)
            archive.writestr(
                "p-1.data/data/etc/cinder/rootwrap.d/p.filters", "[Filters]"
            )
            archive.writestr("p-1.data/scripts/tool", "#!/bin/sh\n")
        self.stage = self.folder / "stage"
        project.unpack_wheel(wheel, self.stage)
        self.venv = self.stage / chroot.VENV.lstrip("/")

    def test_packages(self):
        packages = self.stage / image_python.SITE_PACKAGES.lstrip("/")
        self.assertTrue((packages / "package/__init__.py").exists())
        self.assertTrue((packages / "p-1.dist-info").exists())
        self.assertFalse((packages / "p-1.data").exists())

    def test_scripts(self):
        for name in ("tool", "cinder-promote-host"):
            mode = (self.venv / "bin" / name).stat().st_mode
            self.assertEqual(0o755, mode & 0o777)

    def test_filters_lie_where_rootwrap_looks(self):
        self.assertEqual(
            "[Filters]",
            (self.stage / "etc/cinder/rootwrap.d/p.filters").read_text(),
        )


class ScriptTestCase(base.LabTestCase):
    def test_exits_with_what_the_function_returns(self):
        self.write("package/__init__.py")
        self.write("package/module.py", "def main():\n    return 7\n")
        project.write_scripts(ENTRY_POINTS, self.folder / "bin")
        script = self.folder / "bin/cinder-promote-host"
        self.assertTrue(
            script.read_text().startswith(f"#!{chroot.VENV}/bin/python\n")
        )
        done = subprocess.run(
            [sys.executable, script], env={"PYTHONPATH": str(self.folder)}
        )
        self.assertEqual(7, done.returncode)

    def test_no_scripts(self):
        project.write_scripts("[other]\na = b\n", self.folder / "bin")
        self.assertFalse((self.folder / "bin").exists())


class KeyTestCase(base.LabTestCase):
    def key(self, python_key="python"):
        return project.key(python_key, self.folder)

    def test_each_source_counts(self):
        for name in ("cinder_promote/a.py", "etc/x", "setup.cfg"):
            with self.subTest(name=name):
                before = self.key()
                self.write(name, "changed")
                self.assertNotEqual(before, self.key())

    def test_what_is_not_installed_does_not_count(self):
        before = self.key()
        self.write("tests/unit/test_x.py", "x")
        self.write("doc/source/index.rst", "x")
        self.assertEqual(before, self.key())

    def test_the_environment_below_counts(self):
        self.assertNotEqual(self.key("one"), self.key("two"))
