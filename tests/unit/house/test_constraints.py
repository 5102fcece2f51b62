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
# under the License.

import importlib.util
import pathlib
import unittest

TOP = pathlib.Path(__file__).resolve().parents[3]


def load_tool(name):
    path = TOP / "tools" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


class ConstraintsTest(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.tool = load_tool("renew_constraints")

    def test_a_version_for_all_has_no_marker(self):
        self.assertEqual(
            ["a==1\n", "B_b==2\n"],
            self.tool.constraints(
                {"3.11": {"B_b": "2", "a": "1"}, "3.12": {"a": "1"}}
            ),
        )

    def test_versions_that_differ_have_markers(self):
        self.assertEqual(
            [
                'a==1 ; python_version == "3.11"\n',
                'a==2 ; python_version == "3.12" or '
                'python_version == "3.13"\n',
            ],
            self.tool.constraints(
                {"3.11": {"a": "1"}, "3.12": {"a": "2"}, "3.13": {"a": "2"}}
            ),
        )

    def test_nothing_is_pinned_twice(self):
        lab = self.tool.names(self.tool.LAB_LOCK.read_text())
        tests = self.tool.names(self.tool.TARGET.read_text())
        self.assertIn("cinder", lab)
        self.assertIn("stestr", lab | tests)
        self.assertEqual(set(), lab & tests)
