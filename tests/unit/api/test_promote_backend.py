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

from cinder.api import extensions
import cinder.policy
import cinder.rpc
from cinder.volume import rpcapi
import ddt
import fixtures
import oslo_messaging
import routes

from cinder_promote import promotion
from tests.unit.api import base

RESET = 'reset_active_backend'
ENABLE = 'replication_enable'
ACTIONS = (RESET, ENABLE)
# The first microversion with clusters, and the last one without.
CLUSTERS = '3.26'
NO_CLUSTERS = '3.25'
NOT_TOLD = 'the volume services could not be told'


class _PromoteTestCase(base.OneService, base.ApiTestCase):
    """A service that may be reset, or one that may be enabled."""

    STATES = {RESET: base.FAILED_OVER, ENABLE: base.PROMOTED}
    CHANGES = {RESET: {**base.AFTER_RESET, 'modified_at': base.ANY},
               ENABLE: {'replication_status': 'enabled'}}
    STATUS = {RESET: 204, ENABLE: 202}

    def setUp(self):
        super().setUp()
        self.publish = self.patch_rpc('publish_service_capabilities')

    def patch_rpc(self, method, **kwargs):
        return self.useFixture(fixtures.MockPatchObject(
            rpcapi.VolumeAPI, method, autospec=True, **kwargs)).mock

    def ready_for(self, action, **values):
        """Put the service where the action is allowed; all service rows."""
        return self.in_state({**self.STATES[action], **values})

    def assert_done(self, action, response, before):
        self.assertEqual(self.STATUS[action], response.status_int,
                         response.text)
        self.assertEqual(b'', response.body)
        self.assert_only(self.CHANGES[action], before)

    def assert_refused(self, status, response, before, *words):
        self.assert_fault(status, response, *words)
        self.assert_only({}, before)
        self.publish.assert_not_called()


@ddt.ddt
class ExtensionTestCase(base.ApiTestCase):

    @ddt.data('', base.PROJECT_ID + '/')
    def test_listed(self, prefix):
        response = self.request('GET', f'{prefix}extensions')
        self.assertEqual(200, response.status_int)
        [ours] = [extension for extension in response.json['extensions']
                  if extension['alias'] == 'os-promote-backend']
        self.assertEqual('PromoteBackend', ours['name'])
        self.assertEqual('Promote a failed-over backend and replicate it '
                         'again.', ours['description'])

    def test_shown(self):
        response = self.request('GET', 'extensions/os-promote-backend')
        self.assertEqual(200, response.status_int)
        self.assertEqual('2026-11-22T00:00:00-00:00',
                         response.json['extension']['updated'])

    def test_loading_it_registers_the_policies(self):
        self.useFixture(base.no_policies())
        cinder.policy.init()
        self.assertNotIn('volume_extension:services:replication_enable',
                         cinder.policy._ENFORCER.registered_rules)
        manager = extensions.ExtensionManager()
        self.assertTrue(manager.is_loaded('os-promote-backend'))
        for action in ACTIONS:
            name = f'volume_extension:services:{action}'
            self.assertIn(name, cinder.policy._ENFORCER.registered_rules)
            self.assertIn(name, cinder.policy.get_rules())


