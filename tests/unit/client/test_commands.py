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
"""The commands of both clients, as a person types them."""

import json

from cinder.volume import rpcapi
import ddt
import fixtures
from oslo_utils import timeutils

from cinder_promote.client import hints
from tests.unit.api import base as api_base
from tests.unit.client import base

OPENSTACK = {
    "fail_over": "openstack --os-volume-api-version 3.25 volume host failover "
    "--volume-backend <backend-id>",
    "reset": "openstack volume service reset active backend",
    "enable": "openstack volume service enable replication",
    "freeze": "openstack volume host set --disable",
}
CINDER = {
    "fail_over": "cinder failover-host --backend_id <backend-id>",
    "reset": "cinder reset-active-backend",
    "enable": "cinder replication-enable",
    "freeze": "cinder freeze-host",
}
LIST = "openstack volume service replication list"
CLIENTS = (OPENSTACK, CINDER)
STATES = {"reset": api_base.FAILED_OVER, "enable": api_base.PROMOTED}

FAIL_OVER = (
    "Only what has failed over can be reset; to fail it over first: "
    "{fail_over} {host}"
)
WAIT = "Wait until the fail-over has ended."
NOTHING = ""
RESET = (
    "What comes first, once it is frozen, stopped and re-pointed: "
    "{reset} {host}"
)
HINTS = (
    ("reset", base.NOT_FROZEN, "Freeze it first: {freeze} {host}"),
    (
        "reset",
        {**base.NOT_FROZEN, "replication_status": "failover-error"},
        "Freeze it first: {freeze} {host}",
    ),
    ("reset", {"replication_status": "enabled"}, FAIL_OVER),
    (
        "reset",
        {"replication_status": "error", "frozen": 1},
        FAIL_OVER,
    ),
    ("reset", {"replication_status": "failing-over"}, WAIT),
    (
        "reset",
        api_base.PROMOTED,
        "There is nothing to reset; what comes next is: {enable} {host}",
    ),
    ("enable", api_base.FAILED_OVER, RESET),
    (
        "enable",
        {**api_base.FAILED_OVER, "replication_status": "error"},
        RESET,
    ),
    ("enable", {"replication_status": "failing-over"}, WAIT),
    (
        "enable",
        {"replication_status": "not-capable"},
        "Its driver does not report that it can replicate: see "
        "replication_device in cinder.conf.",
    ),
    ("enable", {"replication_status": "error"}, NOTHING),
)


class CommandTestCase(base.ClientTestCase):
    def run_command(self, line, **kwargs):
        """Run a command line.

        :returns: exit status, standard output, standard error
        """
        program, *arguments = line.split()
        return getattr(self, program)(*arguments, **kwargs)

    def assert_done(self, line):
        self.assertEqual((0, "", ""), self.run_command(line))

    def assert_refused(self, line, *said, ending="", **kwargs):
        """The command fails with text on one line and changes nothing."""
        before = self.database.services()
        status, output, complaint = self.run_command(line, **kwargs)
        self.assertEqual((1, ""), (status, output))
        for text in said:
            self.assertIn(text, complaint)
        self.assertEqual(1, complaint.count("\n"), complaint)
        self.assertNotIn("http:", complaint)
        self.assertTrue(complaint.endswith(f"{ending}\n"), complaint)
        self.assert_only({}, before)


@ddt.ddt
class ChangeTest(CommandTestCase):
    @ddt.data(*CLIENTS)
    def test_both_requests(self, command):
        before = self.in_state(api_base.FAILED_OVER)
        self.assert_done(f"{command['reset']} {self.HOST}")
        self.assert_only(
            {**api_base.AFTER_RESET, "modified_at": api_base.ANY}, before
        )

        before = self.database.services()
        self.assert_done(f"{command['enable']} {self.HOST}")
        self.assert_only({"replication_status": "enabled"}, before)
        self.assert_done(f"{command['enable']} {self.HOST}")

    @ddt.data(*CLIENTS)
    def test_a_cluster(self, command):
        self.in_cluster(**api_base.FAILED_OVER)
        self.assert_done(f"{command['reset']} --cluster {self.CLUSTER}")
        self.assert_cluster("disabled")
        self.assert_done(f"{command['enable']} {self.CLUSTER} --cluster")
        self.assert_cluster("enabled")


