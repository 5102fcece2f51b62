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
import re
import shlex
import subprocess

from oslo_config import cfg

from cinder_promote_tempest import config
from tests.unit.devstack import base

LOAD = "load_plugin; run_phase stack pre-install;"
ACCESS = LOAD + (
    'iniset "$CINDER_CONF" DEFAULT debug False; install_promote_tempest_access'
)
CONFIGURE = LOAD + (
    'iniset "$CINDER_CONF" DEFAULT debug False; configure_promote_tempest'
)
HOST_KEY = "127.0.0.1 ssh-ed25519 AAAAhostkey"


class OptionsTest(base.DevstackTestCase):
    def configure(self, **settings):
        """Return what Tempest reads."""
        self.bash(CONFIGURE, **settings)
        return self.options()

    def options(self):
        conf = cfg.ConfigOpts()
        config.register_opts(conf)
        path = self.root / "opt/stack/tempest/etc/tempest.conf"
        conf(args=[], default_config_files=[str(path)])
        return conf.cinder_promote

    def test_each_one_exists(self):
        self.configure()
        path = self.root / "opt/stack/tempest/etc/tempest.conf"
        section = path.read_text().partition("[cinder_promote]")[2]
        names = re.findall(r"(?m)^(\w+) = ", section)
        known = {option.name for option in config.CinderPromoteOpts}
        self.assertGreater(len(names), 10)
        self.assertLessEqual(set(names), known)

    def test_three_backends(self):
        options = self.configure()
        self.assertEqual(f"{os.uname().nodename}@lvm-a", options.host)
        self.assertEqual("lvm-a", options.backend)
        self.assertEqual("replicated-lvm-a", options.volume_type)
        self.assertEqual("lvm-a", options.plain_volume_type)
        self.assertEqual("lvm-b", options.failover_target)
        self.assertEqual("lvm-c", options.protection_target)
        self.assertEqual("host", options.io_probe)
        self.assertEqual("stack", options.storage_host_ssh_user)

    def test_the_first_backend_that_replicates(self):
        options = self.configure(CINDER_PROMOTE_REPLICATION="lvm-b:lvm-a")
        self.assertEqual("lvm-b", options.backend)
        self.assertEqual("lvm-a", options.failover_target)
        self.assertEqual("lvm-c", options.protection_target)

    def test_protected_by_what_the_target_replicates_to(self):
        options = self.configure(
            CINDER_ENABLED_BACKENDS="promote_lvm:a,promote_lvm:b,"
            "promote_lvm:c,promote_lvm:d",
            CINDER_PROMOTE_REPLICATION="a:b,b:a,b:d",
        )
        self.assertEqual("d", options.protection_target)

    def test_two_backends_can_not_protect_again(self):
        options = self.configure(
            CINDER_ENABLED_BACKENDS="promote_lvm:a,promote_lvm:b"
        )
        self.assertEqual("b", options.failover_target)
        self.assertIsNone(options.protection_target)

    def test_host_that_cinder_is_told(self):
        self.bash(
            'load_plugin; iniset "$CINDER_CONF" DEFAULT host named;'
            "run_phase stack pre-install; configure_promote_tempest"
        )
        self.assertEqual("named@lvm-a", self.options().host)

    def test_disks_that_fail(self):
        options = self.configure()
        self.assertTrue(options.can_destroy_primary)
        for command, verb in (
            (options.fail_backend_command, "fail"),
            (options.repair_backend_command, "replace"),
        ):
            words = shlex.split(command)
            self.assertEqual("ssh", words[0])
            self.assertEqual(
                ["stack@127.0.0.1", verb, "{backend_id}"], words[-3:]
            )

    def test_disks_that_can_not_fail(self):
        options = self.configure(CINDER_PROMOTE_DISKS_CAN_FAIL="False")
        self.assertFalse(options.can_destroy_primary)
        self.assertIsNone(options.fail_backend_command)
        self.assertIsNone(options.repair_backend_command)


class AccessTestCase(base.DevstackTestCase):
    def setUp(self):
        super().setUp()
        self.conf = self.etc / "cinder-promote"
        self.authorized_keys = self.root / "home/.ssh/authorized_keys"
        self.program("ssh-keyscan", f"echo {HOST_KEY}")

    def keys(self):
        """Return {name: (options, public key)} of what may log in."""
        found = {}
        for line in self.authorized_keys.read_text().splitlines():
            options, public = re.fullmatch(
                r"(restrict,.*) (ssh-ed25519 \S+ \S+)", line
            ).groups()
            found[public.rpartition("devstack-cinder-promote-")[2]] = (
                options,
                public,
            )
        return found


