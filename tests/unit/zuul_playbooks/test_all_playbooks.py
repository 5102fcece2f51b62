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
import unittest

from tests.unit.zuul_playbooks import base

TESTS = pathlib.Path(__file__).parent


class AllOfThemTest(unittest.TestCase):
    def test_each_playbook_is_run_by_a_test(self):
        tests = "".join(file.read_text() for file in TESTS.glob("test_*.py"))
        names = [
            str(file.relative_to(base.PLAYBOOKS))
            for file in sorted(base.PLAYBOOKS.rglob("*.y*ml"))
        ]
        self.assertIn("lab/run.yaml", names)
        self.assertEqual(
            [], [name for name in names if f'"{name}"' not in tests]
        )