@ddt.ddt
class RefusedTest(CommandTestCase):
    @ddt.idata((client, *case) for client in CLIENTS for case in HINTS)
    @ddt.unpack
    def test_a_conflict_tells_what_comes_first(
        self, command, request, state, hint
    ):
        self.in_state(state)
        self.assert_refused(
            f"{command[request]} {self.HOST}",
            f"Expected of host {self.HOST}: ",
            f"found: replication_status '{state['replication_status']}'",
            ending=hint.format(host=self.HOST, **command)
            or "disabled_reason None.",
        )

    @ddt.idata(
        (client, request)
        for client in CLIENTS
        for request in ("reset", "enable")
    )
    @ddt.unpack
    def test_a_host_in_a_cluster(self, command, request):
        self.in_cluster(**STATES[request])
        instead = f"{command[request]} --cluster {self.CLUSTER}"
        self.assert_refused(
            f"{command[request]} {self.HOST}",
            f"is part of cluster {self.CLUSTER}",
            ending=f"That is: {instead}",
        )
        self.assert_done(instead)

    def follow_hint(self, refused):
        """Run a command that is refused, and then the one that it names."""
        _, _, complaint = self.run_command(refused)
        first = complaint.rpartition(": ")[2]
        status, _, complaint = self.run_command(
            first.replace("<backend-id>", "lvm-b")
        )
        self.assertEqual((0, ""), (status, complaint))

    @ddt.data(*CLIENTS)
    def test_all_hints_followed(self, command):
        rpc = {}
        for name in ("failover", "freeze_host"):
            rpc[name] = self.useFixture(
                fixtures.MockPatchObject(rpcapi.VolumeAPI, name)
            ).mock
        self.in_state({"updated_at": timeutils.utcnow()})

        reset = f"{command['reset']} {self.HOST}"
        self.follow_hint(reset)
        self.assertEqual("lvm-b", rpc["failover"].call_args.args[2])
        self.in_state(base.NOT_FROZEN)
        self.follow_hint(reset)
        rpc["freeze_host"].assert_called_once()
        self.follow_hint(f"{command['enable']} {self.HOST}")
        self.assert_done(f"{command['enable']} {self.HOST}")

    @ddt.data(*CLIENTS)
    def test_the_hint_for_a_cluster_names_one_of_its_hosts(self, command):
        self.useFixture(
            fixtures.MockPatchObject(rpcapi.VolumeAPI, "freeze_host")
        )
        cluster = self.in_cluster(**base.NOT_FROZEN)
        # Cinder takes whichever cluster of the name comes first.
        self.database.execute("DELETE FROM clusters WHERE id != ?", (cluster,))
        reset = f"{command['reset']} --cluster {self.CLUSTER}"
        self.follow_hint(reset)
        self.assert_done(reset)

    @ddt.data(*CLIENTS)
    def test_without_the_right_to_list_there_is_no_hint(self, command):
        self.useFixture(
            api_base.PolicyFile(
                self.configuration,
                {"volume_extension:services:reset_active_backend": ""},
            )
        )
        self.in_state(base.NOT_FROZEN)
        self.assert_refused(
            f"{command['reset']} {self.HOST}",
            "Expected of host",
            ending="disabled_reason 'failed-over'.",
            token="member",
        )

    @ddt.idata(
        (client, request)
        for client in CLIENTS
        for request in ("reset", "enable")
    )
    @ddt.unpack
    def test_other_errors(self, command, request):
        self.assert_refused(
            f"{command[request]} a@b",
            ending="There is no cinder-volume host a@b.",
        )
        self.assert_refused(
            f"{command[request]} a@b --cluster",
            ending="There is no cinder-volume cluster a@b.",
        )
        self.assert_refused(
            f"{command[request]} {self.HOST}#pool", "leave out the #"
        )
        self.assert_refused(
            f"{command[request]} {self.HOST}",
            "Policy doesn't allow",
            token="member",
        )
        self.assert_refused(f"{command[request]} {self.HOST}", token="nobody")

    @ddt.data(*CLIENTS)
    def test_a_cinder_without_the_extension(self, command):
        self.use_cinder_without_the_extension()
        for request in ("reset", "enable"):
            self.assert_refused(
                f"{command[request]} {self.HOST}", ending=hints.NOT_LOADED
            )

    @ddt.data(*CLIENTS)
    def test_a_cloud_without_cinder(self, command):
        self.url = self.serve(base.keystone_without_cinder)
        self.log_in()
        for request in ("reset", "enable"):
            self.assert_refused(
                f"{command[request]} a@b", ending="service not found"
            )

    @ddt.data(f"{OPENSTACK['reset']} a@b", f"{OPENSTACK['enable']} a@b", LIST)
    def test_an_api_that_does_not_answer(self, line):
        self.url = base.unused_url()
        status, output, complaint = self.run_command(line)
        self.assertEqual((1, ""), (status, output))
        self.assertRegex(complaint, "^The API does not answer: .*refused")
        self.assertNotIn("Traceback", complaint)


