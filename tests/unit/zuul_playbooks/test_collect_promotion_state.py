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

import os
import pathlib
import shutil
import subprocess

from tests.unit.zuul_playbooks import base

COLLECTOR = (
    base.ROLES / "collect-promotion-state/files/collect-promotion-state"
)

# What would ask this machine's disks, services or cloud.
ASKED = (
    "cinder-promote-disk",
    "df",
    "dmsetup",
    "iscsiadm",
    "journalctl",
    "losetup",
    "lsblk",
    "lvs",
    "nvme",
    "openstack",
    "pvs",
    "stestr",
    "targetcli",
    "tgtadm",
    "vgs",
)
# And what the script works with.
NEEDED = "bash cat chmod cp cut diff find mkdir rm sed sh sleep sort".split()

BEFORE = """\
[lvm-a]
volume_group = promote-a
san_password = hidden-1
replication_device = backend_id:b,volume_group:promote-b,password:hidden-2,x:y
[database]
connection = mysql+pymysql://root:hidden-3@127.0.0.1/cinder
"""


class CollectTestCase(base.PlaybookTestCase):
    def setUp(self):
        super().setUp()
        for name in ASKED:
            self.program(name, f"echo {name} tells")
        conf = self.write("etc/cinder/cinder.conf", BEFORE)
        backup = conf.with_name("cinder.conf.before-re-point-0123")
        shutil.copy(conf, backup)
        os.utime(backup, (1, 1))
        conf.write_text(
            BEFORE.replace("group = promote-a", "group = promote-b")
        )
        self.write(
            "etc/cinder-promote/host.conf", "[host]\nstop_timeout = 9\n"
        )
        self.write("var/states.txt", "12:00 service h@a failed-over\n")
        self.write("opt/stack/tempest/tempest.log")

    def assert_told(self, found, name, *texts):
        content = (found / name).read_text()
        for text in texts:
            self.assertIn(text, content)


class PlaybookTest(CollectTestCase):
    def collect(self, stage):
        self.play(
            "collect-promotion-state.yaml",
            devstack_base_dir=str(self.root / "opt/stack"),
            promote_cinder_conf_dir=str(self.root / "etc/cinder"),
            promote_conf_dir=str(self.root / "etc/cinder-promote"),
            promote_states_file=str(self.root / "var/states.txt"),
            stage_dir=str(stage),
        )

    def test_everything_is_there(self):
        self.collect(self.home)
        found = self.home / "cinder-promote"
        self.assertEqual(
            {
                "c-api.txt",
                "c-sch.txt",
                "c-vol.txt",
                "cinder-promote.txt",
                "cinder.conf",
                "cinder.conf.before-re-point-0123",
                "cinder.conf.changes.txt",
                "device-mapper.txt",
                "disks.txt",
                "host.conf",
                "kernel.txt",
                "lvm.txt",
                "service-states.txt",
                "services-at-the-end.txt",
                "target-services.txt",
                "targets.txt",
                "test-report.txt",
            },
            {file.name for file in found.iterdir()},
        )
        self.assert_told(
            found, "device-mapper.txt", "$ dmsetup table", "tells"
        )
        self.assert_told(found, "lvm.txt", "$ pvs", "$ vgs", "$ lvs")
        self.assert_told(found, "targets.txt", "tgtadm", "targetcli", "nvme")
        self.assert_told(found, "service-states.txt", "h@a failed-over")
        self.assert_told(found, "host.conf", "stop_timeout = 9")
        self.assert_told(found, "test-report.txt", "stestr tells")
        self.assertIn("stestr last", self.logged())
        # Not by Ansible's facts, which nothing bounds.
        asked = [line for line in self.logged() if line.startswith("vgs ")]
        self.assertEqual(["vgs -o +vg_tags"], asked)
        self.assert_told(
            found,
            "cinder.conf.changes.txt",
            "\n-volume_group = promote-a\n+volume_group = promote-b\n",
        )

    def test_a_collector_that_fails_fails_no_job(self):
        self.program("bash", "exit 3")
        self.collect(self.home)
        [ran] = [line for line in self.logged() if line.startswith("bash ")]
        self.assertIn("/cinder-promote", ran)