@ddt.ddt
class RoutesTestCase(_PromoteTestCase):

    @ddt.data(*((action, prefix) for action in ACTIONS
                for prefix in ('', base.PROJECT_ID + '/')))
    @ddt.unpack
    def test_with_and_without_project_id(self, action, prefix):
        before = self.ready_for(action)
        response = self.put(action, {'host': self.HOST}, prefix=prefix)
        self.assert_done(action, response, before)

    def test_loaded_before_the_standard_extensions(self):
        self.configuration.conf.config(
            osapi_volume_extension=base.EXTENSIONS[::-1])
        self.app = base.load_app()
        for prefix in ('', base.PROJECT_ID + '/'):
            before = self.ready_for(RESET)
            response = self.put(RESET, {'host': self.HOST}, prefix=prefix)
            self.assert_done(RESET, response, before)

    def test_matched_before_a_catch_all(self):
        mapper = routes.Mapper()
        for prefix in ('', '/{project_id:[0-9a-f]+}'):
            mapper.connect(prefix + '/os-services/{id}', controller='cinder',
                           action='update', conditions={'method': ['PUT']})
        manager = extensions.ExtensionManager()
        ours = manager.extensions['os-promote-backend']
        [resource] = ours.get_resources()
        resource.custom_routes_fn(mapper, 'ours')
        for prefix in ('', '/' + base.PROJECT_ID):
            for action, controller in ((RESET, 'ours'), (ENABLE, 'ours'),
                                       ('freeze', 'cinder')):
                match = mapper.match(f'{prefix}/os-services/{action}',
                                     {'REQUEST_METHOD': 'PUT'})
                self.assertEqual(controller, match['controller'],
                                 f'{prefix} {action}')

    @ddt.data(*ACTIONS)
    def test_project_id_of_another_project(self, action):
        before = self.ready_for(action)
        response = self.put(action, {'host': self.HOST},
                            prefix='f' * 32 + '/')
        self.assert_refused(400, response, before, 'Malformed request url')

    @ddt.data(*((action, method) for action in ACTIONS
                for method in ('GET', 'HEAD', 'POST', 'DELETE', 'PATCH')))
    @ddt.unpack
    def test_other_methods(self, action, method):
        before = self.ready_for(action)
        for prefix in ('', base.PROJECT_ID + '/'):
            response = self.request(method, f'{prefix}os-services/{action}')
            self.assertEqual(404, response.status_int)
        self.assert_only({}, before)

    @ddt.data('not-a-project/', 'os-promote-backend/')
    def test_other_paths(self, prefix):
        before = self.ready_for(RESET)
        response = self.put(RESET, {'host': self.HOST}, prefix=prefix)
        self.assertEqual(404, response.status_int)
        self.assert_only({}, before)


@ddt.ddt
class CoreServicesTestCase(_PromoteTestCase):
    """Cinder's own requests below /os-services go on working."""

    def _service(self, prefix):
        response = self.request('GET', f'{prefix}os-services?host={self.HOST}'
                                       '&binary=cinder-volume')
        self.assertEqual(200, response.status_int)
        [service] = response.json['services']
        return service

    @ddt.data('', base.PROJECT_ID + '/')
    def test_list(self, prefix):
        self.in_state({'replication_status': 'disabled', 'frozen': 1})
        service = self._service(prefix)
        self.assertEqual('disabled', service['replication_status'])
        self.assertIs(True, service['frozen'])

    @ddt.data('', base.PROJECT_ID + '/')
    def test_freeze(self, prefix):
        self.patch_rpc('freeze_host')
        response = self.put('freeze', {'host': self.HOST}, prefix=prefix)
        self.assertEqual(200, response.status_int)
        self.assertIs(True, self._service(prefix)['frozen'])

    @ddt.data('', base.PROJECT_ID + '/')
    def test_thaw(self, prefix):
        self.patch_rpc('thaw_host', return_value=True)
        self.in_state({'frozen': 1})
        response = self.put('thaw', {'host': self.HOST}, prefix=prefix)
        self.assertEqual(200, response.status_int)
        self.assertIs(False, self._service(prefix)['frozen'])

    @ddt.data('', base.PROJECT_ID + '/')
    def test_failover_host(self, prefix):
        failover = self.patch_rpc('failover')
        self.in_state({'updated_at': '2999-01-01 00:00:00.000000'})
        response = self.put(
            'failover_host', {'host': self.HOST, 'backend_id': 'lvm-b'},
            prefix=prefix)
        self.assertEqual(202, response.status_int, response.text)
        self.assertEqual('failing-over',
                         self._service(prefix)['replication_status'])
        self.assertEqual('lvm-b', failover.call_args.args[3])

    @ddt.data(*((action, status, prefix)
                for action, status in (('enable', 'enabled'),
                                       ('disable', 'disabled'))
                for prefix in ('', base.PROJECT_ID + '/')))
    @ddt.unpack
    def test_enable_and_disable(self, action, status, prefix):
        response = self.put(
            action, {'host': self.HOST, 'binary': 'cinder-volume'},
            prefix=prefix)
        self.assertEqual(200, response.status_int)
        self.assertEqual(status, response.json['status'])

    @ddt.data('', base.PROJECT_ID + '/')
    def test_disable_log_reason(self, prefix):
        response = self.put(
            'disable-log-reason',
            {'host': self.HOST, 'binary': 'cinder-volume',
             'disabled_reason': 'maintenance'}, prefix=prefix)
        self.assertEqual(200, response.status_int)
        self.assertEqual('maintenance',
                         self._service(prefix)['disabled_reason'])

    @ddt.data('', base.PROJECT_ID + '/')
    def test_unknown_action(self, prefix):
        response = self.put('promote', {'host': self.HOST}, prefix=prefix)
        self.assertIn(response.status_int, (400, 404))


