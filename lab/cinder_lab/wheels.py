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

"""Python distributions for the guest: fetched by this machine's pip.

pip is used as this machine has it configured (index, certificates, extra
places to look); none of that gets into the guest or into the lock.
"""

import pathlib
import subprocess
import sys

from cinder_lab import commands, keys, layers
from cinder_lab import console as console_module
from cinder_lab import paths as paths_module

PYTHON = "3.11"
"""The guest's Python."""

LOCK = paths_module.LAB / "lock.txt"

_GLIBC_MINOR = 36
_OLDEST_GLIBC_MINOR = 5


def platforms() -> list[str]:
    """Return the wheel platforms that the guest can use, best first."""
    tags = [
        f"manylinux_2_{minor}_x86_64"
        for minor in range(_GLIBC_MINOR, _OLDEST_GLIBC_MINOR - 1, -1)
    ]
    return [
        *tags,
        "manylinux2014_x86_64",
        "manylinux2010_x86_64",
        "manylinux1_x86_64",
        "linux_x86_64",
    ]


def download_arguments(target: pathlib.Path) -> list[str]:
    """Return pip's arguments to fetch what the lock names for the guest."""
    return [
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        f"--python-version={PYTHON}",
        "--implementation=cp",
        *(f"--platform={tag}" for tag in platforms()),
        f"--dest={target}",
        f"--requirement={LOCK}",
    ]


def key() -> str:
    """Return the key of the set of wheels: the lock."""
    return keys.of_text(LOCK.read_text(), PYTHON)


def fetch(
    paths: paths_module.Paths, console: console_module.Console
) -> pathlib.Path:
    """Return a folder with a wheel of everything in the lock.

    :raises LabError: if pip can't get one of them.
    """

    def download(target: pathlib.Path) -> None:
        log = paths.logs / "wheels.log"
        pip = own_pip(paths, log)
        target.mkdir()
        with console.step("Python packages"):
            commands.run(
                [*pip, *download_arguments(target)],
                log,
                console,
                "pip download",
            )
            for source in sorted(target.iterdir()):
                if source.suffix == ".whl":
                    continue
                commands.run(
                    [
                        *pip,
                        "wheel",
                        "--quiet",
                        "--no-deps",
                        # without it, the pip of Debian 12 would want wheel
                        "--use-pep517",
                        f"--wheel-dir={target}",
                        str(source),
                    ],
                    log,
                    console,
                    f"pip wheel {source.name}",
                )
                source.unlink()

    return layers.ensure(paths.cache, "wheels", key(), download)


def own_pip(paths: paths_module.Paths, log: pathlib.Path) -> list[str]:
    """Return the command of a pip that belongs to the lab."""
    environment = paths.cache / "pip"
    python = environment / "bin" / "python"
    if (
        subprocess.call(
            [str(python), "-c", "import pip"], stderr=subprocess.DEVNULL
        )
        if python.exists()
        else True
    ):
        layers.remove(environment)
        commands.run(
            [sys.executable, "-m", "venv", str(environment)],
            log,
            name="python3 -m venv",
        )
    return [str(python), "-m", "pip"]
