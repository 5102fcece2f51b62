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

import threading
from unittest import mock

import ddt
from oslo_db import exception as db_exc
import sqlalchemy

from cinder_promote import promotion
from tests.unit.api import base

RESET = promotion.reset_active_backend
ENABLE = promotion.enable_replication

# What reset_active_backend may start from, and what it may not.
MAY_RESET = (
    base.FAILED_OVER,
    {'replication_status': 'failed-over', 'active_backend_id': 'lvm-b',
     'disabled': 0, 'frozen': 1},
    {'replication_status': 'failover-error', 'active_backend_id': 'lvm-b',
     'disabled': 1, 'disabled_reason': 'x', 'frozen': 1},
    {'replication_status': 'error', 'active_backend_id': 'lvm-b',
     'disabled': 1, 'frozen': 1},
)
MAY_NOT_RESET = (
    {**base.FAILED_OVER, 'frozen': 0},
    {**base.FAILED_OVER, 'frozen': None},
    {'replication_status': 'failover-error', 'active_backend_id': None,
     'disabled': 1, 'frozen': 1},
    {'replication_status': 'failover-error', 'active_backend_id': '',
     'disabled': 1, 'frozen': 1},
    {'replication_status': 'error', 'active_backend_id': None, 'frozen': 1},
    {'replication_status': 'error', 'active_backend_id': 'lvm-b',
     'frozen': 0},
    {'replication_status': 'enabled', 'active_backend_id': None,
     'frozen': 1},
    {'replication_status': 'enabled', 'active_backend_id': 'lvm-b',
     'frozen': 1},
    {'replication_status': 'disabled', 'active_backend_id': None,
     'frozen': 1},
    {'replication_status': 'disabled', 'active_backend_id': 'lvm-b',
     'frozen': 1},
    {'replication_status': 'failing-over', 'active_backend_id': 'lvm-b',
     'frozen': 1},
    {'replication_status': 'not-capable', 'active_backend_id': None,
     'frozen': 1},
    {'replication_status': None, 'active_backend_id': 'lvm-b', 'frozen': 1},
)
MAY_ENABLE = (
    base.PROMOTED,
    {**base.PROMOTED, 'frozen': 0},
    {**base.PROMOTED, 'active_backend_id': ''},
    {**base.PROMOTED, 'disabled': 1, 'disabled_reason': 'maintenance'},
)
ENABLED_ALREADY = (
    {'replication_status': 'enabled', 'active_backend_id': None},
    {'replication_status': 'enabled', 'active_backend_id': '', 'frozen': 1},
)
MAY_NOT_ENABLE = (
    base.FAILED_OVER,
    {'replication_status': 'disabled', 'active_backend_id': 'lvm-b'},
    {'replication_status': 'enabled', 'active_backend_id': 'lvm-b'},
    {'replication_status': 'failover-error', 'active_backend_id': None},
    {'replication_status': 'error', 'active_backend_id': None},
    {'replication_status': 'failing-over', 'active_backend_id': None},
    {'replication_status': 'not-capable', 'active_backend_id': None},
    {'replication_status': None, 'active_backend_id': None},
)