class KeysTest(AccessTestCase):
    def test_each_may_run_one_command_from_this_host(self):
        self.bash(ACCESS)
        self.assertEqual({"storage-host", "disk"}, set(self.keys()))
        for options, _ in self.keys().values():
            self.assertRegex(
                options, r'^restrict,from="127\.0\.0\.1,::1",command="'
            )

    def test_public_and_private_keys_belong_together(self):
        self.bash(ACCESS)
        for name, (_, public) in self.keys().items():
            private = self.conf / f"{name}-key"
            made = subprocess.run(
                ["ssh-keygen", "-y", "-f", self.private_copy(private)],
                capture_output=True,
                text=True,
                check=True,
            )
            self.assertEqual(public.split()[1], made.stdout.split()[1])

    def private_copy(self, key):
        """Return a copy that ssh-keygen does not find too open."""
        copy = self.root / "copy"
        copy.write_bytes(key.read_bytes())
        copy.chmod(0o600)
        return copy

    def test_every_user_can_read_them(self):
        self.bash(ACCESS)
        for name in ("storage-host-key", "disk-key", "known_hosts"):
            self.assertEqual(
                0o044, (self.conf / name).stat().st_mode & 0o044, name
            )
        self.assertEqual(0o755, self.conf.stat().st_mode & 0o777)

    def test_the_forced_command_gets_what_was_asked_for(self):
        self.bash(ACCESS)
        self.program("sudo", 'exec "$@"', tells=False)
        venv = self.data / "venv/bin"
        venv.mkdir(parents=True)
        for name, path in (
            ("storage-host", venv / "cinder-promote-host"),
            ("disk", self.root / "bin/cinder-promote-disk"),
        ):
            path.write_text('#!/bin/sh\necho "$*: $SSH_ORIGINAL_COMMAND"\n')
            path.chmod(0o755)
            options = self.keys()[name][0]
            [forced] = re.findall(r'command="(.*)"$', options)
            done = subprocess.run(
                # sshd takes the backslashes away and hands it to the shell
                ["sh", "-c", forced.replace('\\"', '"')],
                env={
                    "PATH": f"{self.root}/bin:{os.environ['PATH']}",
                    "SSH_ORIGINAL_COMMAND": "fail lvm-a; $(id) 'x'",
                },
                capture_output=True,
                text=True,
            )
            self.assertEqual("ssh: fail lvm-a; $(id) 'x'\n", done.stdout)

    def test_they_are_tried(self):
        self.bash(ACCESS)
        tried = [line for line in self.logged() if line.startswith("ssh ")]
        self.assertRegex(
            tried[0],
            r" -i \S+/storage-host-key .*stack@127\.0\.0\.1 "
            "cinder-promote-host show$",
        )
        self.assertRegex(
            tried[1], r" -i \S+/disk-key .*stack@127\.0\.0\.1 status lvm-a$"
        )
        for line in tried:
            self.assertIn(" -F none ", line)
            self.assertIn(" IdentitiesOnly=yes ", line)
            self.assertIn(" StrictHostKeyChecking=yes ", line)
            self.assertIn(f" UserKnownHostsFile={self.conf}/known_hosts", line)

    def test_one_that_does_not_work_is_told(self):
        self.program("ssh", "exit 255")
        self.assert_dies("'cinder-promote-host show' failed", ACCESS)

    def test_no_ssh_server(self):
        self.program("ssh-keyscan", "exit 1")
        self.assert_dies("No SSH server answers at 127.0.0.1", ACCESS)

    def test_home_without_any_ssh(self):
        self.bash(ACCESS)
        folder = self.authorized_keys.parent
        self.assertEqual(0o700, folder.stat().st_mode & 0o777)
        self.assertEqual(0o600, self.authorized_keys.stat().st_mode & 0o777)


class RemoveAccessTest(AccessTestCase):
    remove = LOAD + "remove_promote_tempest_access"

    def test_other_keys_stay_as_they_are(self):
        before = (
            "ssh-rsa AAAAmine me@devstack-cinder-promote-disk-host\n"
            "# devstack-cinder-promote\n"
        )
        self.authorized_keys.parent.mkdir()
        self.authorized_keys.write_text(before)
        self.bash(ACCESS)
        self.assertEqual(4, len(self.authorized_keys.read_text().splitlines()))
        self.bash(self.remove, program="unstack.sh")
        self.assertEqual(before, self.authorized_keys.read_text())

    def test_nothing_is_left(self):
        self.bash(ACCESS)
        self.bash(self.remove, program="unstack.sh")
        self.assertEqual([], list(self.conf.iterdir()))
        self.assertFalse(self.authorized_keys.exists())

    def test_where_there_is_nothing(self):
        self.bash(self.remove, program="unstack.sh")

    def test_stacked_again(self):
        self.bash(ACCESS)
        first = self.keys()
        self.bash(ACCESS)
        self.assertEqual(2, len(self.authorized_keys.open().readlines()))
        self.assertEqual(set(first), set(self.keys()))


class RootTest(AccessTestCase):
    """Root for the gate's own user, for what the `host` probe runs."""

    def access(self, *accounts):
        names = "|".join(accounts)
        self.program(
            "getent",
            f'case $2 in {names}) echo "$2:x:1:1::{self.root}/home:" ;;'
            " *) exit 2 ;; esac",
        )
        self.bash(ACCESS)
        return self.etc / "sudoers.d/60_cinder_promote_tempest"

    def test_no_such_user(self):
        self.assertFalse(self.access("stack").exists())

    def test_the_user_of_the_gate(self):
        sudoers = self.access("stack", "tempest")
        self.assertEqual(0o440, sudoers.stat().st_mode & 0o777)
        [user, commands] = (
            sudoers.read_text().strip().split(" ALL=(root) NOPASSWD: ")
        )
        self.assertEqual("tempest", user)
        probe = pathlib.Path(self.root, "opt/stack/tempest/.tox/tempest/bin")
        self.assertEqual(
            [f"{probe}/privsep-helper", "/usr/bin/dd", "/bin/dd"],
            commands.split(", "),
        )
        self.bash(RemoveAccessTest.remove, program="unstack.sh")
        self.assertFalse(sudoers.exists())

    def test_the_initiator_runs(self):
        self.bash(ACCESS)
        self.assertIn("start_service iscsid", self.logged())

    def test_no_initiator_for_nvme(self):
        self.bash(ACCESS, CINDER_PROMOTE_TARGET_HELPER="nvmet")
        self.assertNotIn("start_service iscsid", self.logged())
