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
"""Both clients, against a real Cinder API over HTTP.

The server of each test is Cinder's own, over a real database; only what the
scheduler would tell is made up.
"""

import contextlib
import io
import json
import logging
import socket
import socketserver
import threading
from unittest import mock
from wsgiref import simple_server

from cinder.scheduler import rpcapi as scheduler_rpcapi
from cinderclient import client as cinderclient
from cinderclient import shell as cinderclient_shell
import fixtures
from keystoneauth1 import fixture, session, token_endpoint
import openstack
from openstackclient import shell as osc_shell
from osc_lib import clientmanager

from cinder_promote.client import cinder_shell, osc
from tests.unit.api import base

NOT_FROZEN = {
    **base.FAILED_OVER,
    "frozen": 0,
    "disabled_reason": "failed-over",
}
COMMANDS = {
    "volume_service_enable_replication": osc.EnableReplication,
    "volume_service_replication_list": osc.ListReplication,
    "volume_service_reset_active_backend": osc.ResetActiveBackend,
}


class _Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True


class _QuietHandler(simple_server.WSGIRequestHandler):
    def log_message(self, *args):
        pass


class _OpenStackShell(osc_shell.OpenStackShell):
    """openstackclient with our commands, installed or not."""

    def _load_commands(self):
        super()._load_commands()
        for name, command in COMMANDS.items():
            self.command_manager.add_command(name.replace("_", " "), command)


def keystone_without_cinder(environ, start_response):
    """A Keystone, as WSGI, whose catalog has no block storage."""
    url = f"http://{environ['HTTP_HOST']}/v3"
    headers = [("Content-Type", "application/json"), ("X-Subject-Token", "t")]
    if environ["REQUEST_METHOD"] == "POST":
        answer = fixture.V3Token(project_id=base.PROJECT_ID)
        answer.add_service("identity").add_standard_endpoints(public=url)
        start_response("201 Created", headers)
    else:
        answer = {"version": fixture.V3Discovery(url)}
        start_response("200 OK", headers)
    return [json.dumps(answer).encode()]


def unused_url():
    """The URL of an API that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/v3"


class ClientTestCase(base.OneService, base.ApiTestCase):
    def setUp(self):
        super().setUp()
        self.url = self.serve(self.app)
        self.options = []
        self.pools = []
        self.useFixture(
            fixtures.MockPatchObject(
                scheduler_rpcapi.SchedulerAPI,
                "get_pools",
                lambda *args, **kwargs: self.pools,
            )
        )
        # What the server logs is not to be taken for what a command says.
        for name in ("cinder", "keystonemiddleware"):
            logger = logging.getLogger(name)
            self.useFixture(
                fixtures.MockPatchObject(logger, "propagate", False)
            )
            silence = logging.NullHandler()
            logger.addHandler(silence)
            self.addCleanup(logger.removeHandler, silence)
        for name in ("OS_CLOUD", "OS_CLIENT_CONFIG_FILE"):
            self.useFixture(fixtures.EnvironmentVariable(name))

    def serve(self, app):
        """Answer HTTP requests until the test ends.

        :returns: the URL of the block storage API
        """
        server = simple_server.make_server(
            "127.0.0.1", 0, app, _Server, _QuietHandler
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}/v3"

    def use_cinder_without_the_extension(self):
        self.configuration.conf.config(
            osapi_volume_extension=base.EXTENSIONS[:1]
        )
        self.url = self.serve(base.load_app())

    def proxy(self, token="admin"):
        connection = openstack.connection.Connection(
            session=self._session(token)
        )
        self.addCleanup(connection.close)
        return connection.block_storage

    def cinderclient(self, version="3.26", token="admin"):
        return cinderclient.Client(version, session=self._session(token))

    def log_in(self):
        """Have both clients ask Keystone for a token, at self.url."""
        self.options = [
            f"--os-auth-url={self.url}",
            "--os-username=operator",
            "--os-password=secret",
            "--os-user-domain-id=default",
            f"--os-project-id={base.PROJECT_ID}",
        ]

    def openstack(self, *arguments, token="admin"):
        """Run openstack.

        :returns: exit status, standard output, standard error
        """
        options = self.options or [
            "--os-auth-type=admin_token",
            f"--os-endpoint={self.url}",
            f"--os-token={token}",
        ]
        # In one process it keeps its connection from one run to the next.
        kept = vars(clientmanager.ClientManager)["volume"]
        with mock.patch.object(kept, "_handle", None):
            return self._run(
                lambda: _OpenStackShell().run([*options, *arguments])
            )

    def cinder(self, *arguments, token="admin"):
        """Run cinder, with our commands where it finds none of them too.

        :returns: exit status, standard output, standard error
        """
        options = self.options
        if not options:
            options = [
                "--os-auth-url=not-used",
                "--os-password=not-used",
                f"--os-project-id={base.PROJECT_ID}",
            ]
            self.useFixture(
                fixtures.MockPatchObject(
                    cinderclient_shell.OpenStackCinderShell,
                    "_get_keystone_session",
                    lambda shell: self._session(token),
                )
            )
        self.useFixture(
            fixtures.MockPatchObject(
                cinderclient,
                "_discover_via_python_path",
                lambda: [("cinder_promote_cinderclient_ext", cinder_shell)],
            )
        )
        self.useFixture(
            fixtures.MonkeyPatch("sys.argv", ["cinder", *options, *arguments])
        )
        return self._run(cinderclient_shell.main)

    def _session(self, token):
        return session.Session(auth=token_endpoint.Token(self.url, token))

    def _run(self, main):
        output, complaint = io.StringIO(), io.StringIO()
        with (
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(complaint),
        ):
            try:
                status = main()
            except SystemExit as left:
                status = left.code
        return status or 0, output.getvalue(), complaint.getvalue()

    def in_cluster(self, **values):
        """Put the service and another host's in a cluster, all as told.

        :returns: the cluster's id
        """
        cluster = self.database.add_cluster(self.CLUSTER, **values)
        self.database.add_service(
            "other@lvm-a", cluster_name=self.CLUSTER, **values
        )
        self.in_state({**values, "cluster_name": self.CLUSTER})
        return cluster

    def assert_cluster(self, status):
        """The cluster and all of its services have a replication_status."""
        (cluster,) = (
            row
            for row in self.database.clusters().values()
            if row["name"] == self.CLUSTER
            and row["binary"] == "cinder-volume"
            and not row["deleted"]
        )
        members = [
            row
            for row in self.database.services().values()
            if row["cluster_name"] == self.CLUSTER
            and row["binary"] == "cinder-volume"
            and not row["deleted"]
        ]
        self.assertEqual(2, len(members))
        for row in (cluster, *members):
            self.assertEqual(status, row["replication_status"])
