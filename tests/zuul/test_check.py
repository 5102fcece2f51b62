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

"""The check of the Zuul configuration, run with Zuul's own loader.

These tests need Zuul, which does not go with Cinder in one environment: `make
zuul` runs them.
"""

import pathlib
import tempfile
import textwrap
import unittest

from zuul_check import check, cli, load, names, problem, repository, tenant

EXAMPLES = pathlib.Path(__file__).with_name("examples")


class Files:
    """A repository in memory."""

    def __init__(self, **files: str) -> None:
        self._files = {
            name.replace("__", "/") + ".yaml": textwrap.dedent(text)
            for name, text in files.items()
        }

    def files(self, *below: str) -> list[str]:
        return [
            name
            for name in self._files
            if any(f"{name}/".startswith(f"{one}/") for one in below)
        ]

    def read(self, name: str) -> str:
        return self._files[name]


MINE = Files(
    zuul="""\
        - job:
            name: mine
            parent: devstack-tempest
            vars:
              devstack_services:
                c-vol: true

        - project:
            check:
              jobs:
                - mine
        """
)


def look(name, project, known, given) -> list[problem.Problem]:
    """Load the project's configuration and check it."""
    files = repository.configuration(project)
    loaded = load.load(tenant.members(name, files, given, known))
    return check.check(name, project, known, loaded)


class CheckTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.names = names.load()

    def found(self, project, **given) -> list[str]:
        return problem.report(
            look("openstack/mine", project, self.names, given)
        )

    def test_this_project(self) -> None:
        name, top = cli.parser().parse_args([]).project
        found = look(name, repository.WorkTree(top), self.names, {})
        if found:
            self.fail("\n".join(["", *problem.report(found)]))

    def test_examples(self) -> None:
        """Each is refused with its messages; the good one has none."""
        examples = sorted(path.parent for path in EXAMPLES.glob("*/expected"))
        self.assertIn(EXAMPLES / "good", examples)
        for example in examples:
            with self.subTest(example.name):
                expected = (example / "expected").read_text().splitlines()
                self.assertEqual(example.name == "good", expected == [])
                self.assertEqual(
                    expected, self.found(repository.WorkTree(example))
                )

    def test_broken_yaml(self) -> None:
        broken = Files(zuul='- job:\n    name: mine\n    parent: "x\n')
        (found,) = self.found(broken)
        self.assertRegex(found, r"^zuul\.yaml:4: .*end of stream")

    def test_key_twice(self) -> None:
        twice = Files(zuul="- job:\n    name: mine\n    name: mine\n")
        found = self.found(twice)[0]
        self.assertRegex(found, r"^zuul\.yaml:2: .*name")

    def test_nothing_there(self) -> None:
        with tempfile.TemporaryDirectory() as empty:
            found = self.found(repository.WorkTree(pathlib.Path(empty)))
        self.assertEqual(["zuul.d: there is no configuration here."], found)

    def test_parent_is_not_for_this_branch(self) -> None:
        """Zuul says nothing, and does not run the job."""
        tempest = Files(
            zuul="""\
                - job:
                    name: devstack-tempest
                    run: playbooks/run.yaml
                    branches: ^stable/
                """
        )
        found = self.found(MINE, **{"openstack/tempest": tempest})
        self.assertEqual(
            [
                'zuul.yaml:2: job "mine": Zuul never runs it.',
                'zuul.yaml:11: job "mine": it is listed in pipeline "check",'
                " and Zuul does not run it.",
            ],
            found,
        )

    def test_parent_is_refused(self) -> None:
        tempest = Files(
            zuul="""\
                - job:
                    name: devstack-tempest
                    nonsense: 1
                """
        )
        found = self.found(MINE, **{"openstack/tempest": tempest})
        self.assertIn("zuul.yaml:3: Job devstack-tempest not defined.", found)
        self.assertIn(
            "openstack/tempest: zuul.yaml:1: Extra keys not allowed @"
            " data['nonsense'].",
            found,
        )

    def test_merged_with_the_parent(self) -> None:
        tempest = Files(
            zuul="""\
                - job:
                    name: devstack-tempest
                    run: playbooks/run.yaml
                    vars:
                      devstack_services: all
                """
        )
        orphan = Files(
            zuul="""\
                - job:
                    name: mine
                    parent: devstack-tempest

                - project:
                    check:
                      jobs:
                        - mine
                """
        )
        (found,) = self.found(orphan, **{"openstack/tempest": tempest})
        self.assertRegex(
            found, r'^zuul\.yaml:2: job "mine", merged .* devstack_services '
        )

    def test_parent_with_secrets(self) -> None:
        """What only the real tenant can decrypt does not matter."""
        tempest = Files(
            zuul="""\
                - secret:
                    name: token
                    data:
                      user: somebody
                      password: !encrypted/pkcs1-oaep
                        - bm90aGluZw==

                - job:
                    name: upload
                    run: playbooks/upload.yaml
                    secrets:
                      - token

                - job:
                    name: devstack-tempest
                    run: playbooks/run.yaml
                """
        )
        found = self.found(MINE, **{"openstack/tempest": tempest})
        self.assertEqual([], found)


if __name__ == "__main__":
    unittest.main()
