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

"""A network for User Mode Linux that needs no root: slirp4netns.

The two send each other frames over a socket. The guest is reached by ports of
127.0.0.1 that slirp4netns listens on. It has no route to anywhere; should it
get itself one, it still reaches neither another machine nor this one's
loopback.
"""

from collections.abc import Mapping
import json
import os
import pathlib
import subprocess
import time
from typing import IO

from cinder_lab import errors, unix_socket
from cinder_lab import shape as shape_module

PROGRAM = "slirp4netns"

SOCKET = "net.sock"
"""What User Mode Linux connects to, in the machine's folder."""

_CONTROL = "net-control.sock"
_TIMEOUT = 60


def start(folder: pathlib.Path, log: IO[bytes]) -> int:
    """Start the network and return once it can be connected to.

    :returns: a descriptor; it lasts until nobody has that open any more.
    :raises LabError: if it does not start.
    """
    for name in (SOCKET, _CONTROL):
        (folder / name).unlink(missing_ok=True)
    watched, held = os.pipe()
    try:
        process = subprocess.Popen(
            [
                PROGRAM,
                "--target-type=bess",
                f"--api-socket={_CONTROL}",
                f"--exit-fd={watched}",
                "--disable-host-loopback",
                "--disable-dns",
                "--outbound-addr=127.0.0.1",
                SOCKET,
            ],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(watched,),
            start_new_session=True,
        )
    except OSError as error:
        os.close(held)
        raise errors.LabError(f"{PROGRAM}: {error.strerror}") from error
    finally:
        os.close(watched)
    deadline = time.monotonic() + _TIMEOUT
    while not (folder / SOCKET).exists():
        if process.poll() is not None or time.monotonic() > deadline:
            os.close(held)
            raise errors.LabError(
                f"{PROGRAM} did not start", pathlib.Path(log.name)
            )
        time.sleep(0.02)
    return held


def forward(folder: pathlib.Path, ports: Mapping[int, int]) -> None:
    """Let ports of this machine lead to ports of the guest.

    :param ports: the guest's, by this machine's.
    :raises LabError: if nothing has connected to the network, or a port is
        taken.
    """
    for local, guest in ports.items():
        answer = _ask(
            folder,
            {
                "execute": "add_hostfwd",
                "arguments": {
                    "proto": "tcp",
                    "host_addr": "127.0.0.1",
                    "host_port": local,
                    "guest_addr": shape_module.ADDRESS,
                    "guest_port": guest,
                },
            },
        )
        if "return" not in answer:
            raise errors.LabError(f"{PROGRAM}: port {local}: {answer}")


def _ask(
    folder: pathlib.Path, request: dict[str, object]
) -> dict[str, object]:
    """Send a request once it is heard: after the guest has connected."""
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            with unix_socket.connect(folder / _CONTROL, _TIMEOUT) as control:
                control.sendall(json.dumps(request).encode())
                with control.makefile("rb") as answer:
                    return dict(json.loads(answer.read()))
        except (OSError, ValueError) as error:
            if time.monotonic() > deadline:
                raise errors.LabError(f"{PROGRAM}: {error}") from error
        time.sleep(0.05)
