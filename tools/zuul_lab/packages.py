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

"""The Debian packages that the lab needs beside Python's."""

import os
import pathlib
import shutil
import subprocess

from zuul_lab import programs

_JARS = "/usr/share/java"
# Each package, and what shows that it is there.
_PACKAGES = {
    "bubblewrap": "bwrap",
    "default-jre-headless": "java",
    "git": "git",
    "libnetty-java": f"{_JARS}/netty-all.jar",
    "libslf4j-java": f"{_JARS}/slf4j-simple.jar",
    "libzookeeper-java": f"{_JARS}/zookeeper.jar",
}


def _there(sign: str) -> bool:
    """Tell whether a program, or a file, is there."""
    if sign.startswith("/"):
        return pathlib.Path(sign).exists()
    return shutil.which(sign) is not None


def install_missing() -> None:
    """Install what is missing.

    :raises LabError: if that takes a password, or is not Debian's way
    """
    missing = sorted(
        package for package, sign in _PACKAGES.items() if not _there(sign)
    )
    if not missing:
        return
    wanted = f"apt-get install --no-install-recommends {' '.join(missing)}"
    if not shutil.which("apt-get"):
        raise programs.LabError(
            f"please install what Debian calls {', '.join(missing)}."
        )
    sudo = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    if (
        sudo
        and subprocess.run([*sudo, "true"], capture_output=True).returncode
    ):
        raise programs.LabError(f"please run as root: {wanted}")
    print(f"==> Install Debian packages: {' '.join(missing)}", flush=True)
    apt = [
        *sudo,
        *("env", "DEBIAN_FRONTEND=noninteractive"),
        *("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"),
    ]
    install = [*apt, "install", "--no-install-recommends", *missing]
    for command in ([*apt, "update"], install):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise programs.LabError(
                f"apt-get failed; please run as root: {wanted}\n{done.stderr}"
            )
