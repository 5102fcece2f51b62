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

"""What setup.cfg installs is documented."""

import configparser
import pathlib
import re
import unittest

TOP = pathlib.Path(__file__).resolve().parents[3]
SOURCE = TOP / "doc/source"


def names(group):
    setup = configparser.ConfigParser()
    setup.read(TOP / "setup.cfg")
    lines = setup["entry_points"][group].split("\n")
    return {line.partition(" = ")[0] for line in lines if line}


class DocumentationTest(unittest.TestCase):
    def test_options(self):
        page = (SOURCE / "reference/configuration.rst").read_text()
        self.assertEqual(
            names("oslo.config.opts"),
            set(re.findall(r"(?m)^   (cinder_promote\S*)$", page)),
        )

    def test_sample_files_are_of_namespaces_that_exist(self):
        for kind, group in (
            ("config", "oslo.config.opts"),
            ("policy", "oslo.policy.policies"),
        ):
            files = list((TOP / f"etc/oslo-{kind}-generator").iterdir())
            self.assertTrue(files)
            for path in files:
                with self.subTest(path.name):
                    text = path.read_text()
                    [name] = re.findall(r"(?m)^namespace = (.+)$", text)
                    self.assertIn(name, names(group))

    def test_commands(self):
        index = (SOURCE / "cli/index.rst").read_text()
        for name in names("console_scripts"):
            with self.subTest(name):
                self.assertRegex(index, rf"(?m)^(   |``){name}(``|$)")