@ddt.ddt
class AuthorizationTestCase(_PromoteTestCase):

    def with_policy(self, action, check):
        self.useFixture(base.PolicyFile(
            self.configuration,
            {f'volume_extension:services:{action}': check}))

    @ddt.data(*((action, token) for action in ACTIONS
                for token in (None, 'forged')))
    @ddt.unpack
    def test_no_valid_token(self, action, token):
        before = self.ready_for(action)
        response = self.put(action, {'host': self.HOST}, token=token)
        self.assert_refused(401, response, before)

    @ddt.data(*((action, token) for action in ACTIONS
                for token in ('member', 'reader')))
    @ddt.unpack
    def test_not_an_admin(self, action, token):
        before = self.ready_for(action)
        policy = f'volume_extension:services:{action}'
        for body in ({'host': self.HOST}, {'host': 'nowhere@lvm-a'}, {},
                     b'', {'cluster': 3}):
            response = self.put(action, body, token=token)
            self.assert_refused(403, response, before, policy)

    @ddt.data(*ACTIONS)
    def test_policy_file_may_let_others_in(self, action):
        self.with_policy(action, 'role:reader')
        before = self.ready_for(action)
        response = self.put(action, {'host': self.HOST}, token='reader')
        self.assert_done(action, response, before)

    @ddt.data(*ACTIONS)
    def test_policy_file_may_keep_admins_out(self, action):
        self.with_policy(action, '!')
        before = self.ready_for(action)
        response = self.put(action, {'host': self.HOST})
        self.assert_refused(403, response, before)

    def test_each_request_has_its_own_policy(self):
        self.with_policy(RESET, 'role:reader')
        before = self.ready_for(ENABLE)
        response = self.put(ENABLE, {'host': self.HOST}, token='reader')
        self.assert_refused(403, response, before)


LONG = 'h' * 256
NOT_JSON = (b'{', b'host', b"{'host': 'a'}", b'{"host": "\xff"}',
            b'{"host": "cinder-lab@lvm-a"}}', b'\x00', b'[' * 50000)
NOT_AN_OBJECT = (b'null', b'[]', b'[{"host": "a"}]', b'"cinder-lab@lvm-a"',
                 b'1', b'true')
NOT_A_NAME = ('', LONG, 'a\0b', 'a\nb', 'cinder-lab@lvm-a\n', 'h\u00f6st',
              '\ud800', '\x7f', None, 1, 1.5, True, [], {},
              ['cinder-lab@lvm-a'], {'name': 'cinder-lab@lvm-a'})


