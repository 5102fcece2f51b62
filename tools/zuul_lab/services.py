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

"""Zuul's own services, started with a configuration made for the lab."""

from collections.abc import Iterator
import contextlib
import pathlib
import sys

import yaml

from zuul_check import tenant as tenants
from zuul_lab import certificates, programs, web

CONNECTION = "gerrit"
# On a busy machine most of it goes into the projects' keys.
_SECONDS = 900

_CONFIGURATION = """\
[zookeeper]
hosts=localhost:{zookeeper}
tls_cert={tls.certificate}
tls_key={tls.key}
tls_ca={tls.authority}

[keystore]
password=lab

[database]
dburi=sqlite:///{directory}/zuul.sqlite

[scheduler]
tenant_config={directory}/tenants.yaml
state_dir={directory}/state
command_socket={directory}/scheduler.socket

[merger]
git_dir={directory}/merger
state_dir={directory}/state
command_socket={directory}/merger.socket
git_user_email=zuul-lab@localhost
git_user_name=Zuul lab

[web]
listen_address=127.0.0.1
port={web}
command_socket={directory}/web.socket
state_dir={directory}/state

[connection {connection}]
driver=git
baseurl={git}
canonical_hostname={hostname}
"""


class Services:
    """Zuul's programs on one configuration.

    :param members: of each tenant, by the tenant's name
    :param zookeeper: its port
    :param git: the URL below which the projects' repositories are
    """

    def __init__(
        self,
        directory: pathlib.Path,
        members: dict[str, list[tenants.Member]],
        zookeeper: int,
        tls: certificates.Certificates,
        git: str,
    ) -> None:
        self._directory = directory
        self._tenants = list(members)
        self._web_port = programs.free_port()
        for name in ("state", "merger"):
            (directory / name).mkdir()
        (directory / "tenants.yaml").write_text(
            yaml.safe_dump(
                [
                    {"tenant": tenants.tenant(name, CONNECTION, theirs)}
                    for name, theirs in members.items()
                ]
            )
        )
        self._configuration = directory / "zuul.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(
                zookeeper=zookeeper,
                tls=tls,
                directory=directory,
                web=self._web_port,
                connection=CONNECTION,
                git=git,
                hostname=tenants.HOSTNAME,
            )
        )

    def validate(self, tenant: str) -> tuple[int, str]:
        """Have the scheduler validate a tenant; return status and output.

        :raises LabError: if that takes too long
        """
        with programs.running(
            "zuul-scheduler-validate",
            [*self._command("scheduler"), "--validate-tenants", tenant],
            self._directory,
        ) as program:
            return program.status(_SECONDS), program.log.read_text()

    @contextlib.contextmanager
    def merger(self) -> Iterator[None]:
        """Run a merger, which reads the repositories for the others."""
        with self._running("merger"):
            yield

    @contextlib.contextmanager
    def scheduler(self) -> Iterator[web.Web]:
        """Run the scheduler and its web interface."""
        with (
            self._running("scheduler") as scheduler,
            self._running("web") as interface,
        ):
            interface.wait(lambda: programs.listens(self._web_port), _SECONDS)
            address = web.Web(
                f"http://127.0.0.1:{self._web_port}", interface.log
            )
            scheduler.wait(lambda: address.loaded(self._tenants), _SECONDS)
            yield address

    def _command(self, service: str) -> list[str]:
        program = pathlib.Path(sys.executable).parent / f"zuul-{service}"
        return [str(program), "-f", "-c", str(self._configuration)]

    def _running(
        self, service: str
    ) -> contextlib.AbstractContextManager[programs.Program]:
        return programs.running(
            f"zuul-{service}", self._command(service), self._directory
        )
