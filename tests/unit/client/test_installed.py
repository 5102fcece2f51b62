# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Both clients' programs, with a wheel that this Python built installed.

cinderclient's way to find commands breaks it from Python 3.12 on, so that what
is installed there must have nothing for it to find.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from packaging import tags, utils

TOP = pathlib.Path(__file__).resolve().parents[3]
EXTENSIONS_WORK = sys.version_info < (3, 12)
EXTENSION = "cinder_promote_cinderclient_ext.py"
CINDER_COMMANDS = ("replication-enable", "reset-active-backend")
OPENSTACK_COMMANDS = (
    "volume service enable replication",
    "volume service replication list",
    "volume service reset active backend",
)


def run(*command, **environment):
    return subprocess.run(
        [sys.executable, *command],
        check=False,
        cwd="/",
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def pip(*arguments):
    done = run(
        *("-m", "pip", "--disable-pip-version-check", *arguments),
        PBR_VERSION="0.0.1",
    )
    if done.returncode:
        raise AssertionError(done.stdout)


class InstalledTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        scratch = pathlib.Path(
            cls.enterClassContext(tempfile.TemporaryDirectory())
        )
        source = scratch / "source"
        shutil.copytree(
            TOP,
            source,
            ignore=shutil.ignore_patterns(
                ".*", "__pycache__", "*.egg-info", "build", "lab", "tests"
            ),
        )
        # What a build by another Python left behind.
        left = source / "build" / "lib" / EXTENSION
        left.parent.mkdir(parents=True)
        left.write_text("raise ImportError('of another build')\n")

        wheels = scratch / "wheels"
        pip(
            *("wheel", "--no-build-isolation", "--no-deps", "--no-index"),
            *("--wheel-dir", wheels, source),
        )
        (cls.wheel,) = wheels.iterdir()
        cls.packages = scratch / "packages"
        pip(
            *("install", "--no-deps", "--no-index"),
            *("--target", cls.packages, cls.wheel),
        )
        cls.home = scratch

    def run_client(self, module, *arguments):
        return run(
            *("-m", module, *arguments),
            PYTHONPATH=str(self.packages),
            # Where stevedore remembers the entry points that it found.
            XDG_CACHE_HOME=str(self.home),
        )

    def test_cinder_works(self):
        for arguments in ((), ("help",), ("--help",), ("help", "list")):
            done = self.run_client("cinderclient.shell", *arguments)
            self.assertEqual(0, done.returncode, done.stdout)
            self.assertIn("usage: cinder", done.stdout)

    def test_cinder_has_the_commands_where_it_can(self):
        listed = self.run_client("cinderclient.shell", "help").stdout
        for command in CINDER_COMMANDS:
            self.assertEqual(EXTENSIONS_WORK, command in listed, command)

    def test_the_module_is_there_only_where_it_works(self):
        found = self.packages.glob("*cinderclient_ext*")
        self.assertEqual(
            [EXTENSION] if EXTENSIONS_WORK else [],
            [path.name for path in found],
        )

    def test_there_is_none_for_an_editable_installation_to_show(self):
        self.assertEqual([], list(TOP.glob("*cinderclient_ext*")))

    @unittest.skipIf(EXTENSIONS_WORK, "any module is welcome to this Python")
    def test_the_module_would_break_cinder(self):
        module = self.packages / EXTENSION
        shutil.copy(
            self.packages / "cinder_promote" / "client" / "cinder_shell.py",
            module,
        )
        self.addCleanup(module.unlink)
        done = self.run_client("cinderclient.shell", "help")
        self.assertNotEqual(0, done.returncode, done.stdout)

    def test_a_wheel_is_only_for_pythons_on_which_it_does_the_same(self):
        *_, built_for = utils.parse_wheel_filename(self.wheel.name)
        for minor in range(11, 20):
            version, name = (3, minor), f"cp3{minor}"
            takes = set(tags.compatible_tags(version, name, ["any"]))
            self.assertEqual(
                (minor < 12) == EXTENSIONS_WORK,
                bool(takes & built_for),
                f"Python 3.{minor} and {self.wheel.name}",
            )

    def test_openstack_has_the_commands(self):
        for command in OPENSTACK_COMMANDS:
            done = self.run_client(
                "openstackclient.shell", *command.split(), "--help"
            )
            self.assertEqual(0, done.returncode, done.stdout)
            self.assertRegex(done.stdout, rf"^usage: \w+ {command} ")
