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

"""A small Cinder in memory, served over HTTP.

Its rules for the rows are those of Cinder and of our two requests. Each look
at the services lets those that run report once; each look at the volumes
brings a target that is being filled one state further.
"""

import contextlib
from http import server
import json
import threading

VOLUMES = "/v3/volumes/detail"
POOLS = "/v3/scheduler-stats/get_pools"
NEXT = {"disabled": "enabling", "enabling": "enabled"}


class FakeCinder:
    """The API, the database and what the volume services write there.

    :param hosts: a fake storage host for each name of one
    """

    def __init__(self, hosts):
        self.hosts = hosts
        self.services = {}
        self.volumes = []
        self.pools = {}
        self.types = {
            "plain": {},
            "safe": {"replication_enabled": "<is> True"},
        }
        self.extensions = ["os-promote-backend"]
        self.changes = []
        self.ticks = 0
        self.lock = threading.Lock()
        # What other processes than those of the storage hosts serve.
        self.impostors = set()
        # action: (status, sentence, whether it is carried out all the same)
        self.failures = {}
        # action: called instead of the action, then carried out
        self.meanwhile = {}
        # Looks that a process takes from its start to its first report.
        self.slowness = 0
        self._started = set()

    def add_service(self, name, cluster=None, **values):
        self.services[name] = {
            "binary": "cinder-volume",
            "host": name,
            "cluster": cluster,
            "zone": "nova",
            "status": "enabled",
            "state": "up",
            "updated_at": "report 0",
            "disabled_reason": None,
            "frozen": False,
            "replication_status": "enabled",
            "active_backend_id": None,
            **values,
        }
        self._started.add(name)

    def add_volume(self, number, host, volume_type="safe", **values):
        self.volumes.append(
            {
                "id": f"volume-{number}",
                "name": f"name-{number}",
                "size": 1,
                "status": "available",
                "volume_type": volume_type,
                "os-vol-host-attr:host": f"{host}#pool",
                "replication_status": "enabled",
                "attachments": [],
                **values,
            }
        )

    def fail_over(self, name, to):
        self.services[name].update(
            replication_status="failed-over",
            active_backend_id=to,
            status="disabled",
            disabled_reason="failed-over",
        )
        for volume in self.volumes:
            if volume["replication_status"] == "enabled":
                volume["replication_status"] = "failed-over"

    def row(self, name):
        """Return the fields that promotion is about."""
        service = self.services[name]
        return (
            service["replication_status"],
            service["active_backend_id"],
            service["status"] == "disabled",
            service["frozen"],
        )

    @contextlib.contextmanager
    def served(self):
        """Answer requests, and give the URL."""
        cinder = self

        class Handler(server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_GET(self):
                self._answer(*cinder.get(self.path))

            def do_PUT(self):
                length = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(length))
                self._answer(*cinder.put(self.path.split("/")[-1], body))

            def _answer(self, status, data):
                content = b"" if data is None else json.dumps(data).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments):
                pass

        made = server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        made.daemon_threads = True
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{made.server_port}/v3"
        finally:
            made.shutdown()
            thread.join()
            made.server_close()

    # Requests

    def get(self, path):
        path = path.partition("?")[0].rstrip("/")
        failure = self.failures.get(path)
        if failure:
            return failure[0], {"error": {"message": failure[1]}}
        with self.lock:
            if path == "/v3/os-services":
                self._report()
                return 200, {"services": list(self.services.values())}
            if path == "/v3/extensions":
                return 200, {
                    "extensions": [
                        {"alias": alias, "name": alias}
                        for alias in self.extensions
                    ]
                }
            if path == "/v3/types":
                return 200, {
                    "volume_types": [
                        {"id": name, "name": name, "extra_specs": specs}
                        for name, specs in self.types.items()
                    ]
                }
            if path == VOLUMES:
                self._replicate()
                return 200, {"volumes": self.volumes}
            if path == POOLS:
                return 200, {
                    "pools": [
                        {"name": f"{name}#pool", "capabilities": told}
                        for name, told in self._pools().items()
                    ]
                }
        return 200, {
            "versions": [
                {
                    "id": "v3.0",
                    "status": "CURRENT",
                    "version": "3.71",
                    "min_version": "3.0",
                    "links": [],
                }
            ]
        }

    def put(self, action, body):
        with contextlib.suppress(KeyError):
            self.meanwhile.pop(action)()
        status, sentence, carried_out = self.failures.get(
            action, (None, None, True)
        )
        with self.lock:
            if carried_out:
                try:
                    answer = getattr(self, action.replace("-", "_"))(body)
                    self.changes.append(action)
                except _Refused as error:
                    return error.args[0], {"x": {"message": error.args[1]}}
            if status:
                return status, {"x": {"message": sentence}}
        return (200, answer) if answer else (202, None)

    def freeze(self, body):
        self._set_frozen(body, True)

    def thaw(self, body):
        self._set_frozen(body, False)

    def reset_active_backend(self, body):
        for service in self._named(body):
            status = service["replication_status"]
            if not service["frozen"] or status not in (
                "failed-over",
                "failover-error",
            ):
                raise _Refused(409, f"Expected failed-over, found {status}.")
        for service in self._named(body):
            service.update(
                replication_status="disabled",
                active_backend_id=None,
                status="enabled",
                disabled_reason=None,
                # modified_at shows as updated_at
                updated_at=self._tick(),
            )

    def replication_enable(self, body):
        for service in self._named(body):
            if service["active_backend_id"] is not None:
                raise _Refused(409, "Expected no active_backend_id.")
            service["replication_status"] = "enabled"

    def disable_log_reason(self, body):
        self.services[body["host"]].update(
            status="disabled", disabled_reason=body["disabled_reason"]
        )

    # The services

    def _set_frozen(self, body, frozen):
        services = self._named(body)
        if all(service["frozen"] == frozen for service in services):
            raise _Refused(400, "No service could be changed.")
        for service in services:
            service["frozen"] = frozen
        if not self._runs(services[0]["host"]):
            raise _Refused(500, "The volume service does not answer.")
        services[0].update(
            status="disabled" if frozen else "enabled",
            disabled_reason="frozen" if frozen else "",
            updated_at=self._tick(),
        )

    def _named(self, body):
        ((kind, name),) = body.items()
        found = [
            service
            for service in self.services.values()
            if service[kind] == name
        ]
        if not found:
            raise _Refused(404, f"There is no {kind} {name}.")
        return found

    def _runs(self, name):
        if name in self.impostors:
            return True
        host = self.hosts.get(name.partition("@")[0])
        return host is None or host.running

    def _report(self):
        for name, service in self.services.items():
            if not self._runs(name):
                self._started.discard(name)
                continue
            if name not in self._started and self.slowness:
                self.slowness -= 1
            elif name not in self._started:
                # The process writes its row before its driver works.
                self._started.add(name)
                service["updated_at"] = self._tick()
            elif name in self.impostors or self._driver_works(service):
                service["updated_at"] = self._tick()

    def _driver_works(self, service):
        host, _, backend = service["host"].partition("@")
        return host not in self.hosts or self.hosts[host].driver_works(
            backend, service["active_backend_id"]
        )

    def _tick(self):
        self.ticks += 1
        return f"report {self.ticks}"

    def _service_of(self, volume):
        host = volume["os-vol-host-attr:host"].partition("#")[0]
        return self.services.get(host)

    def _replicate(self):
        for volume in self.volumes:
            service = self._service_of(volume)
            if not service or volume["volume_type"] == "plain":
                continue
            if service["active_backend_id"] or not self._runs(service["host"]):
                continue
            status = volume["replication_status"]
            if status == "failed-over":
                volume["replication_status"] = "disabled"
            elif service["replication_status"] == "enabled":
                volume["replication_status"] = NEXT.get(status, status)

    def _pools(self):
        return {
            name: {
                "free_capacity_gb": 10.0,
                "total_capacity_gb": 20.0,
                "replication_enabled": service["replication_status"]
                == "enabled",
                "replication_targets": ["lvm-b"],
                "replication_volumes": len(self.volumes),
                "replication_volumes_in_sync": 0,
                "replication_sync_percent": 12.5,
                **self.pools.get(name, {}),
            }
            for name, service in self.services.items()
        }


class _Refused(Exception):
    """With the HTTP status and the sentence."""