@ddt.ddt
class HostTestCase(base.OneService, base.TestCase):
    """One service that is in no cluster."""

    @ddt.data(*MAY_RESET)
    def test_reset(self, state):
        before = self.in_state(state)
        clusters = self.database.clusters()

        change = RESET(self.context, host=self.HOST)

        self.assert_only({**base.AFTER_RESET, 'modified_at': base.ANY},
                         before)
        self.assertIsNotNone(
            self.database.services()[self.service]['modified_at'])
        self.assertEqual(clusters, self.database.clusters())
        self.assertTrue(change.changed)
        self.assertEqual(('host', self.HOST), (change.kind, change.name))
        self.assertEqual(state['replication_status'],
                         change.before.replication_status)
        self.assertEqual(
            promotion.State(replication_status='disabled',
                            active_backend_id=None, frozen=True,
                            disabled=False, disabled_reason=None),
            change.after)

    @ddt.data(*MAY_NOT_RESET)
    def test_reset_refused(self, state):
        before = self.in_state(state)

        error = self.assertRaises(promotion.StateConflict, RESET,
                                  self.context, host=self.HOST)

        self.assert_only({}, before)
        self.assertNotIsInstance(error, promotion.ConcurrentChange)
        self.assertEqual(state['replication_status'],
                         error.found.replication_status)
        self.assertEqual(state['active_backend_id'] or None,
                         error.found.active_backend_id)
        self.assertIn(self.HOST, str(error))
        self.assertIn(f"replication_status {state['replication_status']!r}",
                      str(error))
        self.assertIn("frozen True and replication_status 'failed-over'",
                      error.expected)

    @ddt.data(*MAY_ENABLE)
    def test_enable(self, state):
        before = self.in_state(state)

        change = ENABLE(self.context, host=self.HOST)

        self.assert_only({'replication_status': 'enabled'}, before)
        self.assertTrue(change.changed)
        self.assertEqual('disabled', change.before.replication_status)
        self.assertEqual('enabled', change.after.replication_status)

    @ddt.data(*ENABLED_ALREADY)
    def test_enable_when_enabled(self, state):
        before = self.in_state(state)

        change = ENABLE(self.context, host=self.HOST)

        self.assert_only({}, before)
        self.assertFalse(change.changed)

    @ddt.data(*MAY_NOT_ENABLE)
    def test_enable_refused(self, state):
        before = self.in_state(state)

        error = self.assertRaises(promotion.StateConflict, ENABLE,
                                  self.context, host=self.HOST)

        self.assert_only({}, before)
        self.assertEqual(state['replication_status'],
                         error.found.replication_status)
        self.assertIn("replication_status 'disabled'", error.expected)

    @ddt.data(RESET, ENABLE)
    def test_names_must_match_exactly(self, action):
        before = self.in_state(base.FAILED_OVER)
        for host in ('nowhere@lvm-a', 'cinder-lab@lvm-A', 'cinder-lab@lvm',
                     'cinder-lab@%', 'cinder-la_@lvm-a', 'cinder-lab@lvm-a ',
                     'cinder-lab@lvm-a#pool', ''):
            error = self.assertRaises(promotion.NotFound, action,
                                      self.context, host=host)
            self.assertEqual(('host', host), (error.kind, error.name))
        for cluster in ('nowhere', 'LAB@lvm-a', 'la_@lvm-a', 'lab@lvm-a#p'):
            error = self.assertRaises(promotion.NotFound, action,
                                      self.context, cluster=cluster)
            self.assertEqual(('cluster', cluster), (error.kind, error.name))
        self.assert_only({}, before)

    @ddt.data(RESET, ENABLE)
    def test_deleted_service(self, action):
        before = self.in_state({**base.FAILED_OVER, 'deleted': 1})
        self.assertRaises(promotion.NotFound, action, self.context,
                          host=self.HOST)
        self.assert_only({}, before)

    @ddt.data(RESET, ENABLE)
    def test_exactly_one_of_host_and_cluster(self, action):
        self.assertRaises(ValueError, action, self.context)
        self.assertRaises(ValueError, action, self.context, host=self.HOST,
                          cluster=self.CLUSTER)

    @ddt.data((RESET, base.FAILED_OVER), (ENABLE, base.PROMOTED))
    @ddt.unpack
    def test_dry_run_writes_and_logs_nothing(self, action, state):
        before = self.in_state(state)
        tried = action(self.context, host=self.HOST, dry_run=True)
        self.assert_only({}, before)
        self.assertNotIn('Changed', self.log.output)
        self.assertTrue(tried.changed)
        self.assertEqual(tried, action(self.context, host=self.HOST))

    def test_the_change_is_logged(self):
        self.in_state(base.FAILED_OVER)
        RESET(self.context, host=self.HOST)
        for words in (self.HOST, "from replication_status 'failed-over', "
                      "active_backend_id 'lvm-b'",
                      "to replication_status 'disabled', "
                      "active_backend_id None"):
            self.assertIn(words, self.log.output)


