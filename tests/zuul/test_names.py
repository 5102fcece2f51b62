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

"""The file of known names, and how it is made."""

import pathlib
import subprocess
import tempfile
import textwrap
import unittest

from zuul_check import names, renew, repository

TENANTS = """\
    - tenant:
        name: other
        source:
          gerrit:
            untrusted-projects:
              - openstack/of-the-other
    - tenant:
        name: openstack
        source:
          gerrit:
            config-projects:
              - openstack/project-config
            untrusted-projects:
              - openstack/devstack:
                  include: job
              - starlingx/not-used
              - include: []
                projects:
                  - openstack/cinder
    """
PIPELINES = """\
    - pipeline:
        name: check
        manager: independent
        trigger: {}
    - pipeline:
        name: post
        manager: supercedent
        post-review: true
        trigger: {}
    """
DEVSTACK = """\
    - nodeset:
        name: one-node
        nodes:
          - name: controller
            label: debian
    - job:
        name: devstack-base
        parent: multinode
        abstract: true
        required-projects:
          - opendev.org/novnc/novnc
    - job:
        name: devstack
        parent: devstack-base
        nodeset: one-node
    - job:
        name: devstack-jammy
        parent: devstack
        nodeset: ubuntu-jammy
    - project-template:
        name: devstack-jobs
        check:
          jobs:
            - devstack
            - grenade
    - project:
        check:
          jobs:
            - only-for-itself
    """
PLAYBOOK = """\
    - hosts: all
      roles:
        - run-devstack
        - ensure-tox
    """


class RenewTest(unittest.TestCase):
    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.top = pathlib.Path(directory.name)
        self.central = self.commit(
            "project-config",
            {
                "zuul/main.yaml": TENANTS,
                "zuul.d/pipelines.yaml": PIPELINES,
            },
        )
        self.devstack = self.commit(
            "devstack",
            {
                ".zuul.yaml": DEVSTACK,
                "playbooks/run.yaml": PLAYBOOK,
                "roles/run-devstack/tasks/main.yaml": "[]\n",
            },
        )

    def commit(self, name: str, files: dict[str, str]) -> repository.Commit:
        top = self.top / name
        for file, text in files.items():
            path = top / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        for arguments in (
            ["init", "--quiet"],
            ["add", "."],
            [
                *("-c", "user.name=test", "-c", "user.email=test@localhost"),
                *("commit", "--quiet", "--message", "Files"),
            ],
        ):
            subprocess.run(["git", "-C", top, *arguments], check=True)
        return repository.Commit(top)

    def test_renew(self) -> None:
        made = renew.renew(
            {
                "openstack/project-config": self.central,
                "openstack/devstack": self.devstack,
            }
        )
        self.assertEqual({"check": False, "post": True}, made.pipelines)
        self.assertEqual(
            {
                "novnc/novnc",
                "openstack/cinder",
                "openstack/devstack",
                "openstack/project-config",
            },
            made.projects,
        )
        self.assertEqual(["openstack/devstack"], list(made.repositories))
        known = made.repositories["openstack/devstack"]
        self.assertEqual(
            {
                "devstack-base": {"parent": "multinode", "abstract": True},
                "devstack": {"parent": "devstack-base"},
                "devstack-jammy": {"parent": "devstack"},
            },
            known.jobs,
        )
        self.assertEqual({"devstack-jobs"}, known.templates)
        self.assertEqual({"one-node"}, known.nodesets)
        self.assertEqual({"run-devstack"}, known.roles)
        self.assertEqual({"multinode", "grenade"}, set(made.elsewhere.jobs))
        self.assertEqual({"ubuntu-jammy"}, made.elsewhere.nodesets)
        self.assertEqual({"debian"}, made.elsewhere.labels)
        self.assertEqual({"ensure-tox"}, made.elsewhere.roles)

    def test_no_project_config(self) -> None:
        with self.assertRaisesRegex(
            repository.RepositoryError, "project-config is needed"
        ):
            renew.renew({"openstack/devstack": self.devstack})

    def test_no_repository(self) -> None:
        with self.assertRaisesRegex(
            repository.RepositoryError, "not a directory"
        ):
            repository.Commit(self.top / "nothing")

    def test_no_git(self) -> None:
        (self.top / "plain").mkdir()
        with self.assertRaisesRegex(
            repository.RepositoryError, "can't be read with git"
        ):
            repository.Commit(self.top / "plain")


class NamesTest(unittest.TestCase):
    def test_file(self) -> None:
        """The file is what would be written."""
        self.assertEqual(names.FILE.read_text(), names.dump(names.load()))
