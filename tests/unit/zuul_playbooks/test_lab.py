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

from tests.unit.zuul_playbooks import base


class LabTest(base.PlaybookTestCase):
    def setUp(self):
        super().setUp()
        self.project = self.home / "src" / base.NAME
        self.project.mkdir(parents=True)

    def test_prepares_and_runs_it(self):
        (self.project / ".git").mkdir()
        (self.project / ".git/HEAD").touch()
        self.program("make", f"echo $GIT_BASE $PWD >>{self.root}/log")
        self.play("lab/pre.yaml")
        clone_from = self.home / "git-base"
        self.assertTrue(
            (clone_from / "openstack/cinder-promote.git/HEAD").exists()
        )
        command = base.job_variables("cinder-promote-lab")
        self.play("lab/run.yaml", **command)
        self.assertEqual(
            ["make --version", "make e2e"],
            [line for line in self.logged() if line.startswith("make")],
        )
        self.assertEqual(f"{clone_from} {self.project}", self.logged()[-1])

    def test_fails_as_the_lab_does(self):
        self.program("make", "echo it did not work; exit 3")
        output = self.play(
            "lab/run.yaml", succeeds=False, promote_lab_command="make e2e"
        )
        self.assertIn("it did not work", output)

    def test_collects_results_and_logs(self):
        self.write(
            f"home/src/{base.NAME}/lab/results/1/report.txt", "13 passed"
        )
        self.play("lab/post.yaml")
        logs = self.home / "zuul-output/logs/lab"
        self.assertEqual(
            "13 passed", (logs / "results/1/report.txt").read_text()
        )
        [results, build_logs] = (
            (logs / "collected.txt").read_text().splitlines()
        )
        self.assertEqual("results: copied", results)
        self.assertRegex(build_logs, "^.work/logs: .* not found")