@ddt.ddt
class RaceTestCase(base.OneService, base.TestCase):
    """Somebody else changes the row between our reading and writing it."""

    def meanwhile(self, table='services', **values):
        """Change the row after it was judged and before it is written."""
        compare_and_swap = promotion._compare_and_swap

        def change_first(context, target, new_values):
            self.database.update(table, target.row.id, **values)
            self.changed_to = self.database.rows(table)
            return compare_and_swap(context, target, new_values)

        patcher = mock.patch.object(promotion, '_compare_and_swap',
                                    side_effect=change_first, autospec=True)
        patcher.start()
        self.addCleanup(patcher.stop)

    @ddt.data(
        {'replication_status': 'disabled', 'active_backend_id': None},
        {'active_backend_id': 'lvm-c'},
        {'active_backend_id': None},
        {'frozen': 0},
        {'replication_status': 'failing-over'},
    )
    def test_reset_loses(self, values):
        self.in_state(base.FAILED_OVER)
        self.meanwhile(**values)

        error = self.assertRaises(promotion.ConcurrentChange, RESET,
                                  self.context, host=self.HOST)

        self.assert_only({}, self.changed_to)
        for field, value in values.items():
            self.assertEqual(value, getattr(error.found, field))

    @ddt.data(
        {'replication_status': 'enabled'},
        {'active_backend_id': 'lvm-c'},
        {'replication_status': 'failing-over'},
    )
    def test_enable_loses(self, values):
        self.in_state(base.PROMOTED)
        self.meanwhile(**values)

        error = self.assertRaises(promotion.ConcurrentChange, ENABLE,
                                  self.context, host=self.HOST)

        self.assert_only({}, self.changed_to)
        for field, value in values.items():
            self.assertEqual(value, getattr(error.found, field))

    def test_service_deleted(self):
        self.in_state(base.FAILED_OVER)
        self.meanwhile(deleted=1)
        self.assertRaises(promotion.NotFound, RESET, self.context,
                          host=self.HOST)
        self.assert_only({}, self.changed_to)

    def test_service_joins_a_cluster(self):
        self.in_state(base.FAILED_OVER)
        self.meanwhile(cluster_name=self.CLUSTER)
        error = self.assertRaises(promotion.HostInCluster, RESET,
                                  self.context, host=self.HOST)
        self.assertEqual((self.HOST, self.CLUSTER),
                         (error.host, error.cluster))
        self.assert_only({}, self.changed_to)

    @ddt.data((RESET, base.FAILED_OVER, 'disabled'),
              (ENABLE, base.PROMOTED, 'enabled'))
    @ddt.unpack
    def test_of_many_callers_one_wins(self, action, state, status):
        self.in_state(state)
        callers = 8
        all_have_read = threading.Barrier(callers, timeout=30)
        compare_and_swap = promotion._compare_and_swap
        outcomes = []

        def wait_for_all(*args):
            all_have_read.wait()
            return compare_and_swap(*args)

        def call():
            try:
                outcomes.append(action(self.context.elevated(),
                                       host=self.HOST))
            except Exception as error:
                outcomes.append(error)

        with mock.patch.object(promotion, '_compare_and_swap', wait_for_all):
            threads = [threading.Thread(target=call) for _ in range(callers)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        winners = [outcome for outcome in outcomes
                   if isinstance(outcome, promotion.Change)]
        losers = [outcome for outcome in outcomes
                  if isinstance(outcome, promotion.ConcurrentChange)]
        self.assertEqual((1, callers - 1), (len(winners), len(losers)),
                         outcomes)
        self.assertEqual({status}, {loser.found.replication_status
                                    for loser in losers})


@ddt.ddt
class ClusterTestCase(base.TestCase):
    """A cluster and its services change as one."""

    def setUp(self):
        super().setUp()
        self.add_bystanders()
        self.cluster = self.database.add_cluster(self.CLUSTER)
        self.members = [
            self.database.add_service(f'node-{number}@lvm-a',
                                      cluster_name=self.CLUSTER)
            for number in range(3)]

    def in_state(self, values):
        self.database.update('clusters', self.cluster, **values)
        for member in self.members:
            self.database.update('services', member, **values)
        return self.database.clusters(), self.database.services()

    def assert_only(self, cluster_changes, service_changes, before):
        clusters, services = before
        self.assert_rows(
            {**clusters,
             self.cluster: {**clusters[self.cluster], **cluster_changes}},
            self.database.clusters())
        self.assert_rows(
            {**services, **{member: {**services[member], **service_changes}
                            for member in self.members}},
            self.database.services())

    @ddt.data(*MAY_RESET)
    def test_reset(self, state):
        before = self.in_state(state)
        change = RESET(self.context, cluster=self.CLUSTER)
        self.assert_only({**base.AFTER_RESET, 'updated_at': base.ANY},
                         {**base.AFTER_RESET, 'modified_at': base.ANY},
                         before)
        self.assertEqual(('cluster', self.CLUSTER),
                         (change.kind, change.name))

    @ddt.data(*(state for state in MAY_NOT_RESET
                if state['frozen'] is not None))
    def test_reset_refused(self, state):
        before = self.in_state(state)
        self.assertRaises(promotion.StateConflict, RESET, self.context,
                          cluster=self.CLUSTER)
        self.assert_only({}, {}, before)

    def test_members_out_of_step_are_brought_along(self):
        self.in_state(base.FAILED_OVER)
        self.database.update('services', self.members[1],
                             replication_status='failover-error',
                             active_backend_id='', frozen=0)
        self.database.update('services', self.members[2],
                             replication_status='enabled',
                             active_backend_id=None, disabled=0)
        before = self.database.clusters(), self.database.services()
        RESET(self.context, cluster=self.CLUSTER)
        self.assert_only({**base.AFTER_RESET, 'updated_at': base.ANY},
                         {**base.AFTER_RESET, 'modified_at': base.ANY},
                         before)

    @ddt.data(*MAY_ENABLE)
    def test_enable(self, state):
        before = self.in_state(state)
        ENABLE(self.context, cluster=self.CLUSTER)
        self.assert_only({'replication_status': 'enabled',
                          'updated_at': base.ANY},
                         {'replication_status': 'enabled'}, before)

    @ddt.data(*ENABLED_ALREADY)
    def test_enable_when_enabled(self, state):
        before = self.in_state(state)
        self.assertFalse(ENABLE(self.context, cluster=self.CLUSTER).changed)
        self.assert_only({}, {}, before)

    @ddt.data(*MAY_NOT_ENABLE)
    def test_enable_refused(self, state):
        before = self.in_state(state)
        self.assertRaises(promotion.StateConflict, ENABLE, self.context,
                          cluster=self.CLUSTER)
        self.assert_only({}, {}, before)

    @ddt.data(RESET, ENABLE)
    def test_host_of_a_cluster_is_refused(self, action):
        before = self.in_state(base.FAILED_OVER)
        error = self.assertRaises(promotion.HostInCluster, action,
                                  self.context, host='node-1@lvm-a')
        self.assertIn(self.CLUSTER, str(error))
        self.assert_only({}, {}, before)

    def test_deleted_cluster(self):
        before = self.in_state(base.FAILED_OVER)
        self.database.update('clusters', self.cluster, deleted=1)
        self.assertRaises(promotion.NotFound, RESET, self.context,
                          cluster=self.CLUSTER)
        self.assert_only({'deleted': 1}, {}, before)

    def test_cluster_without_services(self):
        before = self.in_state(base.FAILED_OVER)
        for member in self.members:
            self.database.update('services', member, deleted=1)
        RESET(self.context, cluster=self.CLUSTER)
        self.assert_only({**base.AFTER_RESET, 'updated_at': base.ANY},
                         {'deleted': 1}, before)

    def test_all_or_nothing(self):
        before = self.in_state(base.FAILED_OVER)
        self.database.execute(
            'CREATE TRIGGER refuse BEFORE UPDATE ON services '
            "BEGIN SELECT RAISE(ABORT, 'refused'); END")
        self.assertRaises(db_exc.DBError, RESET, self.context,
                          cluster=self.CLUSTER)
        self.assert_only({}, {}, before)

    def test_deadlock_is_tried_again_from_the_start(self):
        before = self.in_state(base.FAILED_OVER)
        statements = []

        def deadlock_once(connection, cursor, statement, *args):
            if statement.startswith('UPDATE'):
                statements.append(statement.split()[1])
                if statements == ['clusters', 'services']:
                    raise db_exc.DBDeadlock

        sqlalchemy.event.listen(self.database.engine,
                                'before_cursor_execute', deadlock_once)
        with mock.patch('oslo_db.api.time.sleep'):
            RESET(self.context, cluster=self.CLUSTER)
        self.assertEqual(['clusters', 'services'] * 2, statements)
        self.assert_only({**base.AFTER_RESET, 'updated_at': base.ANY},
                         {**base.AFTER_RESET, 'modified_at': base.ANY},
                         before)

    def test_cluster_changed_meanwhile(self):
        self.in_state(base.FAILED_OVER)
        compare_and_swap = promotion._compare_and_swap

        def other_caller_first(*args):
            self.assertTrue(compare_and_swap(*args))
            self.after_other = (self.database.clusters(),
                                self.database.services())
            return compare_and_swap(*args)

        with mock.patch.object(promotion, '_compare_and_swap',
                               other_caller_first):
            self.assertRaises(promotion.ConcurrentChange, RESET,
                              self.context, cluster=self.CLUSTER)
        self.assert_only({}, {}, self.after_other)
