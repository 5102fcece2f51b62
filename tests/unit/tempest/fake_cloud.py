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

"""One host of a cloud, as the workflow sees it: its row and its process."""

import shlex

from tempest.lib import exceptions

from cinder_promote_tempest.common import storage_host, workflow

HOST = "h@lvm-a"
ORIGINAL = ("lvm-a", "lvm-b")


class FakeCloud:
    """Is its own clients, and the SSH client of its storage host.

    Cinder's rules for the row are those of Cinder and of the two requests.
    Each look at the row lets the service do one thing. A step whose name is
    in broken fails once it is reached, having done nothing.
    """

    def __init__(self):
        self.row = {
            "binary": "cinder-volume",
            "host": HOST,
            "replication_status": "enabled",
            "active_backend_id": None,
            "status": "enabled",
            "disabled_reason": None,
            "frozen": False,
            "state": "up",
        }
        self.reports = 0
        self.running = True
        self.failbacks_refused = 0
        # What cinder.conf says: primary, target.
        self.conf = ORIGINAL
        self.steps = []
        self.broken = set()
        self.driver_refuses = False
        self._pending = []

    def workflow(self):
        return workflow.Workflow(
            host=HOST,
            backend="lvm-a",
            rows_client=self,
            services_client=self,
            promote_client=self,
            storage_host=storage_host.StorageHost(self, "host-command"),
            interval=2,
            timeout=20,
        )

    def at_the_start(self):
        """Whether all is as it was when the cloud was made."""
        fresh = FakeCloud()
        row = dict(self.row, disabled_reason=self.row["disabled_reason"] or "")
        fresh.row["disabled_reason"] = ""
        return (row, self.conf, self.running) == (
            fresh.row,
            ORIGINAL,
            True,
        )

    # ServiceRowsClient

    def show_service_row(self, host):
        assert host == HOST
        if self._pending:
            self._pending.pop(0)()
        return dict(self.row, updated_at=f"report {self.reports}")

    # ServicesClient of tempest.lib

    def failover_host(self, host, backend_id):
        self._step("failover_host")
        if self.row["replication_status"] not in ("enabled", "failed-over"):
            raise exceptions.BadRequest()
        self.row["replication_status"] = "failing-over"

        def done():
            self.row.update(
                replication_status="failed-over",
                active_backend_id=backend_id,
                status="disabled",
                disabled_reason="failed-over",
            )

        def failed_back():
            if self.failbacks_refused:
                self.failbacks_refused -= 1
                self.row["replication_status"] = "failed-over"
            else:
                self.row.update(
                    replication_status="enabled",
                    active_backend_id="",
                    status="enabled",
                    disabled_reason="",
                )

        self._pending += [
            lambda: None,
            failed_back if backend_id == "default" else done,
        ]

    def freeze_host(self, host):
        self._step("freeze_host")
        if self.row["frozen"]:
            raise exceptions.BadRequest()
        self.row["frozen"] = True
        if not self.running:
            raise exceptions.ServerFault()
        self.row.update(status="disabled", disabled_reason="frozen")

    def thaw_host(self, host):
        self._step("thaw_host")
        if not self.row["frozen"]:
            raise exceptions.BadRequest()
        self.row["frozen"] = False
        if not self.running:
            raise exceptions.ServerFault()
        self.row.update(status="enabled", disabled_reason="")

    # PromoteBackendClient

    def reset_active_backend(self, host):
        self._step("reset_active_backend")
        if (
            self.row["replication_status"]
            not in ("failed-over", "failover-error")
            or not self.row["frozen"]
        ):
            raise exceptions.Conflict()
        self.row.update(
            replication_status="disabled",
            active_backend_id=None,
            status="enabled",
            disabled_reason=None,
        )

    def replication_enable(self, host):
        self._step("replication_enable")
        if self.row["replication_status"] == "enabled":
            return
        if (
            self.row["replication_status"] != "disabled"
            or self.row["active_backend_id"] is not None
        ):
            raise exceptions.Conflict()
        self.row["replication_status"] = "enabled"

    # tempest.lib's SSH client

    def exec_command(self, command):
        _, verb, *arguments = shlex.split(command)
        self._step(verb)
        getattr(self, "_" + verb.replace("-", "_"))(*arguments)
        return ""

    def _stop(self, backend):
        self.running = False
        self._pending.clear()

    def _start(self, backend):
        if self.running:
            return
        self.running = True
        self._pending.append(self._report)
        if not self.driver_refuses:
            self._pending += [lambda: None, self._report]

    def _re_point(self, backend, _to, to, _replicate_to, replicate_to):
        self._refuse_while_running()
        self.conf = (to, replicate_to)

    def _undo(self, backend):
        self._refuse_while_running()
        self.conf = ORIGINAL

    def _refuse_while_running(self):
        if self.running:
            raise exceptions.SSHExecCommandFailed(
                command="", exit_status=1, stderr="running", stdout=""
            )

    def _report(self):
        self.reports += 1

    def _step(self, name):
        self.steps.append(name)
        if name in self.broken:
            self.broken.discard(name)
            raise exceptions.ServerFault(f"{name} is broken")
