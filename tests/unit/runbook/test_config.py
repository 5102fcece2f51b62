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

import pathlib
import unittest

from cinder_promote.runbook import config, errors, rundeck, steps
from tests.unit.runbook import base

TOP = pathlib.Path(__file__).resolve().parents[3]


class ConfigTest(base.RunbookTestCase):
    def test_every_option_is_listed(self):
        ((group, listed),) = config.list_opts()
        self.assertEqual("runbook", group.name)
        self.assertEqual(
            sorted(option.dest for option in listed),
            sorted(config.load(str(self.runbook_conf))),
        )

    def test_every_option_has_help(self):
        for option in config.OPTS:
            self.assertTrue(option.help.endswith("."), option.name)

    def test_every_option_is_documented(self):
        text = (TOP / "doc/source/cli/cinder-promote.rst").read_text()
        for option in config.OPTS:
            self.assertIn(f"``{option.dest}``", text)

    def test_file_that_is_missing(self):
        with self.assertRaisesRegex(errors.RunbookError, "nowhere.conf"):
            config.load(str(self.dir / "nowhere.conf"))

    def test_value_that_is_wrong(self):
        self.configure(sync_timeout="soon")
        self.assert_refused(
            r"runbook.conf: sync_timeout in \[runbook\] has a value", "status"
        )

    def test_defaults_without_a_file(self):
        self.addCleanup(setattr, config, "DEFAULT_FILE", config.DEFAULT_FILE)
        config.DEFAULT_FILE = str(self.dir / "none.conf")
        self.assertEqual(
            "/var/lib/cinder-promote", config.load().state_directory
        )
        config.DEFAULT_FILE = str(self.runbook_conf)
        self.assertEqual(
            str(self.state_directory), config.load().state_directory
        )


class DocumentationTest(unittest.TestCase):
    def test_every_step_is_described_in_its_place(self):
        text = (TOP / "doc/source/cli/cinder-promote.rst").read_text()
        text = " ".join(text.split())
        places = [
            text.index(f"``{step.name}`` {step.title}") for step in steps.STEPS
        ]
        self.assertEqual(sorted(places), places)

    def test_every_job_is_described(self):
        text = (TOP / "doc/source/rundeck.rst").read_text()
        text = " ".join(text.split())
        for name, job in rundeck.jobs().items():
            title = job["description"].splitlines()[0].rstrip(".")
            self.assertIn(f"``{name}`` {title}", text)
