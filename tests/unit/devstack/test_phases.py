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

# Every function of the plugin tells that it is called and does nothing more.
TELL = """
load_plugin
run_phase stack pre-install
source() {
    builtin source "$@"
    local name
    for name in $(compgen -A function | grep promote); do
        case "$name" in
            promote_* | check_promote_lvm_settings) ;;
            *) eval "$name() { say CALLED $name; }" ;;
        esac
    done
}
"""


class PhasesTest(base.DevstackTestCase):
    def called(self, *phase, **settings):
        self.bash(f"{TELL}\nrun_phase {' '.join(phase)}", **settings)
        return [
            line.removeprefix("CALLED ")
            for line in self.logged()
            if line.startswith("CALLED ")
        ]

    def test_what_each_phase_does(self):
        for phase, expected in (
            (("stack", "pre-install"), []),
            (
                ("stack", "install"),
                ["install_cinder_promote", "install_promote_disk_command"],
            ),
            (
                ("stack", "post-config"),
                ["configure_cinder_promote", "enable_promote_disks"],
            ),
            (
                ("stack", "extra"),
                ["check_promote_extension", "create_promote_volume_types"],
            ),
            (
                ("stack", "test-config"),
                [
                    "accept_promote_disks_after_reboot",
                    "install_promote_tempest_access",
                    "configure_promote_tempest",
                ],
            ),
            (
                ("unstack",),
                [
                    "log_out_of_promote_volumes",
                    "remove_promote_tempest_access",
                    "cleanup_cinder_promote",
                ],
            ),
            (("clean",), ["remove_promote_disks"]),
        ):
            with self.subTest(phase):
                self.log.unlink(missing_ok=True)
                self.assertEqual(expected, self.called(*phase))

    def test_without_tempest(self):
        self.assertEqual(
            ["accept_promote_disks_after_reboot"],
            self.called("stack", "test-config", ENABLED_SERVICES="c-vol"),
        )

    def test_without_the_api_on_this_host(self):
        self.assertEqual(
            [], self.called("stack", "extra", ENABLED_SERVICES="c-vol")
        )

    def test_what_devstack_calls_is_there_from_the_first_phase_on(self):
        script = "load_plugin; run_phase {}; compgen -A function"
        for program, phase in (
            ("stack.sh", "stack pre-install"),
            ("unstack.sh", "unstack"),
        ):
            with self.subTest(program):
                functions = self.bash(
                    script.format(phase), program=program
                ).stdout.split()
                for step in ("configure", "init", "cleanup"):
                    self.assertIn(
                        f"{step}_cinder_backend_promote_lvm", functions
                    )

    def test_only_functions_that_exist_are_called(self):
        functions = self.bash(
            "load_plugin; run_phase stack pre-install; compgen -A function"
        ).stdout.split()
        text = (base.PLUGIN / "plugin.sh").read_text()
        called = re.findall(r"(?m)^ +(\w*promote\w*)$", text)
        self.assertGreater(len(called), 10)
        self.assertLessEqual(set(called), set(functions))
