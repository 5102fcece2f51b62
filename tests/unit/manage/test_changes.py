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

import ddt

from tests.unit.api import base as api_base
from tests.unit.manage import base

RESET = 'reset-active-backend'
ENABLE = 'replication-enable'
FAILED_OVER = {'Replication Status': 'failed-over',
               'Active Backend ID': 'lvm-b', 'Frozen': True,
               'Disabled': True, 'Disabled Reason': 'frozen'}
PROMOTED = {'Replication Status': 'disabled', 'Active Backend ID': None,
            'Frozen': True, 'Disabled': False, 'Disabled Reason': None}
ENABLED = {**PROMOTED, 'Replication Status': 'enabled'}


def lines(kind, name, before, after):
    """The two lines that are printed for a row."""
    return [{'When': 'before', 'Kind': kind, 'Name': name, **before},
            {'When': 'after', 'Kind': kind, 'Name': name, **after}]


@ddt.ddt
class HostTestCase(api_base.OneService, base.ManageTestCase):

    def test_reset(self):
        before = self.in_state(api_base.FAILED_OVER)
        printed, message = self.run_json(RESET, self.HOST)
        self.assert_only({**api_base.AFTER_RESET,
                          'modified_at': api_base.ANY}, before)
        self.assertEqual(
            lines('host', self.HOST, FAILED_OVER, PROMOTED), printed)
        self.assertEqual(f'Changed host {self.HOST}.\n', message)

    @ddt.data(
        (('--active-backend-id', 'lvm-c'), 'disabled', 'lvm-c'),
        (('--enable-replication',), 'enabled', None),
        (('--enable-replication', '--active-backend-id', 'lvm-b'),
         'enabled', 'lvm-b'),
    )
    @ddt.unpack
    def test_reset_to_what_is_asked_for(self, options, status, backend_id):
        before = self.in_state(api_base.FAILED_OVER)
        printed, _ = self.run_json(RESET, self.HOST, *options)
        self.assert_only(
            {**api_base.AFTER_RESET, 'modified_at': api_base.ANY,
             'replication_status': status, 'active_backend_id': backend_id},
            before)
        after = {**PROMOTED, 'Replication Status': status,
                 'Active Backend ID': backend_id}
        self.assertEqual(
            lines('host', self.HOST, FAILED_OVER, after), printed)

    def test_enable(self):
        before = self.in_state(api_base.PROMOTED)
        printed, message = self.run_json(ENABLE, self.HOST)
        self.assert_only({'replication_status': 'enabled'}, before)
        self.assertEqual(lines('host', self.HOST, PROMOTED, ENABLED), printed)
        self.assertEqual(f'Changed host {self.HOST}.\n', message)

    @ddt.data((), ('--dry-run',))
    def test_enable_when_enabled(self, options):
        before = self.in_state({**api_base.PROMOTED,
                                'replication_status': 'enabled'})
        printed, message = self.run_json(ENABLE, self.HOST, *options,
                                         status=3)
        self.assert_only({}, before)
        self.assertEqual(lines('host', self.HOST, ENABLED, ENABLED), printed)
        self.assertEqual(
            f'There is nothing to change in host {self.HOST}.\n', message)

    @ddt.data((RESET, api_base.FAILED_OVER),
              (RESET, api_base.FAILED_OVER, '--enable-replication',
               '--active-backend-id', 'lvm-c'),
              (ENABLE, api_base.PROMOTED))
    def test_dry_run_prints_what_the_real_one_does(self, case):
        action, state, *options = case
        before = self.in_state(state)
        tried, message = self.run_json(action, self.HOST, *options,
                                       '--dry-run')
        self.assert_only({}, before)
        self.assertEqual(
            f'This would change host {self.HOST}; nothing was changed.\n',
            message)
        done, _ = self.run_json(action, self.HOST, *options)
        self.assertEqual(done, tried)
        self.assertNotEqual(before, self.database.services())

    @ddt.data(
        (RESET, {**api_base.FAILED_OVER, 'frozen': 0},
         r'^Expected of host cinder-lab@lvm-a: frozen True and .*found: '
         r"replication_status 'failed-over', .*frozen False"),
        (RESET, api_base.PROMOTED, "found: replication_status 'disabled'"),
        (ENABLE, api_base.FAILED_OVER, "'disabled' and active_backend_id "
         "None; found: replication_status 'failed-over'"),
    )
    @ddt.unpack
    def test_refused(self, action, state, pattern):
        self.in_state(state)
        self.assert_refused(pattern, action, self.HOST)
        self.assert_refused(pattern, action, self.HOST, '--dry-run')

    def test_unknown_column_is_refused_first(self):
        self.in_state(api_base.FAILED_OVER)
        self.assert_refused(r"^No recognized column names in \['Colour'\]",
                            RESET, self.HOST, '-c', 'Colour')

    @ddt.data(RESET, ENABLE, 'show')
    def test_no_such_name(self, action):
        self.in_state(api_base.FAILED_OVER)
        self.assert_refused('^There is no cinder-volume host nowhere@lvm-a',
                            action, 'nowhere@lvm-a')
        self.assert_refused('^There is no cinder-volume cluster lab@lvm-a',
                            action, '--cluster', 'lab@lvm-a#pool')

    def test_show_one(self):
        self.in_state(api_base.FAILED_OVER)
        printed, message = self.run_json('show', self.HOST)
        self.assertEqual(
            [{'Kind': 'host', 'Name': self.HOST, 'Cluster': None,
              **FAILED_OVER, 'Updated At': '2026-01-02T03:04:05'}], printed)
        self.assertEqual('', message)

    def test_for_people(self):
        self.in_state(api_base.FAILED_OVER)
        status, output, _ = self.run_manage(RESET, self.HOST)
        self.assertEqual(0, status)
        self.assertRegex(
            output, r"\| after +\| host \| cinder-lab@lvm-a \| disabled +\| "
                    r'None +\| True +\| False +\| None +\|')


