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

"""Runs the DevStack plugin's functions in bash, without DevStack."""

import os
import pathlib
import subprocess
import tempfile
import unittest

from oslo_config import cfg

PROJECT = pathlib.Path(__file__).resolve().parents[3]
PLUGIN = PROJECT / "devstack"
PRELUDE = pathlib.Path(__file__).with_name("prelude.sh")

BACKENDS = ("lvm-a", "lvm-b", "lvm-c")
"""Those that there are when the user chooses none."""

# Programs that would change the machine: each tells what it was run with.
PROGRAMS = (
    "curl",
    "iscsiadm",
    "modprobe",
    "openstack",
    "ssh",
    "ssh-keyscan",
    "systemctl",
)
FREE_SPACE = 30 * 2**30


class DevstackTestCase(unittest.TestCase):
    """A folder in place of the machine's root, and bash with the plugin."""

    def setUp(self):
        super().setUp()
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.root = pathlib.Path(made.name).resolve()
        self.data = self.root / "opt/stack/data"
        self.etc = self.root / "etc"
        self.log = self.root / "log"
        self.cinder_conf = self.etc / "cinder/cinder.conf"
        for folder in (
            self.data,
            self.root / "opt/stack/tempest/etc",
            self.root / "home",
            self.etc / "cinder/rootwrap.d",
            self.etc / "systemd/system",
            self.etc / "sudoers.d",
        ):
            folder.mkdir(parents=True)
        for name in PROGRAMS:
            self.program(name)
        self.program("df", f"echo Avail; echo {FREE_SPACE}")
        # The account of the stack user, and no other.
        self.program(
            "getent",
            f'[ "$2" = stack ] && echo stack:x:1:1::{self.root}/home:/bin/sh',
        )

    def program(self, name, script="", tells=True):
        """Put a program in front of the machine's own one.

        :param script: what it does, in sh
        :param tells: whether it writes its command line to the log
        """
        path = self.root / "bin" / name
        path.parent.mkdir(exist_ok=True)
        tell = f'echo "{name} $*" >>{self.log}' if tells else ""
        path.write_text(f"#!/bin/sh\n{tell}\n{script}\n")
        path.chmod(0o755)

    def bash(self, script, *, program="stack.sh", check=True, **settings):
        """Run a script that begins where DevStack's functions are defined.

        :param program: which of DevStack's programs it is
        :param settings: variables that the user has set in local.conf
        :returns: the finished process
        """
        environment = {
            "HOME": str(self.root / "home"),
            "PATH": os.environ["PATH"],
            "PROJECT": str(PROJECT),
            "ROOT": str(self.root),
            **settings,
        }
        done = subprocess.run(
            ["bash", "-c", f"source {PRELUDE}\n{script}", f"./{program}"],
            env=environment,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if check:
            self.assertEqual((0, ""), (done.returncode, done.stderr))
        return done

    def value_of(self, variable, **settings):
        """Return what a variable is when the plugin's settings are read."""
        script = f'load_plugin; printf %s "${variable}"'
        return self.bash(script, **settings).stdout

    def logged(self):
        """Return the lines of the log."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def assert_dies(self, pattern, script="load_plugin", **settings):
        """Check that a script dies with one sentence."""
        done = self.bash(script, check=False, **settings)
        self.assertNotEqual(0, done.returncode)
        self.assertRegex(done.stderr, pattern)
        self.assertEqual(1, done.stderr.count("\n"), done.stderr)
        self.assertTrue(done.stderr.endswith(".\n"), done.stderr)


def read_options(path, group, options):
    """Read a configuration file as OpenStack's services do.

    :returns: the values of the group
    """
    conf = cfg.ConfigOpts()
    conf.register_opts(options, group=group)
    conf(args=[], default_config_files=[str(path)])
    return conf[group]
