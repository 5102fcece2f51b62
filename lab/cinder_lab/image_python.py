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

"""The guest's Python, run on this machine without root or chroot."""

import pathlib

from cinder_lab import chroot, wheels

_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")

SITE_PACKAGES = f"{chroot.VENV}/lib/python{wheels.PYTHON}/site-packages"
"""Where the guest's virtual environment holds its packages."""


def command(tree: pathlib.Path) -> list[str]:
    """Return the command of a tree's Python, started by its own loader."""
    return [
        str(tree / "usr/lib64/ld-linux-x86-64.so.2"),
        "--library-path",
        ":".join(str(tree / folder) for folder in _LIBRARIES),
        str(tree / f"usr/bin/python{wheels.PYTHON}"),
    ]


def environment(tree: pathlib.Path) -> dict[str, str]:
    """Return the variables that make it use the tree's packages."""
    return {
        "PYTHONHOME": str(tree / "usr"),
        "PYTHONPATH": str(tree / SITE_PACKAGES.lstrip("/")),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
    }
