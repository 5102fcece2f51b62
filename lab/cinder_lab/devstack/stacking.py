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

"""Run DevStack's scripts in its machine, and look at what they made."""

from collections.abc import Callable, Iterable
import pathlib
import shlex
import subprocess
import time

from cinder_lab import commands, errors, overlay
from cinder_lab import console as console_module
from cinder_lab import guest as guest_module
from cinder_lab.devstack import clouds, image_layer, plugin

DEVSTACK = f"{image_layer.DEST}/devstack"

PROGRESS_INTERVAL = 60

_POOLS = 900
"""Seconds until Cinder has heard of all backends."""

_ENABLE_PLUGIN = "enable_plugin {name} {base}/openstack/{name}\n"


def local_conf(
    cloud: clouds.Cloud,
    passwords: dict[str, str],
    git_base: str,
    with_plugin: bool,
    more: str,
) -> str:
    """Return the local.conf that a cloud is stacked with.

    :param passwords: as credentials.passwords() returns them.
    :param with_plugin: whether the project's plugin is enabled.
    :param more: lines for the end of its localrc section; they win.
    """
    enable = _ENABLE_PLUGIN.format(name=plugin.NAME, base=git_base)
    values = {
        **passwords,
        "SERVICES": " ".join(cloud.services),
        "GIT_BASE": git_base,
        "CLOUD": cloud.text("localrc").rstrip(),
        "MORE": (enable if with_plugin else "") + more,
        "SECTIONS": cloud.text("sections").rstrip(),
    }
    text = (clouds.FOLDER / "local.conf.in").read_text()
    return overlay.fill_in(text, values)


def put_in(
    guest: guest_module.Guest, archive: pathlib.Path, conf: str
) -> None:
    """Give the stack user the project and a local.conf.

    :param archive: as plugin.pack() writes it.
    :raises LabError: if that fails.
    """
    with archive.open("rb") as content:
        guest.run(
            f"cd {image_layer.DEST} && rm -rf {plugin.NAME} && "
            "tar -x --no-same-owner -f -",
            content,
        )
    guest.run(f"cat >{DEVSTACK}/local.conf", conf.encode())


def run_script(
    guest: guest_module.Guest,
    script: str,
    log: pathlib.Path,
    console: console_module.Console,
) -> None:
    """Run one of DevStack's scripts to its end.

    :param script: its name in DevStack's folder.
    :param log: gets all that it prints, each line with its time.
    :raises LabError: if it fails.
    """
    began = time.monotonic()
    last = ""
    with log.open("w") as output:
        process = subprocess.Popen(
            [*guest.ssh_command(), f"cd {DEVSTACK} && exec ./{script}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None
        try:
            with commands.Progress(
                console, lambda: f"{script}: {last}", PROGRESS_INTERVAL
            ):
                for line in process.stdout:
                    elapsed = int(time.monotonic() - began)
                    output.write(
                        f"{elapsed // 60:3d}:{elapsed % 60:02d} {line}"
                    )
                    output.flush()
                    last = line.strip()[:100] or last
                status = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if status != 0:
        raise errors.LabError(f"{script}: exit status {status}", log)


def tempest_command(arguments: Iterable[str]) -> str:
    """Return the shell command that runs Tempest where DevStack put it."""
    words = [
        "env",
        "PYTHONUNBUFFERED=1",
        ".tox/tempest/bin/tempest",
        "run",
        "--serial",
        *arguments,
    ]
    return f"cd {image_layer.DEST}/tempest && exec {shlex.join(words)}"


def as_admin(command: str) -> str:
    """Return a shell command run with an administrator's credentials."""
    return (
        f"cd {DEVSTACK} && source ./openrc admin admin >/dev/null && {command}"
    )


def wait_for_pools(guest: guest_module.Guest, wanted: int) -> None:
    """Wait until Cinder's scheduler knows as many backends.

    It forgets them when it is started, so that each that it knows has told
    it of itself since.

    :raises LabError: if that lasts.
    """
    command = as_admin("openstack volume backend pool list -f value -c Name")
    deadline = time.monotonic() + _POOLS
    found: list[str] = []
    said = ""
    while time.monotonic() < deadline:
        try:
            found = guest.run(command).split()
            said = f"there are {' '.join(found) or 'none'}"
        except errors.LabError as error:
            said = str(error)
        if len(found) >= wanted:
            return
        time.sleep(5)
    raise errors.LabError(
        f"after {_POOLS} s Cinder does not know {wanted} backends: {said}"
    )


def reboot(
    guest: guest_module.Guest, timeout: float, restart: Callable[[], None]
) -> None:
    """Restart the guest's system, and wait until it lets us in again.

    :param restart: starts the machine if it has ended instead.
    :raises LabError: if it does not.
    """
    which = "cat /proc/sys/kernel/random/boot_id"
    before = guest.run(which)
    guest.run("systemctl reboot --no-block")
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            if guest.run(which, timeout=60) != before:
                guest.set_clock()
                return
        except errors.LabError:
            restart()
        time.sleep(2)
    raise errors.LabError(f"no reboot within {timeout:.0f} s")
