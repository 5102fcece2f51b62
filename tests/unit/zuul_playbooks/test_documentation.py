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

import re
import unittest

import yaml

from tests.unit.zuul_playbooks import base

PAGE = (base.PROJECT / "doc/source/zuul.rst").read_text()
QUEUES = ("check", "gate", "experimental", "periodic")


def jobs_of_queues():
    """Return {job of this project: {queue: whether it votes}}."""
    [item] = yaml.safe_load((base.PROJECT / "zuul.d/project.yaml").read_text())
    found = {}
    for queue in QUEUES:
        for job in item["project"][queue]["jobs"]:
            [(name, changes)] = (
                job.items() if isinstance(job, dict) else [(job, {})]
            )
            if name.startswith("cinder-promote-"):
                voting = changes.get("voting", True)
                found.setdefault(name, {})[queue] = voting
    return found


class TableOfJobsTest(unittest.TestCase):
    def test_queues_and_votes(self):
        told = {}
        for names, queues, votes in re.findall(
            r"(?m)^   \* - (``.+)\n     - (.+)\n     - (yes|no)$", PAGE
        ):
            queues = queues.replace("both", "check, gate").split(", ")
            for name in re.findall("``(cinder-promote-[^`]+)``", names):
                told[name] = dict.fromkeys(queues, votes == "yes")
        self.assertIn("cinder-promote-lvm-lio", told)
        self.assertEqual(jobs_of_queues(), told)

    def test_what_votes_in_check_is_in_gate(self):
        for name, queues in jobs_of_queues().items():
            with self.subTest(name):
                self.assertEqual(queues.get("check", False), "gate" in queues)


class VariablesTest(unittest.TestCase):
    def test_all_of_the_conformance_job(self):
        variables = base.job_variables("cinder-promote-conformance")
        names = {name for name in variables if name.startswith("promote_")}
        self.assertIn("promote_backend", names)
        self.assertEqual(names, set(re.findall(r"``(promote_\w+)``", PAGE)))
