# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Bring the cloud up in a machine, by the shortest way that is true."""

from collections.abc import Callable, Iterator
import contextlib
import hashlib
import pathlib
import time

from cinder_lab import cloud_layer, commands, errors, keys, rest
from cinder_lab import console as console_module
from cinder_lab import guest as guest_module
from cinder_lab import machine as machine_module

CLOUD = "cloud"
"""The saved state with everything up but what runs the project."""

READY = "ready"
"""The saved state with the whole cloud up."""

BACKENDS = ("lvm-a", "lvm-b", "lvm-c")

EXTENSION = "os-promote-backend"

INFRASTRUCTURE = (
    "mariadb",
    "rabbitmq-server",
    "tgt",
    "keystone",
    "glance-api",
)

CINDER = (
    "cinder-api",
    "cinder-scheduler",
    *(f"cinder-volume@{backend}" for backend in BACKENDS),
)
"""The services that run the project."""

BOOT_TIMEOUT = 600
SERVICES_TIMEOUT = 600

VOLUME_TYPES: dict[str, dict[str, str]] = {
    **{
        f"replicated-{letter}": {
            "replication_enabled": "<is> True",
            "volume_backend_name": f"lvm-{letter}",
        }
        for letter in "abc"
    },
    "plain-a": {"volume_backend_name": "lvm-a"},
}

_IMAGE_SIZE = 1024 * 1024


def start_from(
    saved: dict[str, str], cloud_key: str, ready_key: str
) -> str | None:
    """Return the tag of the saved state to go on from; None means boot."""
    if saved.get(READY) == ready_key:
        return READY
    if saved.get(CLOUD) == cloud_key:
        return CLOUD
    return None


def ready_key(cloud_key: str, project_key: str) -> str:
    """Return the key of the saved state with the project in it."""
    return keys.of_text(cloud_key, project_key)


class Cloud:
    """The cloud inside a running machine.

    :param passwords: as credentials.passwords() returns them.
    """

    def __init__(
        self,
        machine: machine_module.Machine,
        guest: guest_module.Guest,
        passwords: dict[str, str],
        console: console_module.Console,
    ) -> None:
        self._machine = machine
        self._guest = guest
        self._passwords = passwords
        self._console = console

    def wait_for_infrastructure(self) -> None:
        """Wait for the services below Cinder, on a machine that boots.

        :raises LabError: if one of them fails.
        """
        with commands.Progress(self._console, self._machine.last_words):
            self._guest.wait(BOOT_TIMEOUT)
            self._guest.set_clock()
            self._start(INFRASTRUCTURE)

    def upload_image(self) -> None:
        """Give Glance the image that Tempest uses.

        :raises LabError: if Glance does not take it.
        """
        with self._journal_of("keystone", "glance-api"):
            client = self._client()
            client.request(
                "POST",
                "image",
                "/v2/images",
                {
                    "id": cloud_layer.IMAGE_ID,
                    "name": "lab",
                    "disk_format": "raw",
                    "container_format": "bare",
                    "visibility": "public",
                },
            )
            client.request(
                "PUT",
                "image",
                f"/v2/images/{cloud_layer.IMAGE_ID}/file",
                _image_bytes(_IMAGE_SIZE),
            )

    def deploy(self, archive: pathlib.Path) -> None:
        """Put the project in and start the services that use it.

        :raises LabError: if one of them does not start.
        """
        with (
            self._journal_of(*CINDER),
            commands.Progress(
                self._console, lambda: f"starting {', '.join(CINDER)}"
            ),
            archive.open("rb") as content,
        ):
            self._guest.run(
                "/usr/local/sbin/lab-deploy", content, SERVICES_TIMEOUT
            )

    def wait_for_volume_services(self) -> None:
        """Wait until Cinder has our extension and three working backends.

        :raises LabError: saying what is missing, if that lasts.
        """
        with self._journal_of(*CINDER):
            client = self._client()
            extensions = client.request("GET", "volume", "/v3/extensions")
            if EXTENSION not in {
                extension["alias"] for extension in extensions["extensions"]
            }:
                raise errors.LabError(
                    f"cinder-api does not list the extension {EXTENSION}"
                )
            self._wait_until_nothing(
                lambda: _missing(client), SERVICES_TIMEOUT
            )

    def create_volume_types(self) -> None:
        """Create the volume types that the tests use.

        :raises LabError: if Cinder refuses.
        """
        with self._journal_of("keystone", "cinder-api"):
            client = self._client()
            for name, extra_specs in VOLUME_TYPES.items():
                wanted = {"name": name, "extra_specs": extra_specs}
                client.request(
                    "POST", "volume", "/v3/types", {"volume_type": wanted}
                )

    def wake(self) -> None:
        """Make a machine that goes on from a saved state usable.

        :raises LabError: if it does not answer.
        """
        self._guest.wait(60)
        self._guest.set_clock()

    def _client(self) -> rest.Client:
        client = rest.Client(
            {
                name: f"http://127.0.0.1:{self._machine.port(name)}"
                for name in ("identity", "image", "volume")
            }
        )
        client.authenticate(
            "admin", self._passwords["ADMIN_PASSWORD"], "admin"
        )
        return client

    def _start(self, units: tuple[str, ...]) -> None:
        """Wait for units that are starting; start those that are not."""
        with self._journal_of(*units):
            self._guest.run(f"systemctl start {' '.join(units)}", timeout=900)

    def _wait_until_nothing(
        self, missing: Callable[[], list[str]], timeout: float
    ) -> None:
        deadline = time.monotonic() + timeout
        told = time.monotonic()
        while names := missing():
            if time.monotonic() > deadline:
                raise errors.LabError(
                    f"after {timeout:.0f} s still missing: {', '.join(names)}"
                )
            if time.monotonic() - told > 15:
                told = time.monotonic()
                self._console.say(f"  waiting for {', '.join(names)}")
            time.sleep(1)

    @contextlib.contextmanager
    def _journal_of(self, *units: str) -> Iterator[None]:
        """Let an error in the block lead to the journal of some units."""
        try:
            yield
        except errors.LabError as error:
            log = self._machine.folder / "journal.log"
            options = " ".join(f"-u {unit}" for unit in units)
            try:
                log.write_text(
                    self._guest.run(f"journalctl --no-pager {options}")
                )
            except errors.LabError as also:
                raise errors.LabError(
                    f"{error}; no journal: {also}"
                ) from error
            raise errors.LabError(str(error), log) from error


def _missing(client: rest.Client) -> list[str]:
    """Return what Cinder still lacks: services that are up, pools."""
    services = client.request("GET", "volume", "/v3/os-services")["services"]
    up = {
        (service["binary"], service["host"])
        for service in services
        if service["state"] == "up"
    }
    wanted = [
        ("cinder-scheduler", guest_module.NAME),
        *(
            ("cinder-volume", f"{guest_module.NAME}@{backend}")
            for backend in BACKENDS
        ),
    ]
    missing = [
        f"{binary} on {host}"
        for binary, host in wanted
        if (binary, host) not in up
    ]
    pools = client.request("GET", "volume", "/v3/scheduler-stats/get_pools")
    known = {pool["name"].partition("#")[0] for pool in pools["pools"]}
    missing += [
        f"pool of {backend}"
        for backend in BACKENDS
        if f"{guest_module.NAME}@{backend}" not in known
    ]
    return missing


def _image_bytes(size: int) -> bytes:
    """Return bytes that look random and are always the same."""
    blocks = [
        hashlib.sha256(f"cinder-lab {number}".encode()).digest()
        for number in range(size // 32)
    ]
    return b"".join(blocks)
