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
from unittest import mock

from cinder_lab import errors, paths
from cinder_lab.devstack import clouds, sources
from tests.unit.lab import base


class GitBaseTestCase(base.LabTestCase):
    def test_nothing_is_said(self):
        self.assertEqual("https://opendev.org", sources.git_base(None, {}))

    def test_option_before_environment(self):
        environment = {"GIT_BASE": "https://one.example"}
        self.assertEqual(
            "https://one.example", sources.git_base(None, environment)
        )
        self.assertEqual(
            "https://two.example",
            sources.git_base("https://two.example", environment),
        )

    def test_folder_is_made_absolute(self):
        self.assertTrue(sources.git_base("mirror", {}).endswith("/mirror"))
        self.assertTrue(sources.git_base("mirror", {}).startswith("/"))


class FetchTestCase(base.LabTestCase):
    """With repositories that are as small as can be."""

    def setUp(self):
        super().setUp()
        self.base = self.folder / "base"
        for name in (*sources.TOOLS, *clouds.NOVA.deployed):
            self.git(name, "init", "--quiet", "--initial-branch=master")
            self.commit(name, "first")
        lab = paths.Paths(self.folder / "lab")
        lab.make()
        self.sources = self.make(str(self.base), "master")
        self.console = mock.MagicMock()

    def make(self, base, branch, cloud=clouds.CINDER):
        lab = paths.Paths(self.folder / "lab")
        return sources.Sources(lab, base, branch, cloud)

    def git(self, name, *words):
        folder = self.base / f"openstack/{name}.git"
        folder.mkdir(parents=True, exist_ok=True)
        identity = ("-c", "user.name=t", "-c", "user.email=t@example")
        return subprocess.run(
            ["git", "-C", str(folder), *identity, *words],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def commit(self, name, message):
        self.git(name, "commit", "--quiet", "--allow-empty", "-m", message)
        return self.git(name, "rev-parse", "HEAD")

    def test_not_cloned_yet(self):
        with self.assertRaisesRegex(errors.LabError, "devstack has not"):
            self.sources.commits()

    def test_what_is_there_stays_until_it_is_renewed(self):
        self.sources.fetch(self.console, renew=False)
        old = self.sources.commits()["cinder"]
        new = self.commit("cinder", "second")
        self.sources.fetch(self.console, renew=False)
        self.assertEqual(old, self.sources.commits()["cinder"])
        self.sources.fetch(self.console, renew=True)
        self.assertEqual(new, self.sources.commits()["cinder"])

    def test_branch_of_those_that_have_branches(self):
        for name in (*sources.TOOLS, *clouds.CINDER.deployed):
            if name not in sources.BRANCHLESS:
                self.git(name, "checkout", "--quiet", "-b", "stable/2026.1")
        stable = self.commit("cinder", "stable")
        branched = self.make(str(self.base), "stable/2026.1")
        branched.fetch(self.console, renew=False)
        self.assertEqual(stable, branched.commits()["cinder"])
        self.sources.fetch(self.console, renew=False)
        self.assertNotEqual(stable, self.sources.commits()["cinder"])

    def test_each_cloud_has_what_it_deploys(self):
        self.sources.fetch(self.console, renew=False)
        self.assertNotIn("nova", self.sources.commits())
        nova = self.make(str(self.base), "master", clouds.NOVA)
        with self.assertRaisesRegex(errors.LabError, "placement has not"):
            nova.commits()
        nova.fetch(self.console, renew=False)
        self.assertEqual(
            {*self.sources.commits(), "placement", "nova", "neutron"},
            set(nova.commits()),
        )

    def test_base_without_the_repositories(self):
        empty = self.make(str(self.folder), "master")
        with self.assertRaisesRegex(errors.LabError, "git devstack"):
            empty.fetch(self.console, renew=False)