@ddt.ddt
class BodyTestCase(_PromoteTestCase):

    def assert_bad(self, action, body, *words, **kwargs):
        before = self.ready_for(action)
        response = self.put(action, body, **kwargs)
        self.assert_refused(400, response, before, *words)

    @ddt.data(*ACTIONS)
    def test_not_json(self, action):
        for body in NOT_JSON:
            self.assert_bad(action, body, 'Malformed request body')

    @ddt.data(*ACTIONS)
    def test_not_an_object(self, action):
        for body in NOT_AN_OBJECT:
            self.assert_bad(action, body, 'object')

    @ddt.data(*ACTIONS)
    def test_no_body(self, action):
        self.assert_bad(action, b'', 'the body must be a JSON object')

    @ddt.data(*ACTIONS)
    def test_no_content_type(self, action):
        self.assert_bad(action, {'host': self.HOST}, 'Content-Type',
                        content_type=None)

    @ddt.data(*ACTIONS)
    def test_unsupported_content_type(self, action):
        before = self.ready_for(action)
        for content_type in ('text/plain', 'application/xml',
                             'application/x-www-form-urlencoded'):
            response = self.put(action, {'host': self.HOST},
                                content_type=content_type)
            self.assert_refused(415, response, before,
                                'Unsupported Content-Type')

    @ddt.data(*ACTIONS)
    def test_volume_content_type(self, action):
        before = self.ready_for(action)
        response = self.put(
            action, {'host': self.HOST},
            content_type='application/vnd.openstack.volume+json')
        self.assert_done(action, response, before)

    @ddt.data(*ACTIONS)
    def test_oversized(self, action):
        before = self.ready_for(action)
        response = self.put(action, {'host': 'h' * 200000})
        self.assertEqual(413, response.status_int)
        self.assert_only({}, before)

    @ddt.data(*((action, version) for action in ACTIONS
                for version in (None, '3.0', NO_CLUSTERS, CLUSTERS,
                                'latest')))
    @ddt.unpack
    def test_bad_host(self, action, version):
        for name in NOT_A_NAME:
            self.assert_bad(action, {'host': name}, 'host', version=version)

    @ddt.data(*((action, version) for action in ACTIONS
                for version in (CLUSTERS, 'latest')))
    @ddt.unpack
    def test_bad_cluster(self, action, version):
        for name in NOT_A_NAME:
            self.assert_bad(action, {'cluster': name}, 'cluster',
                            version=version)

    @ddt.data(*((action, version) for action in ACTIONS
                for version in (None, NO_CLUSTERS, CLUSTERS, 'latest')))
    @ddt.unpack
    def test_longest_name_is_only_not_found(self, action, version):
        before = self.ready_for(action)
        response = self.put(action, {'host': LONG[:255]}, version=version)
        self.assert_refused(404, response, before, LONG[:255])

    @ddt.data(*((action, version) for action in ACTIONS
                for version in (None, NO_CLUSTERS, CLUSTERS, 'latest')))
    @ddt.unpack
    def test_unknown_keys(self, action, version):
        for key in ('backend_id', 'binary', 'Host', 'force'):
            self.assert_bad(action, {'host': self.HOST, key: 'lvm-b'}, key,
                            version=version)
            self.assert_bad(action, {key: self.HOST}, key, version=version)

    @ddt.data(*((action, version) for action in ACTIONS
                for version in (None, '3.0', NO_CLUSTERS)))
    @ddt.unpack
    def test_cluster_is_unknown_before_3_26(self, action, version):
        self.database.add_cluster(self.CLUSTER, **self.STATES[action])
        for body in ({'cluster': self.CLUSTER},
                     {'cluster': self.CLUSTER, 'host': self.HOST}):
            self.assert_bad(action, body, "'cluster' was unexpected",
                            version=version)
        self.assertEqual(
            {self.STATES[action]['replication_status']},
            {row['replication_status']
             for row in self.database.clusters().values()
             if row['name'] == self.CLUSTER and not row['deleted'] and
             row['binary'] == 'cinder-volume'})

    @ddt.data(*((action, version) for action in ACTIONS
                for version in (None, NO_CLUSTERS)))
    @ddt.unpack
    def test_host_is_required_before_3_26(self, action, version):
        self.assert_bad(action, {}, "'host' is a required", version=version)

    @ddt.data(*((action, version) for action in ACTIONS
                for version in (CLUSTERS, 'latest')))
    @ddt.unpack
    def test_exactly_one_from_3_26(self, action, version):
        for body in ({}, {'host': self.HOST, 'cluster': self.CLUSTER}):
            self.assert_bad(action, body,
                            'one and only one of cluster and host',
                            version=version)

    @ddt.data(*((action, key) for action in ACTIONS
                for key in ('host', 'cluster')))
    @ddt.unpack
    def test_pool(self, action, key):
        self.assert_bad(action, {key: self.HOST + '#pool'}, key,
                        'names a pool', version=CLUSTERS)

    @ddt.data(*ACTIONS)
    def test_microversion_out_of_range(self, action):
        before = self.ready_for(action)
        response = self.put(action, {'host': self.HOST}, version='3.9999')
        self.assert_refused(406, response, before)