@ddt.ddt
class ClusterTestCase(base.ManageTestCase):
    """A cluster and its services are changed and shown together."""

    def setUp(self):
        super().setUp()
        self.add_bystanders()
        self.cluster = self.database.add_cluster(
            self.CLUSTER, **api_base.FAILED_OVER)
        self.names = ['a-node@lvm-a', 'b-node@lvm-a']
        for name in reversed(self.names):
            self.database.add_service(name, cluster_name=self.CLUSTER,
                                      **api_base.FAILED_OVER)

    def own_lines(self, before, after):
        printed = lines('cluster', self.CLUSTER, before, after)
        for name in self.names:
            printed += lines('host', name, before, after)
        return printed

    def test_reset_and_enable(self):
        expected = self.own_lines(FAILED_OVER, PROMOTED)
        tried, message = self.run_json(RESET, '--cluster', self.CLUSTER,
                                       '--dry-run')
        self.assertEqual(expected, tried)
        self.assertIn('nothing was changed', message)
        printed, message = self.run_json(RESET, '--cluster', self.CLUSTER)
        self.assertEqual(expected, printed)
        self.assertEqual(
            f'Changed cluster {self.CLUSTER} (services: 2).\n', message)
        printed, _ = self.run_json(ENABLE, self.CLUSTER, '--cluster')
        self.assertEqual(self.own_lines(PROMOTED, ENABLED), printed)
        printed, _ = self.run_json('show', self.CLUSTER, '--cluster')
        self.assertEqual(
            [('cluster', self.CLUSTER, None, 'enabled')] +
            [('host', name, self.CLUSTER, 'enabled') for name in self.names],
            [(line['Kind'], line['Name'], line['Cluster'],
              line['Replication Status']) for line in printed])

    def test_a_service_out_of_step_is_shown_as_it_is(self):
        self.database.execute(
            "UPDATE services SET frozen = 0, active_backend_id = '' "
            'WHERE host = ?', (self.names[1],))
        printed, _ = self.run_json(RESET, self.CLUSTER, '--cluster')
        self.assertEqual(
            lines('host', self.names[1],
                  {**FAILED_OVER, 'Frozen': False, 'Active Backend ID': None},
                  {**PROMOTED, 'Frozen': False}), printed[-2:])

    @ddt.data(RESET, ENABLE)
    def test_one_host_of_it_is_refused(self, action):
        self.assert_refused(
            f'^Host a-node@lvm-a is part of cluster {self.CLUSTER}.*name the '
            'cluster', action, self.names[0])

    def test_one_host_of_it_is_shown(self):
        printed, _ = self.run_json('show', self.names[0])
        self.assertEqual([(self.names[0], self.CLUSTER)],
                         [(line['Name'], line['Cluster'])
                          for line in printed])

    def test_show_all(self):
        self.database.add_service(self.HOST)
        printed, _ = self.run_json('show')
        self.assertEqual(
            [('host', 'CINDER-LAB@LVM-A'),
             ('host', 'cinder-lab'),
             ('host', 'cinder-lab@lvm-a'),
             ('host', 'cinder-lab@lvm-a-2'),
             ('host', 'cinder-lab@lvm-b'),
             ('host', 'cinder-lab@lvm_a'),
             ('cluster', 'lab'),
             ('cluster', 'lab@lvm-a'),
             ('host', 'a-node@lvm-a'),
             ('host', 'b-node@lvm-a'),
             ('host', 'lab@lvm-a'),
             ('cluster', 'lab@lvm-a-2'),
             ('host', 'node-9@lvm-a')],
            [(line['Kind'], line['Name']) for line in printed])


class EmptyTestCase(base.ManageTestCase):

    def test_show(self):
        self.assertEqual(([], ''), self.run_json('show'))
