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

"""Renew zuul_check/lock.txt and zuul_check/loader.txt: the pins of Zuul.

Zuul's requirements conflict with Cinder's, so it has an environment and a lock
of its own. loader.txt names the few packages that its configuration loader
imports: these alone are installed for `make zuul`, in a third of the time.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import renew_constraints

DIRECTORY = renew_constraints.TOP / "tools" / "zuul_check"
ZUUL = "zuul==14.3.0"
LOCK_HEADER = """\
# Made by tools/renew_zuul_lock.py; do not edit.
# Zuul and all that it needs, for tools/zuul-check and tools/zuul-lab.
"""
LOADER_HEADER = """\
# Made by tools/renew_zuul_lock.py; do not edit.
# What Zuul's configuration loader imports; the versions are in lock.txt.
"""
# What environments hold by themselves. Some of Zuul's requirements want
# setuptools too, but not those of the loader; a hook at start imports it.
_OF_THE_ENVIRONMENT = {"pip", "setuptools"}
# Prints the distributions that hold what the check has imported.
IMPORTED = """
import importlib.metadata, sys
sys.path.insert(0, {tools!r})
from zuul_check import load
owners = importlib.metadata.packages_distributions()
modules = {{name.partition('.')[0] for name in sys.modules}}
print(*{{owner for name in modules for owner in owners.get(name, [])}})
"""


def main() -> int:
    found = {
        version: path
        for version in renew_constraints.PYTHONS
        if (path := shutil.which(f"python{version}"))
    }
    if not found:
        print("No Python 3.11 or newer is here.", file=sys.stderr)
        return 1
    resolved = {}
    imported: set[str] = set()
    for version, path in found.items():
        print(f"Installing {ZUUL} for Python {version}")
        resolved[version], needed = ask(path)
        imported |= needed
    (DIRECTORY / "lock.txt").write_text(
        LOCK_HEADER + "".join(renew_constraints.constraints(resolved))
    )
    (DIRECTORY / "loader.txt").write_text(
        LOADER_HEADER
        + "".join(f"{name}\n" for name in sorted(imported, key=str.lower))
    )
    return 0


def ask(python: str) -> tuple[dict[str, str], set[str]]:
    """Return what Zuul needs with its versions, and what the check imports."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([python, "-m", "venv", directory], check=True)
        inside = pathlib.Path(directory, "bin", "python")
        subprocess.run(
            [inside, "-m", "pip", "install", "--quiet", ZUUL], check=True
        )
        listed = _run(inside, "-m", "pip", "list", "--format", "json")
        tools = str(renew_constraints.TOP / "tools")
        imported = _run(inside, "-c", IMPORTED.format(tools=tools))
    pins = {one["name"]: one["version"] for one in json.loads(listed)}
    pins.pop("pip", None)
    return pins, set(imported.split()) & set(pins) - _OF_THE_ENVIRONMENT


def _run(*command: str | pathlib.Path) -> str:
    return subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
