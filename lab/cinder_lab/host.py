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

"""The machine the lab runs on: what it must have, and how it gets it."""

from collections.abc import Mapping
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

from cinder_lab import commands, errors
from cinder_lab import console as console_module

COMMANDS = {
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}
"""Commands that the lab uses and the Debian packages that hold them."""

QEMU_COMMANDS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
}

UML_COMMANDS = {"slirp4netns": "slirp4netns"}
"""User Mode Linux itself is in the guest's image."""

KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")

SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def search_path(environment: Mapping[str, str] | None = None) -> str:
    """Return PATH with the folders in it that hold administrators' tools."""
    given = os.environ if environment is None else environment
    path = given.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(path + [d for d in SBIN if d not in path])


def missing_packages(accelerator: str | None = None) -> list[str]:
    """Return the Debian packages to install before the lab can work.

    :param accelerator: the one that was asked for; without, it is one of
        QEMU's.
    """
    path = search_path()
    runs = UML_COMMANDS if accelerator == "uml" else QEMU_COMMANDS
    missing = {
        package
        for command, package in (COMMANDS | runs).items()
        if shutil.which(command, path=path) is None
    }
    if not KEYRING.exists():
        missing.add("debian-archive-keyring")
    if importlib.util.find_spec("ensurepip") is None:
        missing.add("python3-venv")
    return sorted(missing)


def as_root(argv: list[str]) -> list[str]:
    """Return a command line that runs a command as root.

    :raises LabError: if this is not root and there is no sudo.
    """
    if os.geteuid() == 0:
        return argv
    if shutil.which("sudo") is None:
        raise errors.LabError(
            "the lab must be run as root, or sudo must be installed"
        )
    return ["sudo", *argv]


def install_missing(
    console: console_module.Console,
    log: pathlib.Path,
    accelerator: str | None = None,
) -> None:
    """Install the Debian packages that are missing, saying which.

    :param accelerator: as missing_packages() takes it.
    :raises LabError: if that fails, or this machine has no apt.
    """
    missing = missing_packages(accelerator)
    if not missing:
        return
    names = " ".join(missing)
    if shutil.which("apt-get") is None:
        raise errors.LabError(
            f"these packages are missing, and there is no apt-get: {names}"
        )
    with console.step(f"Install Debian packages: {names}"):
        apt = as_root(
            [
                "env",
                "DEBIAN_FRONTEND=noninteractive",
                "apt-get",
                "-o",
                "DPkg::Lock::Timeout=120",
            ]
        )
        if os.geteuid() != 0:
            # sudo asks for a password on the terminal, not in the log
            subprocess.run(["sudo", "-v"], check=True)
        commands.run([*apt, "update"], log, console, "apt-get update")
        commands.run(
            [*apt, "install", "-y", "--no-install-recommends", *missing],
            log,
            console,
            "apt-get install",
        )
    still = missing_packages(accelerator)
    if still:
        raise errors.LabError(
            f"still missing after apt-get install: {' '.join(still)}", log
        )


def check_python() -> None:
    """Refuse a Python that is too old.

    :raises LabError: if it is older than 3.11.
    """
    if sys.version_info < (3, 11):
        raise errors.LabError(
            f"the lab needs Python 3.11 or newer; {sys.executable} is "
            f"{sys.version_info.major}.{sys.version_info.minor}"
        )
