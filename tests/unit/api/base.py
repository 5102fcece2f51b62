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

"""A real Cinder API over a real SQLite database, one of each per test."""

import contextlib
import functools
import importlib.metadata
import json
import os
import shutil
import sqlite3
import tempfile
import uuid

from cinder import context, objects
from cinder.common import config  # noqa: F401  registers Cinder's options
from cinder.db import migration
from cinder.objects import base as objects_base
import cinder.policy
import cinder.rpc
from cinder.volume import rpcapi as volume_rpcapi
import fixtures
from keystonemiddleware import auth_token  # noqa: F401  registers its options
from keystonemiddleware import fixture as auth_fixture
from oslo_config import cfg
from oslo_config import fixture as config_fixture
from oslo_db.sqlalchemy import engines
from oslo_messaging import conffixture as messaging_fixture
from paste import deploy
import testtools
import webob

from cinder_promote import promotion
from cinder_promote.api import policies

CONF = cfg.CONF
PROJECT_ID = '0123456789abcdef0123456789abcdef'
EXTENSIONS = ('cinder.api.contrib.standard_extensions',
              'cinder_promote.api.promote_backend.Promote_backend')
HEARTBEAT = '2026-01-02 03:04:05.000000'
ROLES = {'admin': ['admin', 'member', 'reader'],
         'member': ['member', 'reader'],
         'reader': ['reader']}


class Configuration(fixtures.Fixture):
    """Cinder's configuration, none of it from this machine's files."""

    def _setUp(self):
        objects.register_all()
        CONF([], project='cinder', default_config_files=[],
             default_config_dirs=[])
        self.conf = self.useFixture(config_fixture.Config(CONF))
        self.conf.config(osapi_volume_extension=EXTENSIONS,
                         auth_strategy='keystone')
        self.conf.config(group='database', connection='sqlite://')
        self.conf.config(group='keystone_authtoken',
                         www_authenticate_uri='http://keystone.invalid')
        self.conf.config(group='oslo_policy', policy_file='no-such-file',
                         policy_dirs=[])
        self.useFixture(fixtures.MockPatchObject(
            cinder.policy, '_ENFORCER', _default_policies()))


class PolicyFile(fixtures.Fixture):
    """Cinder's policies with a policy file, and with ours registered."""

    def __init__(self, configuration, rules):
        super().__init__()
        self.configuration = configuration
        self.rules = rules

    def _setUp(self):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path,
                            'policy.yaml')
        with open(path, 'w') as policy_file:
            json.dump(self.rules, policy_file)
        self.configuration.conf.config(group='oslo_policy', policy_file=path)
        self.useFixture(no_policies())
        policies.register()


def no_policies():
    """A fixture: Cinder as it is before it has initialised its policies."""
    return fixtures.MonkeyPatch('cinder.policy._ENFORCER', None)


@functools.cache
def _default_policies():
    """Cinder's enforcer after the extension was loaded: it takes a while."""
    with no_policies():
        policies.register()
        return cinder.policy._ENFORCER


class Messaging(fixtures.Fixture):
    """Cinder's RPC, over oslo.messaging's in-memory broker or another."""

    def __init__(self, transport_url):
        super().__init__()
        self.transport_url = transport_url

    def _setUp(self):
        messaging = self.useFixture(messaging_fixture.ConfFixture(CONF))
        messaging.transport_url = self.transport_url
        for versions in (cinder.rpc.LAST_RPC_VERSIONS,
                         cinder.rpc.LAST_OBJ_VERSIONS):
            versions.clear()
            self.addCleanup(versions.clear)
        cinder.rpc.init(CONF)
        self.addCleanup(cinder.rpc.cleanup)


def migrate(path):
    """Have Cinder's migrations make an empty database."""
    engine = engines.create_engine(f'sqlite:///{path}')
    manager = promotion.db_api.main_context_manager
    with contextlib.ExitStack() as stack:
        stack.callback(engine.dispose)
        stack.callback(manager.patch_engine(engine))
        migration.db_sync()


@functools.cache
def _migrated_database():
    """The path of an empty database, one for all tests."""
    directory = tempfile.TemporaryDirectory(prefix='cinder-promote-')
    path = os.path.join(directory.name, 'cinder.sqlite')
    migrate(path)
    # The directory lives as long as this process's cache does.
    return path, directory