class ListTest(CommandTestCase):
    REPORTED = {
        "replication_volumes": 4,
        "replication_volumes_in_sync": 3,
        "replication_sync_percent": 87.5,
    }

    def report(self, backend, capabilities):
        self.pools.append(
            {"name": f"{backend}#pool", "capabilities": capabilities}
        )

    def rows(self, *options):
        status, output, complaint = self.run_command(
            " ".join([LIST, "-f json", *options])
        )
        self.assertEqual((0, ""), (status, complaint))
        return json.loads(output)

    def test_all_columns(self):
        self.in_cluster(**api_base.FAILED_OVER)
        (row,) = self.rows("--long", f"--host {self.HOST}")
        self.assertEqual(
            {
                "Host": self.HOST,
                "Cluster": self.CLUSTER,
                "State": "down",
                "Status": "disabled",
                "Replication Status": "failed-over",
                "Active Backend ID": "lvm-b",
                "Frozen": True,
                "Disabled Reason": "frozen",
                "Protection": None,
            },
            row,
        )
        (short,) = self.rows(f"--host {self.HOST}")
        del row["Cluster"]
        self.assertEqual(list(row.items()), list(short.items()))

    def test_each_volume_service_or_those_asked_for(self):
        self.in_cluster()
        hosts = [row["Host"] for row in self.rows()]
        self.assertIn(self.HOST, hosts)
        self.assertIn("cinder-lab@lvm-b", hosts)
        self.assertCountEqual(
            [self.HOST, "other@lvm-a"],
            [row["Host"] for row in self.rows(f"--cluster {self.CLUSTER}")],
        )
        self.assertEqual([], self.rows("--host nobody@lvm-a"))

    def test_protection(self):
        self.report(self.HOST, self.REPORTED)
        self.report("cinder-lab@lvm-b", {"replication_volumes": 4})
        (row,) = self.rows(f"--host {self.HOST}")
        self.assertEqual(
            {
                "volumes": 4,
                "in_sync": 3,
                "percent": 87.5,
                "bytes": None,
                "bytes_total": None,
                "seconds_left": None,
            },
            row["Protection"],
        )
        (row,) = self.rows("--host cinder-lab@lvm-b")
        self.assertIsNone(row["Protection"])

    def test_protection_of_a_cluster(self):
        self.in_cluster()
        self.report(self.CLUSTER, self.REPORTED)
        for row in self.rows(f"--cluster {self.CLUSTER}"):
            self.assertEqual(87.5, row["Protection"]["percent"])

    def shown(self):
        """Return the Protection of the service as a person sees it."""
        _, output, _ = self.run_command(
            f"{LIST} -c Protection --host {self.HOST}"
        )
        return output.splitlines()[3].strip("| ")

    def test_protection_for_a_person(self):
        self.assertEqual("-", self.shown())
        reported = dict(self.REPORTED)
        self.report(self.HOST, reported)
        self.assertEqual("3 of 4 volumes, 87.5 %", self.shown())
        reported.update(
            replication_sync_bytes=1 << 30,
            replication_sync_bytes_total=4 << 30,
            replication_sync_seconds_left=300,
        )
        self.assertEqual(
            "3 of 4 volumes, 87.5 %, 1.0 of 4.0 GiB copied, about 5 min left",
            self.shown(),
        )
        for key in [key for key in reported if "_sync_" in key]:
            del reported[key]
        self.assertEqual("3 of 4 volumes", self.shown())

    def test_without_a_scheduler_protection_is_not_known(self):
        self.pools = None
        status, output, complaint = self.run_command(
            f"{LIST} -f value -c Host -c Protection --host {self.HOST}"
        )
        self.assertEqual((0, f"{self.HOST} None\n"), (status, output))
        self.assertIn("How far the backends are protected", complaint)

    def test_refused(self):
        self.assert_refused(LIST, "Policy doesn't allow", token="member")
