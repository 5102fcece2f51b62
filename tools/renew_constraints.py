#!/usr/bin/env python3
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

"""Renew test-constraints.txt: pin what the tests and checks need.

Cinder, Tempest and everything else that the lab pins in lab/lock.txt is taken
from there, so that the unit tests see the versions that the lab runs; only
the rest is pinned here. Every Python 3.11 or newer that is found is asked,
and a version that holds for some of them only gets a marker.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
LAB_LOCK = TOP / "lab" / "lock.txt"
TARGET = TOP / "test-constraints.txt"
EXTRAS = "server,client,runbook,tempest,test,lint,docs"
PYTHONS = ("3.11", "3.12", "3.13")
HEADER = """\
# Made by tools/renew_constraints.py (make constraints); do not edit.
# What the tests and checks need beyond lab/lock.txt.
"""


def main() -> int:
    found = {
        version: path
        for version in PYTHONS
        if (path := shutil.which(f"python{version}"))
    }
    if not found:
        print(f"None of Python {', '.join(PYTHONS)} is here.", file=sys.stderr)
        return 1
    pinned = names(LAB_LOCK.read_text())
    resolved = {}
    for version, path in found.items():
        print(f"Resolving for Python {version}")
        resolved[version] = {
            name: pin
            for name, pin in resolve(path).items()
            if normalize(name) not in pinned
        }
    TARGET.write_text(HEADER + "".join(constraints(resolved)))
    return 0


def normalize(name: str) -> str:
    """Return the form of a distribution's name that can be compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(text: str) -> set[str]:
    """Return the names that a constraints file pins."""
    return {
        normalize(line.partition("==")[0])
        for line in text.splitlines()
        if "==" in line and not line.startswith("#")
    }


def resolve(python: str) -> dict[str, str]:
    """Return name and version of all that pip would install."""
    with tempfile.TemporaryDirectory() as directory:
        report = pathlib.Path(directory, "report.json")
        environment = pathlib.Path(directory, "venv")
        subprocess.run([python, "-m", "venv", environment], check=True)
        subprocess.run(
            [
                environment / "bin" / "python",
                *("-m", "pip", "install", "--quiet", "--dry-run"),
                *("--ignore-installed", "--report", report),
                *("--constraint", LAB_LOCK),
                f"{TOP}[{EXTRAS}]",
            ],
            check=True,
        )
        installs = json.loads(report.read_text())["install"]
    return {
        item["metadata"]["name"]: item["metadata"]["version"]
        for item in installs
        if normalize(item["metadata"]["name"]) != "cinder-promote"
    }


def constraints(resolved: dict[str, dict[str, str]]) -> list[str]:
    """Return the constraints' lines, sorted by name.

    :param resolved: name and version by version of Python
    """
    lines = []
    everything = {name for pins in resolved.values() for name in pins}
    for name in sorted(everything, key=normalize):
        versions: dict[str, list[str]] = {}
        for python, pins in resolved.items():
            if name in pins:
                versions.setdefault(pins[name], []).append(python)
        for version, pythons in versions.items():
            marker = ""
            if len(versions) > 1:
                marker = " ; " + " or ".join(
                    f'python_version == "{python}"' for python in pythons
                )
            lines.append(f"{name}=={version}{marker}\n")
    return lines


if __name__ == "__main__":
    sys.exit(main())