@ddt.ddt
class HostTestCase(_PromoteTestCase):

    @ddt.data(*((action, version) for action in ACTIONS
                for version in (None, '3.0', NO_CLUSTERS, CLUSTERS,
                                'latest')))
    @ddt.unpack
    def test_done(self, action, version):
        before = self.ready_for(action)
        clusters = self.database.clusters()
        response = self.put(action, {'host': self.HOST}, version=version)
        self.assert_done(action, response, before)
        self.assertEqual(clusters, self.database.clusters())

    @ddt.data(*ACTIONS)
    def test_not_found(self, action):
        before = self.ready_for(action)
        for host in ('nowhere@lvm-a', 'cinder-lab@', 'cinder-lab@%',
                     'cinder-lab@lvm-a ', 'CINDER-LAB@lvm-a'):
            response = self.put(action, {'host': host})
            self.assert_refused(404, response, before,
                                f'no cinder-volume host {host}')

    @ddt.data(*ACTIONS)
    def test_other_binaries_and_deleted_services_are_not_found(self, action):
        before = self.ready_for(action, deleted=1)
        response = self.put(action, {'host': self.HOST})
        self.assert_refused(404, response, before)

    @ddt.data('failover-error', 'error')
    def test_reset_after_a_failed_failover(self, status):
        before = self.ready_for(RESET, replication_status=status)
        response = self.put(RESET, {'host': self.HOST})
        self.assert_done(RESET, response, before)

    @ddt.data({'frozen': 0},
              {'replication_status': 'enabled', 'active_backend_id': None},
              {'replication_status': 'disabled', 'active_backend_id': None},
              {'replication_status': 'failing-over'},
              {'replication_status': 'failover-error',
               'active_backend_id': None},
              {'replication_status': 'error', 'active_backend_id': ''})
    def test_reset_in_a_wrong_state(self, values):
        before = self.ready_for(RESET, **values)
        response = self.put(RESET, {'host': self.HOST})
        row = before[self.service]
        self.assert_refused(
            409, response, before, self.HOST,
            "Expected of host cinder-lab@lvm-a: frozen True and "
            "replication_status 'failed-over' (or 'failover-error' or "
            "'error' with an active_backend_id)",
            f"found: replication_status '{row['replication_status']}', "
            f"active_backend_id {row['active_backend_id'] or None!r}, "
            f"frozen {bool(row['frozen'])}")

    def test_reset_twice(self):
        self.ready_for(RESET)
        first = self.put(RESET, {'host': self.HOST})
        before = self.database.services()
        second = self.put(RESET, {'host': self.HOST})
        self.assertEqual(204, first.status_int)
        self.assert_refused(409, second, before,
                            "found: replication_status 'disabled'")

    @ddt.data(base.FAILED_OVER,
              {'replication_status': 'disabled',
               'active_backend_id': 'lvm-b'},
              {'replication_status': 'enabled',
               'active_backend_id': 'lvm-b'},
              {'replication_status': 'error', 'active_backend_id': None},
              {'replication_status': 'not-capable',
               'active_backend_id': None})
    def test_enable_in_a_wrong_state(self, values):
        before = self.in_state(values)
        response = self.put(ENABLE, {'host': self.HOST})
        self.assert_refused(
            409, response, before,
            "Expected of host cinder-lab@lvm-a: replication_status "
            "'disabled' and active_backend_id None",
            f"found: replication_status '{values['replication_status']}', "
            f"active_backend_id {values['active_backend_id']!r}")

    @ddt.data(None, '')
    def test_enable_when_enabled(self, active_backend_id):
        before = self.in_state({'replication_status': 'enabled',
                                'active_backend_id': active_backend_id})
        for _ in range(2):
            response = self.put(ENABLE, {'host': self.HOST})
            self.assertEqual(202, response.status_int)
        self.assert_only({}, before)

    def test_enable_after_failback_left_an_empty_active_backend_id(self):
        before = self.ready_for(ENABLE, active_backend_id='')
        response = self.put(ENABLE, {'host': self.HOST})
        self.assert_done(ENABLE, response, before)

    @ddt.data(*ACTIONS)
    def test_host_of_a_cluster(self, action):
        self.database.add_cluster(self.CLUSTER, **self.STATES[action])
        before = self.ready_for(action, cluster_name=self.CLUSTER)
        clusters = self.database.clusters()
        for version in (None, CLUSTERS):
            response = self.put(action, {'host': self.HOST}, version=version)
            self.assert_refused(
                409, response, before,
                f'Host {self.HOST} is part of cluster {self.CLUSTER}',
                'name the cluster instead')
        self.assertEqual(clusters, self.database.clusters())

    def test_from_freeze_to_replication_row_by_row(self):
        self.patch_rpc('freeze_host')
        self.patch_rpc('thaw_host', return_value=True)
        before = self.ready_for(RESET, frozen=0,
                                disabled_reason='failed-over')
        beat = {'updated_at': base.ANY}
        for action, status, changes in (
                (RESET, 409, {}),
                (ENABLE, 409, {}),
                ('freeze', 200, {'frozen': 1, **beat}),
                (ENABLE, 409, {}),
                (RESET, 204, self.CHANGES[RESET]),
                (RESET, 409, {}),
                ('thaw', 200, {'frozen': 0, **beat}),
                (ENABLE, 202, {'replication_status': 'enabled'}),
                (ENABLE, 202, {}),
                (RESET, 409, {})):
            response = self.put(action, {'host': self.HOST})
            self.assertEqual(status, response.status_int,
                             f'{action}: {response.text}')
            self.assert_only(changes, before)
            before = self.database.services()


