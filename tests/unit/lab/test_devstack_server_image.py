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
import subprocess

from cinder_lab import errors
from cinder_lab.devstack import clouds, server_image
from tests.unit.lab import base

SERVER = clouds.FOLDER / "server"

DEPENDENCIES = """\
kernel/virtio.ko: kernel/virtio_ring.ko
kernel/virtio_ring.ko:
kernel/virtio_blk.ko: kernel/virtio.ko kernel/virtio_ring.ko
kernel/isofs.ko: kernel/cdrom.ko
kernel/cdrom.ko:
"""

META_DATA = """{"uuid": "u", "public_keys": {"tempest": "ecdsa-sha2-nistp384 \
AAAAE2/+z=="}, "keys": [{"name": "tempest", "type": "ssh", "data": \
"ecdsa-sha2-nistp384 AAAAE2/+z=="}, {"data": "ssh-rsa AAAAB3 by Nova\\n"}]}
"""


class ModulesTestCase(base.LabTestCase):
    def test_what_a_module_needs_comes_first_and_once(self):
        self.assertEqual(
            [
                "kernel/virtio_ring.ko",
                "kernel/virtio.ko",
                "kernel/virtio_blk.ko",
                "kernel/cdrom.ko",
                "kernel/isofs.ko",
            ],
            server_image.module_files(
                DEPENDENCIES, ["virtio_blk", "virtio", "isofs"]
            ),
        )

    def test_module_that_is_not_there(self):
        with self.assertRaisesRegex(errors.LabError, "no module virtio-rng"):
            server_image.module_files(DEPENDENCIES, ["isofs", "virtio-rng"])


class LabelTestCase(base.LabTestCase):
    def test_scripts_know_the_label_of_the_root_file_system(self):
        for name in ("initramfs/init", "root/etc/rc"):
            self.assertIn(
                f"findfs LABEL={server_image.LABEL}",
                (SERVER / name).read_text(),
            )


class InitTestCase(base.LabTestCase):
    """What the initramfs does, by a busybox that only notes it."""

    def test_modules(self):
        busybox = self.write(
            "busybox", f'#!/bin/sh\necho "$@" >>{self.folder}/said\n'
        )
        busybox.chmod(0o755)
        self.write("modules/order", "virtio_pci.ko\nvirtio_net.ko\nisofs.ko\n")
        text = (SERVER / "initramfs/init").read_text()
        for path in ("/bin/busybox", "/modules"):
            name = pathlib.PurePath(path).name
            text = text.replace(path, str(self.folder / name))
        script = self.write("init", text)
        subprocess.run(["sh", "-eu", str(script)], check=True)
        said = (self.folder / "said").read_text()
        self.assertEqual(
            [
                "virtio_pci.ko",
                "virtio_net.ko csum=0 gso=0",
                "isofs.ko",
            ],
            [
                line.partition("/modules/")[2]
                for line in said.splitlines()
                if line.startswith("insmod ")
            ],
        )


class LeaseTestCase(base.LabTestCase):
    """What is done with an address, by an ip that only notes it."""

    def lease(self, event, **told):
        said = self.folder / "said"
        said.unlink(missing_ok=True)
        self.write("bin/ip", f'#!/bin/sh\necho "$@" >>{said}\n').chmod(0o755)
        text = (SERVER / "root/usr/share/udhcpc/lease").read_text()
        script = self.write("lease", text.replace("/dev/kmsg", "/dev/null"))
        subprocess.run(
            ["sh", "-eu", str(script), event],
            env={
                "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
                "interface": "eth0",
                "mtu": "",
                "router": "",
                "staticroutes": "",
                **told,
            },
            check=True,
        )
        return said.read_text().splitlines()

    def test_static_routes(self):
        done = self.lease(
            "bound",
            ip="10.1.0.9",
            mask="28",
            mtu="1442",
            router="10.1.0.254",
            staticroutes="169.254.169.254/32 10.1.0.2 10.2.0.0/16 0.0.0.0 "
            "0.0.0.0/0 10.1.0.1",
        )
        self.assertEqual(
            [
                "addr replace 10.1.0.9/28 dev eth0",
                "link set eth0 mtu 1442",
                "route replace 169.254.169.254/32 via 10.1.0.2 dev eth0",
                "route replace 10.2.0.0/16 dev eth0",
                "route replace 0.0.0.0/0 via 10.1.0.1 dev eth0",
            ],
            [line for line in done if line != "route"],
        )

    def test_router_alone(self):
        done = self.lease(
            "renew", ip="10.1.0.9", mask="28", router="10.1.0.1 10.1.0.2"
        )
        self.assertIn("route replace 0.0.0.0/0 via 10.1.0.1 dev eth0", done)
        self.assertNotIn("link", " ".join(done))

    def test_neither(self):
        done = self.lease("bound", ip="10.1.0.9", mask="28")
        self.assertEqual(["addr replace 10.1.0.9/28 dev eth0", "route"], done)


class FetchKeyTestCase(base.LabTestCase):
    """The config drive and the metadata service are files here."""

    def fetch(self, mount, wget):
        for name, script in (
            ("mount", mount),
            ("umount", "true"),
            ("wget", wget),
            ("sleep", "true"),
        ):
            self.write(f"bin/{name}", f"#!/bin/sh\n{script}\n").chmod(0o755)
        text = (SERVER / "root/usr/sbin/fetch-key").read_text()
        for path in ("/root", "/mnt"):
            text = text.replace(path, f"{self.folder}{path}")
        (self.folder / "root").mkdir()
        script = self.write("fetch-key", text.replace("/dev/kmsg", "&2"))
        subprocess.run(
            ["sh", str(script)],
            env={"PATH": f"{self.folder}/bin:{os.environ['PATH']}"},
            check=True,
            capture_output=True,
            timeout=60,
        )
        return pathlib.Path(self.folder, "root/.ssh/authorized_keys")

    def test_config_drive(self):
        self.write("mnt/openstack/latest/meta_data.json", META_DATA)
        keys = self.fetch(mount="true", wget="exit 1")
        self.assertEqual(
            "ecdsa-sha2-nistp384 AAAAE2/+z==\nssh-rsa AAAAB3\n",
            keys.read_text(),
        )
        self.assertEqual(0o700, keys.parent.stat().st_mode & 0o777)

    def test_metadata_service_that_answers_late(self):
        late = f"[ -e {self.folder}/asked ] && echo ssh-ed25519 AAAA a@b"
        keys = self.fetch(
            mount="exit 1", wget=f"{late} || ! : >{self.folder}/asked"
        )
        self.assertEqual("ssh-ed25519 AAAA\n", keys.read_text())
