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

"""The second layer: a virtual environment with everything in the lock."""

import pathlib

from cinder_lab import chroot as chroot_module
from cinder_lab import console as console_module
from cinder_lab import keys, layers, wheels
from cinder_lab import paths as paths_module

_SOURCES = ("lock.txt", "cinder_lab/python_layer.py")
_WHEELHOUSE = "var/tmp/wheels"


def key(base_key: str) -> str:
    """Return the key of the layer: what it stands on, and the lock."""
    return keys.of_text(base_key, keys.of_files(paths_module.LAB, _SOURCES))


def build(
    base: pathlib.Path,
    wheelhouse: pathlib.Path,
    target: pathlib.Path,
    paths: paths_module.Paths,
    console: console_module.Console,
) -> None:
    """Make a tree of a base tree and wheels.

    :raises LabError: if installing them fails.
    """
    with console.step("Virtual environment"):
        layers.copy(base, target)
        layers.copy(wheelhouse, target / _WHEELHOUSE)
        chroot = chroot_module.Chroot(target, paths.logs / "python.log")
        venv = chroot_module.VENV
        chroot.run("python3", "-m", "venv", venv, console=console)
        chroot.run(
            f"{venv}/bin/python",
            "-m",
            "pip",
            "install",
            "--no-index",
            "--no-deps",
            "--no-compile",
            "--no-cache-dir",
            "--disable-pip-version-check",
            f"--find-links=/{_WHEELHOUSE}",
            *_pins(),
            console=console,
        )
        layers.remove(target / _WHEELHOUSE)
        _without_tests(target / venv.lstrip("/"))
        chroot.run(
            f"{venv}/bin/python",
            "-m",
            "compileall",
            "-q",
            "-j",
            "0",
            f"{venv}/lib/python{wheels.PYTHON}/site-packages",
            f"/usr/lib/python{wheels.PYTHON}",
            "/usr/lib/python3/dist-packages",
            console=console,
        )


def _pins() -> list[str]:
    lines = wheels.LOCK.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _without_tests(venv: pathlib.Path) -> None:
    """Remove the unit tests of the big services: nobody runs them here."""
    packages = venv / f"lib/python{wheels.PYTHON}/site-packages"
    for name in ("cinder", "glance", "keystone", "os_brick"):
        layers.remove(packages / name / "tests")
