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

import configparser
import re
import subprocess

from tests.unit.devstack import base


class DefaultsTest(base.DevstackTestCase):
    def test_three_backends_that_replicate_in_a_ring(self):
        self.assertEqual(
            "promote_lvm:lvm-a,promote_lvm:lvm-b,promote_lvm:lvm-c",
            self.value_of("CINDER_ENABLED_BACKENDS"),
        )
        self.assertEqual(
            "lvm-a:lvm-b,lvm-b:lvm-c,lvm-c:lvm-a",
            self.value_of("CINDER_PROMOTE_REPLICATION"),
        )

    def test_with_other_backends_the_ring_is_of_ours(self):
        backends = "promote_lvm:x,lvm:lvmdriver-1,promote_lvm:y"
        self.assertEqual(
            backends,
            self.value_of(
                "CINDER_ENABLED_BACKENDS", CINDER_ENABLED_BACKENDS=backends
            ),
        )
        self.assertEqual(
            "x:y,y:x",
            self.value_of(
                "CINDER_PROMOTE_REPLICATION", CINDER_ENABLED_BACKENDS=backends
            ),
        )

    def test_what_the_user_sets_stays(self):
        for name, value in (
            ("CINDER_PROMOTE_REPLICATION", "lvm-a:lvm-c"),
            ("CINDER_PROMOTE_DISK_SIZE", "3G"),
            ("CINDER_PROMOTE_LVM_TYPE", "default"),
            ("CINDER_PROMOTE_DISKS_CAN_FAIL", "False"),
            ("CINDER_SERVICE_REPORT_INTERVAL", "33"),
        ):
            with self.subTest(name):
                self.assertEqual(value, self.value_of(name, **{name: value}))

    def test_target_helper_is_that_of_devstack(self):
        name = "CINDER_PROMOTE_TARGET_HELPER"
        self.assertEqual("lioadm", self.value_of(name))
        self.assertEqual(
            "tgtadm", self.value_of(name, CINDER_TARGET_HELPER="tgtadm")
        )

    def test_devstack_installs_the_target_helper_that_is_chosen(self):
        self.assertEqual(
            "tgtadm",
            self.value_of(
                "CINDER_TARGET_HELPER", CINDER_PROMOTE_TARGET_HELPER="tgtadm"
            ),
        )


class TempestPluginsTest(base.DevstackTestCase):
    ours = f" {base.PROJECT} os-brick"

    def test_ours_alone(self):
        self.assertEqual(self.ours, self.value_of("TEMPEST_PLUGINS"))

    def test_ours_after_others(self):
        self.assertEqual(
            f"/opt/other{self.ours}",
            self.value_of("TEMPEST_PLUGINS", TEMPEST_PLUGINS="/opt/other"),
        )

    def test_what_the_tests_need_beside_tempest(self):
        setup = configparser.ConfigParser()
        setup.read(base.PROJECT / "setup.cfg")
        needed = {
            re.match(r"[\w.-]+", line)[0]
            for line in setup["extras"]["tempest"].split("\n")
            if line
        }
        # These two come with the Tempest that DevStack installs.
        self.assertEqual(
            {"os-brick"}, needed - {"tempest", "oslo.concurrency"}
        )