class Database(fixtures.Fixture):
    """Cinder's database, in a file, looked at without Cinder's help.

    :param template: path of the one to begin with, an empty one without it
    """

    def __init__(self, template=None):
        super().__init__()
        self.template = template

    def _setUp(self):
        template = self.template or _migrated_database()[0]
        directory = self.useFixture(fixtures.TempDir()).path
        self.path = os.path.join(directory, 'cinder.sqlite')
        shutil.copy(template, self.path)
        # Only where a template is given can the power be cut.
        self.engine = engines.create_engine(
            f'sqlite:///{self.path}',
            sqlite_synchronous=self.template is not None)
        self.addCleanup(self.engine.dispose)
        self.addCleanup(
            promotion.db_api.main_context_manager.patch_engine(self.engine))

        self._connect()
        self.addCleanup(self.connection.close)

    def _connect(self):
        self.connection = sqlite3.connect(self.path)
        self.connection.row_factory = sqlite3.Row
        self.connection.execute('PRAGMA synchronous = OFF')

    def forked(self):
        """Use connections of its own in a child process."""
        self.engine.dispose(close=False)
        self._connect()

    def snapshot(self):
        """All that ``restore`` needs to make it what it is now."""
        snapshot = sqlite3.connect(':memory:', check_same_thread=False)
        # In whatever thread that is asked for.
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            connection.backup(snapshot)
        return snapshot

    def restore(self, snapshot):
        """Become what it was."""
        snapshot.backup(self.connection)

    def execute(self, statement, parameters=()):
        with self.connection:
            cursor = self.connection.execute(statement, parameters)
            return cursor.lastrowid, [dict(row) for row in cursor]

    def _insert(self, table, values):
        columns = ', '.join(values)
        marks = ', '.join('?' * len(values))
        row_id, _ = self.execute(
            f'INSERT INTO {table} ({columns}) VALUES ({marks})',
            tuple(values.values()))
        return row_id

    def add_service(self, host, **values):
        return self._insert('services', {
            'host': host, 'binary': 'cinder-volume', 'topic': 'cinder-volume',
            'uuid': str(uuid.uuid4()), 'created_at': HEARTBEAT,
            'updated_at': HEARTBEAT, 'report_count': 7, 'deleted': 0,
            'disabled': 0, 'frozen': 0, 'replication_status': 'enabled',
            'availability_zone': 'nova',
            'rpc_current_version': volume_rpcapi.VolumeAPI.RPC_API_VERSION,
            'object_current_version': objects_base.OBJ_VERSIONS.get_current(),
            **values})

    def add_cluster(self, name, **values):
        return self._insert('clusters', {
            'name': name, 'binary': 'cinder-volume', 'created_at': HEARTBEAT,
            'updated_at': HEARTBEAT, 'deleted': 0, 'disabled': 0, 'frozen': 0,
            'race_preventer': 0, 'replication_status': 'enabled', **values})

    def update(self, table, row_id, **values):
        assignments = ', '.join(f'{column} = ?' for column in values)
        self.execute(f'UPDATE {table} SET {assignments} WHERE id = ?',
                     (*values.values(), row_id))

    def rows(self, table):
        """The whole table: id to row, a dict of its columns."""
        _, rows = self.execute(f'SELECT * FROM {table}')
        return {row['id']: row for row in rows}

    def services(self):
        return self.rows('services')

    def clusters(self):
        return self.rows('clusters')


ANY = object()
FAILED_OVER = {'replication_status': 'failed-over',
               'active_backend_id': 'lvm-b', 'disabled': 1,
               'disabled_reason': 'frozen', 'frozen': 1}
AFTER_RESET = {'replication_status': 'disabled', 'active_backend_id': None,
               'disabled': 0, 'disabled_reason': None}
PROMOTED = {**AFTER_RESET, 'frozen': 1}


