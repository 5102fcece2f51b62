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
import os
import re
import subprocess

import yaml

from tests.unit.zuul_playbooks import base

PAGE = (base.PROJECT / "doc/source/zuul.rst").read_text()


def documented_driver():
    """Return the variables of the example for vendors."""
    block = re.search(r"(?m)^   - job:\n((   .+)?\n)+?(?=\S)", PAGE)
    return yaml.safe_load(block[0])[0]["job"]["vars"]


class PlaybookTest(base.PlaybookTestCase):
    def setUp(self):
        super().setUp()
        self.devstack = self.root / "opt/stack/devstack"
        self.devstack.mkdir(parents=True)
        self.sbin = self.root / "sbin"
        self.sbin.mkdir()

    def configure(self, succeeds=True, **variables):
        return self.play(
            "configure-driver.yaml",
            succeeds,
            devstack_base_dir=str(self.root / "opt/stack"),
            promote_bin_dir=str(self.sbin),
            promote_conf_dir=str(self.root / "etc/cinder-promote"),
            **variables,
        )

    def host_options(self):
        parser = configparser.RawConfigParser()
        parser.read(self.root / "etc/cinder-promote/host.conf")
        self.assertEqual(["host"], parser.sections())
        return dict(parser["host"])

    def run_local_sh(self):
        self.write("opt/stack/devstack/openrc", 'echo "openrc $*" >>$LOG\n')
        subprocess.run(
            [self.devstack / "local.sh"],
            env=self.environment(LOG=str(self.root / "log")),
            check=True,
            stderr=subprocess.DEVNULL,
        )

    def test_the_driver_of_the_documentation(self):
        for name in ("re-point", "array"):
            self.write(f"home/src/github.com/acme/cinder-ci/{name}", name)
        self.configure(
            promote_local_sh="openstack token issue", **documented_driver()
        )
        installed = self.sbin / "acme-re-point"
        self.assertEqual("re-point", installed.read_text())
        self.assertTrue(os.access(installed, os.X_OK))
        self.assertEqual("array", (self.sbin / "acme-array").read_text())
        self.assertEqual(
            {
                "re_point_command": "/usr/local/sbin/acme-re-point "
                "{config_file} {backend} {to} {replicate_to}",
            },
            self.host_options(),
        )
        self.program("openstack", '[ "$3" != show ]')
        self.run_local_sh()
        self.assertEqual(
            [
                "openrc admin admin",
                "openstack token issue",
                "openstack volume type show replicated-array-a",
                "openstack volume type create replicated-array-a",
                "openstack volume type set --property "
                "volume_backend_name=array-a --property "
                "replication_enabled=<is> True replicated-array-a",
            ],
            self.logged(),
        )

    def test_the_ceph_job(self):
        variables = base.job_variables("cinder-promote-ceph")
        source = self.home / f"src/{base.NAME}/doc/source/admin"
        source.mkdir(parents=True)
        script = base.PROJECT / "doc/source/admin/re-point-rbd.sh"
        (source / script.name).write_bytes(script.read_bytes())
        names = (
            "promote_backend",
            "promote_cinder_conf",
            "promote_failover_target",
            "promote_host_options",
            "promote_local_sh",
            "promote_programs",
            "promote_protection_target",
        )
        self.configure(**{name: variables[name] for name in names})
        command = self.host_options()["re_point_command"]
        self.assertEqual("/usr/local/sbin/re-point-rbd", command.split()[0])

        # As DevStack writes the section, with what the job adds to it.
        section = {
            "rbd_ceph_conf": "/etc/ceph/ceph.conf",
            **variables["promote_cinder_conf"]["ceph"],
        }
        conf = self.write(
            "cinder.conf",
            "[ceph]\n"
            + "".join(f"{key} = {value}\n" for key, value in section.items()),
        )
        before = conf.read_text()
        for to, target in (("ceph2", "ceph"), ("ceph", "ceph2")):
            words = command.format(
                config_file=conf, backend="ceph", to=to, replicate_to=target
            ).split()
            subprocess.run(
                [self.sbin / "re-point-rbd", *words[1:]], check=True
            )
            self.assertIn(f"rbd_cluster_name = {to}\n", conf.read_text())
            self.assertIn(f"/etc/ceph/{target}.conf,", conf.read_text())
        self.assertEqual(before.split(), conf.read_text().split())

        # The file that replication_device names comes from local.sh.
        self.program("openstack")
        self.program("sudo", "cat")
        self.run_local_sh()
        self.assertIn(
            "sudo cp /etc/ceph2/ceph.conf /etc/ceph/ceph2.conf", self.logged()
        )

    def test_variables_that_are_missing_or_wrong(self):
        driver = documented_driver()
        for name, value, message in (
            ("promote_backend", "a b", "promote_backend is 'a b', not the"),
            (
                "promote_cinder_conf",
                {"array-a": {"san_ip": "192.0.2.1"}},
                "promote_cinder_conf has no section 'array-a' with a",
            ),
            ("promote_failover_target", "", "promote_failover_target is not"),
        ):
            with self.subTest(name, value=value):
                output = self.configure(False, **{**driver, name: value})
                self.assertIn(message, " ".join(output.split()))
        self.assertEqual([], list(self.devstack.iterdir()))
        self.assertEqual([], list(self.sbin.iterdir()))