class RefusedSettingsTest(base.DevstackTestCase):
    def test_one_sentence_says_what_is_wrong(self):
        for pattern, settings in (
            ("c-vol is not enabled", {"ENABLED_SERVICES": "key,c-api"}),
            ("USER_UNITS is True", {"USER_UNITS": "True"}),
            (
                "has 0 backends of type promote_lvm",
                {"CINDER_ENABLED_BACKENDS": "lvm:lvmdriver-1"},
            ),
            (
                "has 1 backends of type promote_lvm",
                {"CINDER_ENABLED_BACKENDS": "lvm:b,promote_lvm:a"},
            ),
            (
                "has a twice",
                {"CINDER_ENABLED_BACKENDS": "lvm:a,promote_lvm:a"},
            ),
            (
                "'a.b'; a name is",
                {"CINDER_ENABLED_BACKENDS": "promote_lvm:a.b,promote_lvm:c"},
            ),
            (
                "'lvm-a:lvm-d', but lvm-d is no promote_lvm backend",
                {"CINDER_PROMOTE_REPLICATION": "lvm-a:lvm-d"},
            ),
            (
                "'lvm-q:lvm-a', but lvm-q is no promote_lvm backend",
                {"CINDER_PROMOTE_REPLICATION": "lvm-b:lvm-a,lvm-q:lvm-a"},
            ),
            (
                "'lvm-a:other', but other is no promote_lvm backend",
                {
                    "CINDER_ENABLED_BACKENDS": "promote_lvm:lvm-a,"
                    "promote_lvm:lvm-b,lvm:other",
                    "CINDER_PROMOTE_REPLICATION": "lvm-a:other",
                },
            ),
            (
                "'lvm-a:lvm-a': a backend can't replicate to itself",
                {"CINDER_PROMOTE_REPLICATION": "lvm-a:lvm-a"},
            ),
            (
                "'lvm-a', which is not BACKEND:BACKEND",
                {"CINDER_PROMOTE_REPLICATION": "lvm-a"},
            ),
            (
                "'a:b:c', which is not BACKEND:BACKEND",
                {"CINDER_PROMOTE_REPLICATION": "a:b:c"},
            ),
            (
                "'lvm-a:lvm-b' twice",
                {"CINDER_PROMOTE_REPLICATION": "lvm-a:lvm-b,lvm-a:lvm-b"},
            ),
            ("'fat', not thin or default", {"CINDER_PROMOTE_LVM_TYPE": "fat"}),
            (
                "'iet', not tgtadm, lioadm or nvmet",
                {"CINDER_PROMOTE_TARGET_HELPER": "iet"},
            ),
            (
                "CINDER_PROMOTE_TARGET_HELPER is tgtadm, .* which is lioadm",
                {
                    "CINDER_PROMOTE_TARGET_HELPER": "tgtadm",
                    "CINDER_TARGET_HELPER": "lioadm",
                },
            ),
            ("'5 GB', not a number", {"CINDER_PROMOTE_DISK_SIZE": "5 GB"}),
            ("at least 2G", {"CINDER_PROMOTE_DISK_SIZE": "2047M"}),
            (
                "need 33G in /.*, which has 30G",
                {"CINDER_PROMOTE_DISK_SIZE": "11G"},
            ),
        ):
            with self.subTest(pattern):
                self.assert_dies(pattern, **settings)

    def test_kernel_without_dm_raid(self):
        self.program("modprobe", '[ "$1" != dm-raid ]')
        self.assert_dies("no module dm-raid")

    def test_good_ones_are_not_refused(self):
        for settings in (
            {"CINDER_PROMOTE_DISK_SIZE": "10G"},
            {"CINDER_PROMOTE_DISK_SIZE": "2048M"},
            {"CINDER_PROMOTE_REPLICATION": "lvm-a:lvm-b,lvm-a:lvm-c"},
            {"CINDER_ENABLED_BACKENDS": "promote_lvm:A_1,promote_lvm:2-b"},
            {"CINDER_PROMOTE_LVM_TYPE": "default"},
            {"CINDER_PROMOTE_TARGET_HELPER": "nvmet"},
            {"ENABLED_SERVICES": "c-vol"},
        ):
            with self.subTest(str(settings)):
                self.bash("load_plugin", **settings)

    def test_disks_of_an_earlier_stack_count_as_free_space(self):
        file = self.data / "promote-lvm-a-backing-file"
        subprocess.run(
            ["dd", "if=/dev/urandom", f"of={file}", "bs=1M", "count=8"],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        short = 3 * 2**31 - 2**22
        self.program("df", f"echo Avail; echo {short}")
        self.bash("load_plugin", CINDER_PROMOTE_DISK_SIZE="2G")
        file.unlink()
        self.assert_dies("need 6.0G", CINDER_PROMOTE_DISK_SIZE="2G")

    def test_what_was_stacked_can_be_taken_away_whatever_is_set(self):
        for program in ("unstack.sh", "clean.sh"):
            with self.subTest(program):
                self.bash(
                    "load_plugin",
                    program=program,
                    CINDER_ENABLED_BACKENDS="promote_lvm:a",
                    CINDER_PROMOTE_DISK_SIZE="nonsense",
                )
