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
import contextlib
import io
import json
import os
from unittest import mock

from oslo_config import cfg

from cinder_promote.cmd import host
from cinder_promote.host import config
from tests.unit.devstack import base

CONFIGURE = """
load_plugin
run_phase stack pre-install
mkdir -p "$CINDER_PROMOTE_CONF_DIR"
iniset "$CINDER_CONF" DEFAULT osapi_volume_extension \
    cinder.api.contrib.standard_extensions
names=""
for be in ${CINDER_ENABLED_BACKENDS//,/ }; do
    if [[ "$be" == promote_lvm:* ]]; then
        configure_cinder_backend_promote_lvm "${be##*:}"
    fi
    names+="${be##*:},"
done
iniset "$CINDER_CONF" DEFAULT enabled_backends "${names%,}"
configure_cinder_promote
"""
EXTENSIONS = cfg.MultiStrOpt("osapi_volume_extension")
DEVICES = cfg.MultiOpt("replication_device", item_type=cfg.types.Dict())
STANDARD = "cinder.api.contrib.standard_extensions"
OURS = "cinder_promote.api.promote_backend.Promote_backend"


class ConfigurationTestCase(base.DevstackTestCase):
    def configure(self, **settings):
        self.bash(CONFIGURE, **settings)

    def section(self, name):
        parser = configparser.ConfigParser(
            strict=False, default_section="none"
        )
        parser.read(self.cinder_conf)
        return dict(parser[name])

    def targets(self, name):
        """Return what a section replicates to, as Cinder reads it."""
        return base.read_options(
            self.cinder_conf, name, [DEVICES]
        ).replication_device

    def run_host(self, *arguments):
        """Run the storage host command as the plugin configures it."""
        output = io.StringIO()
        conf = self.etc / "cinder-promote/host.conf"
        path = f"{self.root}/bin{os.pathsep}{os.environ['PATH']}"
        with (
            mock.patch.dict(os.environ, PATH=path),
            contextlib.redirect_stdout(output),
        ):
            status = host.main(
                ["--config-file", str(conf), "--json", *arguments]
            )
        self.assertEqual(0, status)
        return json.loads(output.getvalue())


class SectionTest(ConfigurationTestCase):
    def test_the_whole_section(self):
        self.configure()
        self.assertEqual(
            {
                "volume_driver": "cinder_promote.volume.replicated_lvm."
                "ReplicatedLVMVolumeDriver",
                "volume_backend_name": "lvm-b",
                "volume_group": "promote-lvm-b",
                "lvm_type": "thin",
                "target_helper": "lioadm",
                "target_protocol": "iscsi",
                "target_port": "3260",
                "target_prefix": "iqn.2010-10.org.openstack:",
                "volume_clear": "zero",
                "replication_device": "backend_id:lvm-c,"
                "volume_group:promote-lvm-c",
            },
            self.section("lvm-b"),
        )

    def test_settings(self):
        self.configure(
            CINDER_PROMOTE_LVM_TYPE="default",
            CINDER_PROMOTE_TARGET_HELPER="tgtadm",
        )
        section = self.section("lvm-a")
        self.assertEqual("default", section["lvm_type"])
        self.assertEqual("tgtadm", section["target_helper"])

    def test_several_targets_and_none(self):
        self.configure(CINDER_PROMOTE_REPLICATION="lvm-a:lvm-c,lvm-a:lvm-b")
        self.assertEqual(
            [
                {"backend_id": "lvm-c", "volume_group": "promote-lvm-c"},
                {"backend_id": "lvm-b", "volume_group": "promote-lvm-b"},
            ],
            self.targets("lvm-a"),
        )
        self.assertIsNone(self.targets("lvm-b"))


class ExtensionTest(ConfigurationTestCase):
    def extensions(self):
        return base.read_options(
            self.cinder_conf, "DEFAULT", [EXTENSIONS]
        ).osapi_volume_extension

    def test_the_standard_one_stays(self):
        self.configure()
        self.assertEqual([STANDARD, OURS], self.extensions())

    def test_not_twice(self):
        self.bash(CONFIGURE + "configure_cinder_promote")
        self.assertEqual([STANDARD, OURS], self.extensions())


class PrivilegesTest(ConfigurationTestCase):
    def test_rootwrap_filters_are_beside_those_of_cinder(self):
        self.configure()
        [filters] = (base.PROJECT / "etc/cinder/rootwrap.d").iterdir()
        installed = self.etc / "cinder/rootwrap.d" / filters.name
        self.assertEqual(filters.read_text(), installed.read_text())
        self.assertEqual(0o644, installed.stat().st_mode & 0o777)


class StorageHostCommandTest(ConfigurationTestCase):
    def test_one_service_serves_all_backends(self):
        self.configure()
        options = config.load(str(self.etc / "cinder-promote/host.conf"))
        self.assertEqual("devstack@c-vol.service", options.volume_service)

    def test_a_backend_can_be_promoted(self):
        self.program("systemctl", "echo loaded; echo inactive")
        self.configure()
        self.run_host(
            "re-point", "lvm-a", "--to", "lvm-b", "--replicate-to", "lvm-c"
        )
        self.assertEqual(
            "promote-lvm-b", self.section("lvm-a")["volume_group"]
        )
        self.assertEqual(
            [{"backend_id": "lvm-c", "volume_group": "promote-lvm-c"}],
            self.targets("lvm-a"),
        )
        self.assertIn(
            "devstack@c-vol.service",
            "".join(line for line in self.logged() if "systemctl" in line),
        )


class UnstackTest(ConfigurationTestCase):
    def test_leaves_nothing_of_what_was_configured(self):
        self.program("systemctl", "echo loaded; echo inactive")
        self.configure()
        self.run_host("re-point", "lvm-a", "--to", "lvm-b")
        self.assertGreater(len(list(self.etc.glob("cinder/cinder.conf.*"))), 1)
        self.bash("load_plugin; run_phase unstack", program="unstack.sh")
        self.assertEqual(
            [self.cinder_conf],
            [path for path in self.etc.rglob("*") if path.is_file()],
        )
