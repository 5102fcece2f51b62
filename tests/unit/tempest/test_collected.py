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

import ast
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import cinder_promote_tempest
from tests.unit.tempest import collect_tests

PACKAGE = pathlib.Path(cinder_promote_tempest.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
# What only a test that has the host to itself may do.
CHANGES_THE_HOST = {
    "fail_over",
    "fail_back",
    "freeze",
    "stopped",
    "reset_active_backend",
}


def collect():
    """Return what collect_tests prints, run where no tempest.conf is."""
    with tempfile.TemporaryDirectory() as empty:
        root = str(PACKAGE.parent)
        path = os.pathsep.join(
            filter(None, [root, os.environ.get("PYTHONPATH")])
        )
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", collect_tests.__name__],
            cwd=root,
            env=dict(
                os.environ,
                PYTHONPATH=path,
                TEMPEST_CONFIG_DIR=empty,
                TEMPEST_CONFIG="tempest.conf",
            ),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


class CollectedTestsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.collected = collect()
        cls.tests = cls.collected["tests"]

    def test_all_are_found(self):
        self.assertEqual([], self.collected["errors"])
        found = {
            test["id"].partition("[")[0].rpartition(".")[2]
            for test in self.tests
        }
        defined = {
            name
            for path in SOURCES
            for name in re.findall(r"def (test_\w+)", path.read_text())
        }
        self.assertEqual(defined, found)
        self.assertLess({"test_promote_and_protect_again"}, found)

    def test_each_has_an_id_of_its_own(self):
        ids = []
        for test in self.tests:
            own = [
                attribute
                for attribute in test["attributes"]
                if attribute.startswith("id-")
            ]
            self.assertEqual(1, len(own), test["id"])
            ids += own
        self.assertEqual(len(ids), len(set(ids)))

    def test_each_declares_credentials_with_admin(self):
        for test in self.tests:
            self.assertIn("admin", test["credentials"], test["id"])

    def test_who_changes_the_host_is_alone(self):
        serial = {
            test["id"].split(".")[-3] for test in self.tests if test["serial"]
        }
        changing = set()
        for path in SOURCES:
            called = {
                node.func.attr
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and "workflow" in ast.unparse(node.func.value)
            }
            if path.stem.startswith("test_") and called & CHANGES_THE_HOST:
                changing.add(path.stem)
        self.assertEqual(
            {"test_promotion", "test_failback", "test_guest_attachments"},
            changing,
        )
        self.assertLessEqual(changing, serial)

    def test_nothing_of_cinder_is_imported(self):
        for module in self.collected["modules"]:
            self.assertNotIn(
                module.split(".")[0], ("cinder", "cinder_promote"), module
            )

    def test_os_brick_is_imported_by_one_module_only(self):
        """The image probe works where os-brick is not installed."""
        users = [
            path.stem
            for path in SOURCES
            if re.search(r"^(import|from) os_brick", path.read_text(), re.M)
        ]
        self.assertEqual(["host_attachment"], users)

    def test_skips_name_an_option(self):
        for path in SOURCES:
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in ("skipException", "skipTest")
                ):
                    self.assertRegex(
                        ast.unparse(node), r"\[[\w-]+\] ", f"{path}"
                    )

    def test_no_sleep_but_the_waiters(self):
        sleeping = [
            path.stem for path in SOURCES if "sleep(" in path.read_text()
        ]
        self.assertEqual(["waiters"], sleeping)
