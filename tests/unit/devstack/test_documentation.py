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

from tests.unit.devstack import base

PAGE = (base.PROJECT / "doc/source/devstack.rst").read_text()

LOCALRC = """
disable_all_services() {{ ENABLED_SERVICES=; }}
enable_service() {{ ENABLED_SERVICES=$(printf '%s,' "$@"); }}
enable_plugin() {{ say "enable_plugin $*"; }}
{lines}
load_plugin
"""


class QuickStartTest(base.DevstackTestCase):
    def local_conf(self):
        block = re.search(r"(?m)^   \[\[local.localrc\]\]\n((   .+\n)+)", PAGE)
        return [line.strip() for line in block[1].splitlines()]

    def test_ten_lines_that_the_plugin_takes(self):
        lines = self.local_conf()
        self.assertLessEqual(len(lines) + 1, 10)
        self.bash(LOCALRC.format(lines="\n".join(lines)))

    def test_the_plugin_has_the_name_that_it_has_for_devstack(self):
        lines = self.local_conf()
        self.bash(LOCALRC.format(lines="\n".join(lines)))
        [enabled, defined] = [
            line.split()[1] for line in self.logged() if "_plugin" in line
        ]
        self.assertEqual(defined, enabled)
        for system in ("debs", "rpms"):
            packages = base.PLUGIN / "files" / system / defined
            names = packages.read_text().splitlines()
            self.assertEqual(sorted(set(names)), names)
            self.assertIn("lvm2", names)


class SettingsTableTest(base.DevstackTestCase):
    rows = dict(
        re.findall(r"(?m)^   \* - ``(\w+)``\n     - (?:``(\S+?)``$)?", PAGE)
    )

    def test_all_settings_and_no_other(self):
        text = "".join(
            (base.PLUGIN / name).read_text()
            for name in ("settings", "override-defaults")
        )
        defaults = re.findall(r"(?m)^(CINDER_\w+)=\$\{\1:-", text)
        chosen = re.findall(r"(?m)^(CINDER_\w+)=\$\(trueorfalse", text)
        self.assertEqual(set(defaults + chosen), set(self.rows))

    def test_their_defaults(self):
        checked = 0
        for name, default in self.rows.items():
            if (
                default
                and default[0] not in "$p"
                and default != ("CINDER_TARGET_HELPER")
            ):
                with self.subTest(name):
                    self.assertEqual(default, self.value_of(name))
                    checked += 1
        self.assertEqual(4, checked)


class PhasesTableTest(base.DevstackTestCase):
    def test_each_phase_that_does_something(self):
        text = (base.PLUGIN / "plugin.sh").read_text()
        phases = re.findall(r'(?m)^    "([a-z -]+?) ?"\)$', text)
        self.assertGreater(len(phases), 4)
        for phase in phases:
            with self.subTest(phase):
                self.assertRegex(PAGE, rf"(?m)^{phase}  +\S")