@ddt.ddt
class ClusterTestCase(_PromoteTestCase):

    def setUp(self):
        super().setUp()
        self.cluster = self.database.add_cluster(self.CLUSTER)
        self.members = [
            self.database.add_service(f'node-{number}@lvm-a',
                                      cluster_name=self.CLUSTER)
            for number in range(2)]

    def cluster_ready_for(self, action, **values):
        for table, ids in (('clusters', [self.cluster]),
                           ('services', self.members)):
            for row_id in ids:
                self.database.update(table, row_id,
                                     **{**self.STATES[action], **values})
        return self.database.clusters(), self.database.services()

    def assert_cluster(self, changes, before):
        clusters, services = before
        cluster_changes = dict(changes)
        if cluster_changes.pop('modified_at', None) or changes:
            cluster_changes['updated_at'] = base.ANY
        self.assert_rows(
            {**clusters,
             self.cluster: {**clusters[self.cluster], **cluster_changes}},
            self.database.clusters())
        self.assert_rows(
            {**services, **{member: {**services[member], **changes}
                            for member in self.members}},
            self.database.services())

    @ddt.data(*((action, version, prefix) for action in ACTIONS
                for version in (CLUSTERS, 'latest')
                for prefix in ('', base.PROJECT_ID + '/')))
    @ddt.unpack
    def test_done(self, action, version, prefix):
        before = self.cluster_ready_for(action)
        response = self.put(action, {'cluster': self.CLUSTER},
                            version=version, prefix=prefix)
        self.assertEqual(self.STATUS[action], response.status_int,
                         response.text)
        self.assert_cluster(self.CHANGES[action], before)

    @ddt.data(*ACTIONS)
    def test_not_found(self, action):
        before = self.cluster_ready_for(action)
        for cluster in ('nowhere', 'lab@', 'LAB@lvm-a', self.HOST):
            response = self.put(action, {'cluster': cluster},
                                version=CLUSTERS)
            self.assert_fault(404, response,
                              f'no cinder-volume cluster {cluster}')
        self.assert_cluster({}, before)

    @ddt.data((RESET, {'frozen': 0}),
              (RESET, {'replication_status': 'disabled'}),
              (ENABLE, {'active_backend_id': 'lvm-b'}),
              (ENABLE, {'replication_status': 'failed-over'}))
    @ddt.unpack
    def test_wrong_state(self, action, values):
        before = self.cluster_ready_for(action, **values)
        response = self.put(action, {'cluster': self.CLUSTER},
                            version=CLUSTERS)
        self.assert_fault(409, response,
                          f'Expected of cluster {self.CLUSTER}')
        self.assert_cluster({}, before)

    def test_enable_when_enabled(self):
        before = self.cluster_ready_for(ENABLE, replication_status='enabled')
        response = self.put(ENABLE, {'cluster': self.CLUSTER},
                            version=CLUSTERS)
        self.assertEqual(202, response.status_int)
        self.assert_cluster({}, before)