class TestCase(testtools.TestCase):
    """Has Cinder's configuration, its database and its RPC."""

    HOST = 'cinder-lab@lvm-a'
    CLUSTER = 'lab@lvm-a'
    TRANSPORT_URL = 'fake:/'
    DATABASE = None

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.configuration = self.useFixture(Configuration())
        self.useFixture(Messaging(self.TRANSPORT_URL))
        self.database = self.useFixture(Database(self.DATABASE))
        self.context = context.get_admin_context()

    def add_bystanders(self):
        """Rows that look like the host's or cluster's, but are others'."""
        add = self.database.add_service
        for host in ('cinder-lab', 'cinder-lab@lvm-a-2', 'cinder-lab@lvm-b',
                     'CINDER-LAB@LVM-A', 'cinder-lab@lvm_a', 'lab@lvm-a'):
            add(host, **FAILED_OVER)
        add(self.HOST, binary='cinder-backup', **FAILED_OVER)
        add(self.HOST, deleted=1, **FAILED_OVER)
        add('node-9@lvm-a', cluster_name='lab@lvm-a-2', **FAILED_OVER)
        add('node-9@lvm-b', cluster_name=self.CLUSTER, deleted=1,
            **FAILED_OVER)
        add('node-9', cluster_name=self.CLUSTER, binary='cinder-backup',
            **FAILED_OVER)
        self.database.add_cluster('lab@lvm-a-2', **FAILED_OVER)
        self.database.add_cluster('lab', **FAILED_OVER)
        self.database.add_cluster(self.CLUSTER, binary='cinder-backup',
                                  **FAILED_OVER)
        self.database.add_cluster(self.CLUSTER, deleted=1, race_preventer=9,
                                  **FAILED_OVER)

    def assert_rows(self, expected, rows):
        """Whole tables are equal; ANY matches what a test does not tell."""
        self.assertEqual(set(expected), set(rows))
        for row_id, row in rows.items():
            name = row.get('host') or row['name']
            for column, value in expected[row_id].items():
                if value is not ANY:
                    self.assertEqual(value, row[column],
                                     f'{column} of row {row_id}, {name}')


class OneService:
    """A mixin for tests of one service among bystanders."""

    def setUp(self):
        super().setUp()
        self.add_bystanders()
        self.service = self.database.add_service(self.HOST)

    def in_state(self, values):
        """Change the service's row; all service rows after that."""
        self.database.update('services', self.service, **values)
        return self.database.services()

    def assert_only(self, changes, before):
        """The service's row has the changes and nothing else did change."""
        self.assert_rows(
            {**before, self.service: {**before[self.service], **changes}},
            self.database.services())


class ApiTestCase(TestCase):
    """Sends requests through the keystone pipeline of api-paste.ini."""

    def setUp(self):
        super().setUp()
        tokens = self.useFixture(auth_fixture.AuthTokenFixture())
        for name, roles in ROLES.items():
            tokens.add_token_data(token_id=name, user_id=uuid.uuid4().hex,
                                  project_id=PROJECT_ID, role_list=roles)
        self.app = _shared_app()

    def request(self, method, path, token='admin', version=None, body=b'',
                content_type=None):
        request = webob.Request.blank(f'/v3/{path}', method=method, body=body)
        if content_type:
            request.content_type = content_type
        if token:
            request.headers['X-Auth-Token'] = token
        if version:
            request.headers['OpenStack-API-Version'] = f'volume {version}'
        return request.get_response(self.app)

    def put(self, action, body, prefix='',
            content_type='application/json', **kwargs):
        """PUT body, as JSON unless it is bytes, to an os-services action."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return self.request('PUT', f'{prefix}os-services/{action}', body=body,
                            content_type=content_type, **kwargs)

    def assert_fault(self, status, response, *words):
        """The response is an error of that status that says the words."""
        self.assertEqual(status, response.status_int, response.text)
        [fault] = response.json.values()
        self.assertEqual(status, fault['code'])
        for word in words:
            self.assertIn(word, fault['message'])


def load_app():
    """Cinder's API as cinder-api builds it, from Cinder's api-paste.ini."""
    [paste_file] = [
        path for path in importlib.metadata.files('cinder') or ()
        if path.match('etc/cinder/api-paste.ini')]
    path = os.path.realpath(paste_file.locate())
    return deploy.loadapp(f'config:{path}', name='osapi_volume')


@functools.cache
def _shared_app():
    """One for all tests: it takes a while.

    Its RPC clients are those of the first test, which matters to no test, as
    our requests make new ones.
    """
    return load_app()