class CollectorTest(CollectTestCase):
    """The script alone, with no programs but those that it is given."""

    def setUp(self):
        super().setUp()
        for name in NEEDED:
            (self.bin / name).symlink_to(shutil.which(name))
        self.found = self.home / "cinder-promote"

    def collect(self, **environment):
        subprocess.run(
            [COLLECTOR, self.found],
            env={
                "PATH": str(self.bin),
                "CINDER_CONF_DIR": str(self.root / "etc/cinder"),
                "CINDER_PROMOTE_CONF_DIR": str(
                    self.root / "etc/cinder-promote"
                ),
                "STATES_FILE": str(self.root / "var/states.txt"),
                "TEMPEST_DIR": str(self.root / "opt/stack/tempest"),
                **environment,
            },
            capture_output=True,
            check=True,
            timeout=base.SECONDS,
        )

    def test_no_secrets(self):
        self.collect()
        configuration = list(self.found.glob("cinder.conf*"))
        self.assertEqual(3, len(configuration))
        for file in configuration:
            self.assertNotIn("hidden", file.read_text())
        text = (self.found / "cinder.conf").read_text()
        self.assertIn("san_password = ***\n", text)
        self.assertIn("volume_group:promote-b,password:***,x:y\n", text)
        self.assertIn("://root:***@127.0.0.1/cinder\n", text)

    def test_a_place_that_can_not_be_written(self):
        self.found = self.write("not-a-folder")
        self.collect()
        self.assertEqual([], self.logged())

    def test_programs_that_are_missing_or_fail(self):
        (self.bin / "tgtadm").unlink()
        self.program("lvs", "echo no device; exit 5")
        self.collect()
        self.assert_told(
            self.found,
            "targets.txt",
            "$ tgtadm --mode target --op show\n"
            "(tgtadm is not installed here)\n\n$ targetcli",
        )
        self.assert_told(self.found, "lvm.txt", "no device\n(exit status 5)\n")

    def test_none_of_the_programs(self):
        for name in ASKED:
            (self.bin / name).unlink()
        self.collect()
        for name in ("c-vol.txt", "disks.txt", "lvm.txt", "test-report.txt"):
            self.assert_told(self.found, name, "is not installed here")

    def test_a_program_that_hangs(self):
        pid = self.root / "pid"
        self.program("pvs", f"echo $$ >{pid}; exec sleep 600")
        self.collect(COMMAND_LIMIT="0")
        self.assert_told(
            self.found, "lvm.txt", "$ pvs -a\n(no end after 0 s)\n", "$ lvs"
        )
        self.assertFalse(
            pathlib.Path("/proc", pid.read_text().strip()).exists()
        )

    def test_nothing_has_been_deployed(self):
        shutil.rmtree(self.root / "etc")
        shutil.rmtree(self.root / "opt")
        shutil.rmtree(self.root / "var")
        self.collect()
        for name in ("cinder.conf", "host.conf", "test-report.txt"):
            self.assert_told(self.found, name, "does not exist")
        self.assert_told(self.found, "service-states.txt", "was recorded")
        self.assert_told(self.found, "cinder.conf.changes.txt", "re-pointed")

    def test_several_promotions_in_their_order(self):
        conf = self.root / "etc/cinder/cinder.conf"
        for when, group in ((3, "last"), (2, "second")):
            backup = self.write(
                f"etc/cinder/cinder.conf.before-re-point-{group}",
                BEFORE.replace("group = promote-a", f"group = {group}"),
            )
            os.utime(backup, (when, when))
        self.assertIn("promote-b", conf.read_text())
        self.collect()
        changes = (self.found / "cinder.conf.changes.txt").read_text()
        self.assertEqual(
            ["promote-a", "second", "second", "last", "last", "promote-b"],
            [
                line.rpartition(" ")[2]
                for line in changes.splitlines()
                if line[1:].startswith("volume_group")
            ],
        )