@ddt.ddt
class TwoCallersTestCase(_PromoteTestCase):

    @ddt.data(*ACTIONS)
    def test_one_wins(self, action):
        before = self.ready_for(action)
        both_have_read = threading.Barrier(2, timeout=30)
        compare_and_swap = promotion._compare_and_swap
        responses = []

        def wait_for_both(*args):
            both_have_read.wait()
            return compare_and_swap(*args)

        def call():
            responses.append(self.put(action, {'host': self.HOST}))

        with mock.patch.object(promotion, '_compare_and_swap',
                               wait_for_both):
            threads = [threading.Thread(target=call) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        winner, loser = sorted(responses,
                               key=lambda response: response.status_int)
        self.assert_done(action, winner, before)
        self.assert_fault(409, loser, 'Another request changed host '
                                      f'{self.HOST} at the same time.')


class TellTestCase(_PromoteTestCase):
    """Volume services are told that replication is enabled."""

    def test_told_when_enabled_and_again_when_repeated(self):
        self.ready_for(ENABLE)
        for calls in (1, 2):
            self.put(ENABLE, {'host': self.HOST})
            self.assertEqual(calls, self.publish.call_count)

    def test_not_told_after_reset(self):
        self.ready_for(RESET)
        self.put(RESET, {'host': self.HOST})
        self.publish.assert_not_called()

    def test_messaging_failure_does_not_reach_the_caller(self):
        self.publish.side_effect = oslo_messaging.MessageDeliveryFailure
        before = self.ready_for(ENABLE)
        response = self.put(ENABLE, {'host': self.HOST})
        self.assert_done(ENABLE, response, before)
        self.assertIn(NOT_TOLD, self.log.output)


class _BrokerTestCase(base.ApiTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.Timeout(60, gentle=True))
        self.service = self.database.add_service(self.HOST, **base.PROMOTED)

    def assert_enabled(self):
        response = self.put(ENABLE, {'host': self.HOST})
        self.assertEqual(202, response.status_int, response.text)
        self.assertEqual(
            'enabled',
            self.database.services()[self.service]['replication_status'])


class BrokerTestCase(_BrokerTestCase):

    def test_volume_service_gets_the_message(self):
        received = threading.Event()

        class VolumeManager:
            target = oslo_messaging.Target(
                version=rpcapi.VolumeAPI.RPC_API_VERSION)

            def publish_service_capabilities(self, context):
                received.set()

        server = oslo_messaging.get_rpc_server(
            cinder.rpc.TRANSPORT,
            oslo_messaging.Target(topic='cinder-volume', server=self.HOST),
            [VolumeManager()], executor='threading')
        server.start()
        self.addCleanup(server.wait)
        self.addCleanup(server.stop)

        self.assert_enabled()

        self.assertTrue(received.wait(timeout=30))
        self.assertNotIn(NOT_TOLD, self.log.output)


class BrokerDownTestCase(_BrokerTestCase):

    TRANSPORT_URL = 'rabbit://nobody@127.0.0.1:1/'

    def test_enabled_all_the_same_and_soon(self):
        self.assert_enabled()
        self.assertIn(NOT_TOLD, self.log.output)
        self.assertNotIn('TimeoutException', self.log.output)
