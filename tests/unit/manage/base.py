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

"""Runs cinder-promote-manage on a real database."""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys

import fixtures
from oslo_config import cfg

from cinder_promote.cmd import manage
from tests.unit.api import base


class ManageTestCase(base.TestCase):
    """Has a cinder.conf that names the database and nothing else."""

    def setUp(self):
        super().setUp()
        self.dir = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.cinder_conf = self.dir / 'cinder.conf'
        self.configure(self.database.path)
        # Else it would go before what is in the file.
        cfg.CONF.clear_override('connection', group='database')

    def configure(self, path, more=''):
        self.cinder_conf.write_text(
            f'[DEFAULT]\n{more}\n[database]\nconnection = sqlite:///{path}\n')

    def run_manage(self, *arguments):
        """Run the command in this process.

        :returns: exit status, standard output, standard error
        """
        output, complaint = io.StringIO(), io.StringIO()
        with (contextlib.redirect_stdout(output),
              contextlib.redirect_stderr(complaint)):
            try:
                status = manage.main(
                    ['--config-file', str(self.cinder_conf), *arguments])
            except SystemExit as left:
                status = left.code or 0
        return status, output.getvalue(), complaint.getvalue()

    def run_json(self, *arguments, status=0):
        """Run the command; what it printed and what it said."""
        found, output, complaint = self.run_manage(*arguments, '-f', 'json')
        self.assertEqual(status, found, complaint)
        return json.loads(output), complaint

    def assert_refused(self, pattern, *arguments):
        """Run the command, which must say one sentence and change nothing."""
        before = self.database.services(), self.database.clusters()
        status, output, complaint = self.run_manage(*arguments)
        self.assertEqual((1, ''), (status, output), complaint)
        self.assert_sentence(pattern, complaint)
        self.assertEqual(
            before, (self.database.services(), self.database.clusters()))

    def assert_sentence(self, pattern, complaint):
        self.assertRegex(complaint, pattern)
        self.assertEqual(1, complaint.count('\n'), complaint)
        self.assertTrue(complaint.endswith('.\n'), complaint)

    def run_program(self, *arguments):
        """Run the command as a program of its own, as run_manage does."""
        environment = {name: value for name, value in os.environ.items()
                       if name != 'PYTHONWARNINGS'}
        done = subprocess.run(
            [sys.executable, '-m', 'cinder_promote.cmd.manage',
             '--config-file', self.cinder_conf, *arguments],
            check=False, capture_output=True, text=True, env=environment)
        return done.returncode, done.stdout, done.stderr
