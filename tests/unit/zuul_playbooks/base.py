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

"""Runs the playbooks against this machine, which they leave as it is."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import yaml

PROJECT = pathlib.Path(__file__).resolve().parents[3]
PLAYBOOKS = PROJECT / "playbooks"
ROLES = PROJECT / "roles"

NAME = "opendev.org/openstack/cinder-promote"
SECONDS = 300  # more than a busy machine needs for one playbook


def job_variables(name):
    """Return the variables of a job of zuul.d, with those it inherits here."""
    jobs = {}
    for file in (PROJECT / "zuul.d").glob("*.yaml"):
        for item in yaml.safe_load(file.read_text()):
            if "job" in item:
                jobs[item["job"]["name"]] = item["job"]
    variables = {}
    while name in jobs:
        variables = jobs[name].get("vars", {}) | variables
        name = jobs[name].get("parent")
    return variables


class PlaybookTestCase(unittest.TestCase):
    """Folders in place of the node's, and fakes in front of its programs."""

    def setUp(self):
        super().setUp()
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.root = pathlib.Path(made.name).resolve()
        self.bin = self.root / "bin"
        self.home = self.root / "home"
        self.bin.mkdir()
        self.home.mkdir()

    def write(self, name, text="", mode=0o644):
        """Write a file below the root and return its path."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def program(self, name, script=""):
        """Put a program in front of the machine's own one.

        Each tells what it was run with, see logged().

        :param script: what it does, in sh
        """
        self.write(
            f"bin/{name}",
            f'#!/bin/sh\necho "{name} $*" >>{self.root}/log\n{script}\n',
            0o755,
        )

    def logged(self):
        """Return the command lines of all that was run."""
        log = self.root / "log"
        return log.read_text().splitlines() if log.exists() else []

    def environment(self, **more):
        return {
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            **more,
        }

    def play(self, name, succeeds=True, **variables):
        """Run a playbook as Zuul does, but here and without sudo.

        :param name: its path below playbooks
        :param variables: those of the job
        :returns: what it printed
        """
        known = {
            "ansible_become": False,
            "ansible_python_interpreter": sys.executable,
            "ansible_user_dir": str(self.home),
            "zuul": {
                "projects": {
                    NAME: {
                        "short_name": "cinder-promote",
                        "src_dir": f"src/{NAME}",
                    }
                }
            },
            **variables,
        }
        vars_file = self.write("variables.json", json.dumps(known))
        played = subprocess.run(
            [
                shutil.which(
                    "ansible-playbook",
                    path=f"{pathlib.Path(sys.executable).parent}:"
                    f"{os.environ['PATH']}",
                ),
                *("--inventory", "controller,", "--connection", "local"),
                *("--extra-vars", f"@{vars_file}"),
                PLAYBOOKS / name,
            ],
            cwd=self.root,
            env=self.environment(
                ANSIBLE_HOME=str(self.root / "ansible"),
                ANSIBLE_LOCALHOST_WARNING="False",
                ANSIBLE_NOCOLOR="True",
                ANSIBLE_REMOTE_TMP=str(self.root / "ansible/tmp"),
                ANSIBLE_ROLES_PATH=str(ROLES),
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        self.assertEqual(succeeds, played.returncode == 0, played.stdout)
        hosts = re.findall(r"^controller +: ok=", played.stdout, re.M)
        self.assertEqual(1, len(hosts), played.stdout)
        return played.stdout
