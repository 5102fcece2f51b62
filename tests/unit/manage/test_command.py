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

import json
import sqlite3

import ddt
from oslo_config import cfg

from tests.unit.api import base as api_base
from tests.unit.manage import base


@ddt.ddt
class CommandLineTestCase(base.ManageTestCase):

    @ddt.data(
        (),
        ('nonsense',),
        ('--nonsense', 'show'),
        ('show', 'a', 'b'),
        ('show', '--cluster'),
        ('show', '--dry-run'),
        ('reset-active-backend',),
        ('reset-active-backend', 'a@b', '--active-backend-id'),
        ('reset-active-backend', 'a@b', '--active-backend-id', ''),
        ('reset-active-backend', 'a@b', '--active-backend-id', 'default'),
        ('reset-active-backend', 'a@b', '--active-backend-id', 256 * 'x'),
        ('replication-enable', 'a@b', '--active-backend-id', 'c'),
        ('replication-enable', 'a@b', '-f', 'nonsense'),
    )
    def test_usage(self, arguments):
        status, output, complaint = self.run_manage(*arguments)
        self.assertEqual((2, ''), (status, output))
        self.assertNotEqual('', complaint)

    def test_help_needs_no_configuration(self):
        self.cinder_conf.unlink()
        status, output, complaint = self.run_manage('--help')
        self.assertEqual((0, ''), (status, complaint))
        for name in ('reset-active-backend', 'replication-enable', 'show'):
            self.assertIn(name, output)
        for arguments in (('-h',), ('--help',)):
            status, output, _ = self.run_manage('reset-active-backend',
                                                *arguments)
            self.assertEqual(0, status)
            self.assertIn('--active-backend-id', output)

    def test_missing_file(self):
        self.cinder_conf.unlink()
        self.assert_refused(
            "^Cinder's configuration can't be used: .*cinder.conf", 'show')

    def test_file_that_can_not_be_read(self):
        self.cinder_conf.write_text('[database\n')
        self.assert_refused("^Cinder's configuration can't be used: ", 'show')

    def test_no_connection(self):
        self.cinder_conf.write_text('[DEFAULT]\n')
        self.assert_refused(
            'does not set connection in \\[database\\] '
            f'\\({self.cinder_conf} was read\\)', 'show')

    def test_log_that_can_not_be_written(self):
        self.configure(self.database.path, 'log_file = /nowhere/x.log')
        self.assert_refused("can't be used: .*No such.*/nowhere/x.log",
                            'show')

    def test_database_that_is_not_there_is_tried_once(self):
        # By default oslo.db tries for a minute and a half.
        self.assertEqual(0, self.run_manage('show')[0])
        self.assertEqual((1, 0), (cfg.CONF.database.max_retries,
                                  cfg.CONF.database.retry_interval))


class ProgramTestCase(api_base.OneService, base.ManageTestCase):
    """The command as a program, which opens the database by itself."""

    def refused(self, pattern):
        status, output, complaint = self.run_program('show')
        self.assertEqual((1, ''), (status, output))
        self.assert_sentence(pattern, complaint)

    def test_unknown_command_is_one_line(self):
        self.assertEqual((2, '', "Unknown command ['nonsense']\n"),
                         self.run_program('nonsense'))

    def test_reset(self):
        log = self.dir / 'cinder.log'
        self.configure(self.database.path,
                       f'log_file = {log}\nuse_stderr = true\n')
        before = self.in_state(api_base.FAILED_OVER)
        status, output, message = self.run_program(
            'reset-active-backend', self.HOST, '-f', 'json')
        self.assertEqual((0, f'Changed host {self.HOST}.\n'),
                         (status, message))
        self.assertEqual(
            [('before', 'failed-over'), ('after', 'disabled')],
            [(line['When'], line['Replication Status'])
             for line in json.loads(output)])
        self.assert_only({**api_base.AFTER_RESET,
                          'modified_at': api_base.ANY}, before)
        self.assertIn(f'Changed host {self.HOST} from', log.read_text())

    def test_configuration_in_a_directory(self):
        directory = self.dir / 'cinder.conf.d'
        directory.mkdir()
        self.cinder_conf.rename(directory / 'database.conf')
        self.cinder_conf.write_text('[database]\n')
        self.in_state(api_base.FAILED_OVER)
        status, output, _ = self.run_program(
            '--config-dir', directory, 'show', self.HOST, '-f', 'value',
            '-c', 'Name', '-c', 'Active Backend ID')
        self.assertEqual((0, f'{self.HOST} lvm-b\n'), (status, output))

    def test_no_database(self):
        self.configure('/nowhere/cinder.sqlite')
        self.refused(r"^The database sqlite:////nowhere/cinder.sqlite can't "
                     r'be used: unable to open database file\.$')

    def test_password_is_not_told(self):
        self.cinder_conf.write_text('[database]\n'
                                    'connection = mysql+x://u:secret@h/c\n')
        self.refused(r"^The database mysql\+x://u:\*\*\*@h/c can't be used: ")

    def test_no_tables(self):
        path = self.dir / 'empty.sqlite'
        sqlite3.connect(path).close()
        self.configure(path)
        self.refused(r"does not have Cinder's tables \(no such table: \w+\); "
                     'cinder-manage db sync makes them')

    def test_locked_by_another_program(self):
        before = self.in_state(api_base.FAILED_OVER)
        self.configure(f'{self.database.path}?timeout=0')
        self.database.connection.execute('BEGIN EXCLUSIVE')
        self.refused('database is locked')
        self.database.connection.rollback()
        self.assert_only({}, before)
