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
import tarfile

from cinder_lab import errors
from cinder_lab.devstack import plugin
from tests.unit.lab import base


class PackTestCase(base.LabTestCase):
    def setUp(self):
        super().setUp()
        self.project = self.folder / "project"
        self.write("project/.gitignore", "*.log\n")
        self.write("project/kept", "committed")
        self.write("project/removed", "")
        self.git("init", "--quiet")
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", "all")

    def git(self, *words):
        identity = ("-c", "user.name=t", "-c", "user.email=t@example")
        return subprocess.run(
            ["git", "-C", str(self.project), *identity, *words],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def packed(self):
        target = self.folder / "plugin.tar"
        plugin.pack(target, self.folder / "log", self.project)
        with tarfile.open(target) as archive:
            archive.extractall(self.folder / "guest", filter="data")
        return self.folder / "guest/cinder-promote"

    def test_the_work_tree_as_it_is(self):
        self.write("project/kept", "changed")
        self.write("project/sub/new", "new", mode=0o755)
        (self.project / "removed").unlink()
        self.write("project/run.log", "noise")
        packed = self.packed()
        self.assertEqual("changed", (packed / "kept").read_text())
        self.assertTrue((packed / "sub/new").stat().st_mode & 0o100)
        self.assertFalse((packed / "removed").exists())
        self.assertFalse((packed / "run.log").exists())

    def test_it_is_a_repository_with_the_same_head(self):
        packed = self.packed()
        head = subprocess.run(
            ["git", "-C", str(packed), "rev-parse", "HEAD"],
            check=True,
            capture_output=True,
            text=True,
        )
        self.assertEqual(self.git("rev-parse", "HEAD"), head.stdout.strip())

    def test_key(self):
        before = plugin.key(self.project)
        self.write("project/run.log", "noise")
        self.assertEqual(before, plugin.key(self.project))
        self.write("project/kept", "changed")
        changed = plugin.key(self.project)
        self.git("commit", "--quiet", "-a", "-m", "same files, other head")
        self.assertEqual(3, len({before, changed, plugin.key(self.project)}))

    def test_no_repository(self):
        with self.assertRaisesRegex(errors.LabError, "not a git repository"):
            plugin.files(self.folder)
