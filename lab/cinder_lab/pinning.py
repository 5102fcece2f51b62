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

"""Renew the lock: pin requirements.in and everything below it."""

import json
import os
import sys

from cinder_lab import commands, errors, wheels
from cinder_lab import console as console_module
from cinder_lab import paths as paths_module

REQUIREMENTS = paths_module.LAB / "requirements.in"

_HEADER = "# Made by `lab lock` from requirements.in; do not edit.\n"


def renew(paths: paths_module.Paths, console: console_module.Console) -> None:
    """Resolve the requirements for the guest and write lock.txt.

    :raises LabError: if this Python is not of the guest's version, whose
        markers count, or the requirements can't be resolved.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version != wheels.PYTHON:
        raise errors.LabError(
            f"the lock must be renewed with Python {wheels.PYTHON}, "
            f"the guest's; this is {version}"
        )
    log = paths.logs / "lock.log"
    report = paths.cache / "resolved.json"
    with console.step("Resolve the requirements"):
        commands.run(
            [
                *wheels.own_pip(paths, log),
                "install",
                "--quiet",
                "--dry-run",
                "--ignore-installed",
                "--disable-pip-version-check",
                f"--report={report}",
                f"--requirement={REQUIREMENTS}",
            ],
            log,
            console,
            "pip install --dry-run",
        )
    new = wheels.LOCK.with_suffix(".new")
    new.write_text(lock_text(report.read_text()))
    os.replace(new, wheels.LOCK)


def lock_text(report: str) -> str:
    """Return the lock for pip's report of what it would install.

    Only names and versions go in, never where pip found them.
    """
    pins = {
        f"{item['metadata']['name']}=={item['metadata']['version']}"
        for item in json.loads(report)["install"]
    }
    return _HEADER + "".join(f"{pin}\n" for pin in sorted(pins, key=str.lower))
