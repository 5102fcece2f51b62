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

from tests.unit.devstack import base

LOAD = "load_plugin; run_phase stack pre-install;"
URL = "http://192.0.2.1/volume/v3/extensions"


class InstallTest(base.DevstackTestCase):
    def test_into_the_common_environment(self):
        self.bash(LOAD + "install_cinder_promote")
        where = "into the common environment"
        self.assertEqual(
            [
                f"setup_develop {base.PROJECT} {where}",
                f"pip_install_gr cliff {where}",
            ],
            self.logged()[-2:],
        )

    def test_into_the_environment_of_cinder(self):
        self.bash(
            LOAD + "PROJECT_VENV[cinder]=/opt/stack/cinder.venv;"
            "install_cinder_promote; setup_develop something-else",
            USE_VENV="True",
        )
        self.assertEqual(
            [
                f"setup_develop {base.PROJECT} into /opt/stack/cinder.venv",
                "pip_install_gr cliff into /opt/stack/cinder.venv",
                "setup_develop something-else into the common environment",
            ],
            self.logged()[-3:],
        )


class ExtensionCheckTest(base.DevstackTestCase):
    check = LOAD + "check_promote_extension"

    def setUp(self):
        super().setUp()
        self.program("openstack", "echo a-token")

    def test_listed(self):
        self.program("curl", 'echo \'{"alias": "os-promote-backend"}\'')
        self.bash(self.check)
        [asked] = [line for line in self.logged() if line.startswith("curl ")]
        self.assertIn("X-Auth-Token: a-token", asked)
        self.assertTrue(asked.endswith(URL), asked)

    def test_not_listed(self):
        self.program("curl", 'echo \'{"alias": "os-promote"}\'')
        self.assert_dies(
            f"GET {URL} does not list os-promote-backend; journalctl -u "
            "devstack@c-api",
            self.check,
        )

    def test_no_answer(self):
        self.program("curl", "exit 7")
        self.assert_dies("does not list", self.check)


class VolumeTypesTest(base.DevstackTestCase):
    def created(self, **settings):
        # Each word on a line of its own.
        self.program("openstack", f"printf '%s\\n' \"$@\" >>{self.log}")
        self.bash(LOAD + "create_promote_volume_types", **settings)
        return "\n".join(self.logged())

    def test_one_for_each_backend_that_replicates(self):
        made = self.created(
            CINDER_PROMOTE_REPLICATION="lvm-c:lvm-b,lvm-a:lvm-b"
        )
        self.assertEqual(2, made.count("\nvolume\ntype\ncreate\n"))
        for name in ("lvm-a", "lvm-c"):
            self.assertIn(
                f"--property\nvolume_backend_name={name}\n"
                "--property\nreplication_enabled=<is> True\n"
                f"replicated-{name}",
                made,
            )


class LogOutTest(base.DevstackTestCase):
    def test_sessions_of_this_host_only(self):
        iqn = "iqn.2010-10.org.openstack:volume-"
        self.program(
            "iscsiadm",
            '[ "$2" = session ] || exit 0\n'
            f"echo 'tcp: [1] 192.0.2.1:3260,1 {iqn}1 (non-flash)'\n"
            f"echo 'tcp: [2] 192.0.2.10:3260,1 {iqn}2 (non-flash)'\n"
            "echo 'tcp: [3] 192.0.2.1:3260,1 iqn.other:volume-3 (non-flash)'",
        )
        self.bash(LOAD + "log_out_of_promote_volumes")
        self.assertEqual(
            [
                f"iscsiadm --mode node --targetname {iqn}1 --logout",
                f"iscsiadm --mode node --targetname {iqn}1 --op delete",
            ],
            self.logged()[-2:],
        )
        self.assertNotIn(f"{iqn}2", "\n".join(self.logged()))

    def test_no_initiator_at_all(self):
        self.program("iscsiadm", "exit 21")
        self.bash(LOAD + "log_out_of_promote_volumes")
