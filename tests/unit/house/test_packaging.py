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

"""What setup.cfg promises is there."""

import configparser
import importlib
import pathlib
import re
import subprocess
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[3]


def read_setup():
    setup = configparser.ConfigParser()
    setup.read(TOP / "setup.cfg")
    return setup


def entry_points(group):
    return [
        line.split(" = ")
        for line in read_setup()["entry_points"][group].split("\n")
        if line
    ]


def load(reference):
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


class EntryPointsTest(unittest.TestCase):
    def test_each_one_can_be_loaded(self):
        for group in read_setup()["entry_points"]:
            for name, reference in entry_points(group):
                with self.subTest(f"{group} {name}"):
                    self.assertTrue(callable(load(reference)))

    def test_each_option_is_listed_once_and_has_help(self):
        seen = set()
        for _, reference in entry_points("oslo.config.opts"):
            for group, options in load(reference)():
                for option in options:
                    with self.subTest(f"{group} {option.name}"):
                        self.assertNotIn((str(group), option.name), seen)
                        self.assertTrue(option.help)
                    seen.add((str(group), option.name))
        self.assertGreater(len(seen), 10)

    def test_each_policy_is_listed_once(self):
        ((_, reference),) = entry_points("oslo.policy.policies")
        names = [rule.name for rule in load(reference)()]
        self.assertEqual(len(names), len(set(names)))
        self.assertIn(
            "volume_extension:services:reset_active_backend", names
        )


class PackageDataTest(unittest.TestCase):
    def test_what_is_not_python_is_installed_too(self):
        setup = read_setup()
        promised = {
            path
            for package, patterns in setup["options.package_data"].items()
            for pattern in patterns.split()
            for path in (TOP / package.replace(".", "/")).glob(pattern)
        }
        found = {
            path
            for package in setup["files"]["packages"].split()
            for path in (TOP / package).rglob("*")
            if path.is_file() and path.suffix not in (".py", ".pyc")
        }
        self.assertEqual(found, promised)


class ImportsTest(unittest.TestCase):
    def imported_by(self, *modules):
        """Return the top-level packages that importing modules brings in."""
        program = (
            f"import importlib, sys\n"
            f"[importlib.import_module(m) for m in {modules!r}]\n"
            "print(*{name.partition('.')[0] for name in sys.modules})"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            text=True,
            cwd=TOP,
        )
        return set(done.stdout.split())

    def test_the_storage_host_command_needs_no_cinder(self):
        imported = self.imported_by("cinder_promote.cmd.host")
        self.assertFalse(imported & {"cinder", "tempest", "oslo_db"})

    def test_the_tempest_plugin_needs_no_cinder(self):
        pattern = re.compile(
            r"(?m)^\s*(?:from|import) (?:cinder|cinder_promote)\b(?!_)"
        )
        for path in (TOP / "cinder_promote_tempest").rglob("*.py"):
            with self.subTest(path.name):
                self.assertIsNone(pattern.search(path.read_text()))

    def test_the_command_needs_only_the_base_requirements(self):
        named = {
            re.split(r"[<>=!~ ]", line)[0]
            for line in (TOP / "requirements.txt").read_text().splitlines()
            if not line.startswith("#")
        }
        self.assertEqual({"pbr", "oslo.config"}, named)
