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

"""The project itself, packed natively so that the guest only unpacks it."""

import configparser
import os
import pathlib
import shutil
import tarfile
import tempfile
import zipfile

from cinder_lab import chroot, commands, image_python, keys
from cinder_lab import paths as paths_module

SOURCES = (
    "README.rst",
    "cinder_promote",
    "cinder_promote_tempest",
    "etc",
    "pyproject.toml",
    "requirements.txt",
    "setup.cfg",
    "setup.py",
)
"""What goes in, relative to the project."""

FILE_LIST = "/opt/cinder-lab/project.list"
"""In the guest: the files that belong to the project, one a line."""

_VERSION = "0.0.1.dev1"

_BUILD_WHEEL = """
import sys
from setuptools import build_meta
build_meta.build_wheel(sys.argv[1])
"""

_SCRIPT = """\
#!{python}
import sys
from {module} import {function}
sys.exit({call}())
"""


def key(python_key: str, project: pathlib.Path = paths_module.PROJECT) -> str:
    """Return the key of the packed project."""
    return keys.of_text(
        python_key,
        keys.of_files(project, SOURCES),
        keys.of_files(paths_module.LAB, ["cinder_lab/project.py"]),
    )


def pack(
    tree: pathlib.Path,
    target: pathlib.Path,
    log: pathlib.Path,
    project: pathlib.Path = paths_module.PROJECT,
) -> None:
    """Write the project as a tar file to be unpacked at the guest's root.

    :param tree: a tree with the guest's Python and virtual environment.
    :raises LabError: if the project can't be built.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        source = pathlib.Path(scratch, "source")
        wheels = pathlib.Path(scratch, "wheels")
        stage = pathlib.Path(scratch, "stage")
        _copy_sources(project, source)
        wheels.mkdir()
        python = image_python.command(tree)
        environment = image_python.environment(tree)
        commands.run(
            [*python, "-c", _BUILD_WHEEL, str(wheels)],
            log,
            name="build the project",
            environment=environment
            | {"PBR_VERSION": _VERSION, "SKIP_PIP_INSTALL": "1"},
            cwd=source,
        )
        (wheel,) = wheels.glob("*.whl")
        unpack_wheel(wheel, stage)
        _set_times(stage, key("", project))
        commands.run(
            [
                *python,
                "-m",
                "compileall",
                "-q",
                "-s",
                str(stage),
                "-p",
                "/",
                str(stage / image_python.SITE_PACKAGES.lstrip("/")),
            ],
            log,
            name="compile the project",
            environment=environment,
        )
        _archive(stage, target)


def unpack_wheel(wheel: pathlib.Path, stage: pathlib.Path) -> None:
    """Install a wheel below a folder, as it is to lie in the guest.

    Its rootwrap filters are also put where Cinder's rootwrap looks.
    """
    venv = stage / chroot.VENV.lstrip("/")
    packages = stage / image_python.SITE_PACKAGES.lstrip("/")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith("/"):
                continue
            first, _, rest = name.partition("/")
            kind, _, inside = rest.partition("/")
            target = packages / name
            if first.endswith(".data"):
                target = {
                    "data": venv,
                    "scripts": venv / "bin",
                }.get(kind, packages) / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(name))
            if target.parent == venv / "bin":
                target.chmod(0o755)
    for entry_points in packages.glob("*.dist-info/entry_points.txt"):
        write_scripts(entry_points.read_text(), venv / "bin")
    filters = venv / "etc/cinder/rootwrap.d"
    if filters.is_dir():
        shutil.copytree(filters, stage / "etc/cinder/rootwrap.d")


def write_scripts(entry_points: str, folder: pathlib.Path) -> None:
    """Write the console scripts that an entry_points.txt names."""
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(entry_points)
    if not parser.has_section("console_scripts"):
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in parser.items("console_scripts"):
        module, _, call = value.partition(":")
        script = folder / name
        script.write_text(
            _SCRIPT.format(
                python=f"{chroot.VENV}/bin/python",
                module=module.strip(),
                function=call.strip().partition(".")[0],
                call=call.strip(),
            )
        )
        script.chmod(0o755)


def _copy_sources(project: pathlib.Path, source: pathlib.Path) -> None:
    source.mkdir()
    for name in SOURCES:
        path = project / name
        if path.is_dir():
            shutil.copytree(
                path,
                source / name,
                ignore=shutil.ignore_patterns("__pycache__", "*.pyc"),
            )
        elif path.exists():
            shutil.copyfile(path, source / name)


def _set_times(stage: pathlib.Path, project_key: str) -> None:
    """Give all files one time in the past, another for each content.

    The guest's clock may be behind, and what it caches of packages it
    takes for good as long as their times are the same.
    """
    moment = 1_000_000_000 + int(project_key, 16) % 500_000_000
    for path in stage.rglob("*"):
        os.utime(path, (moment, moment))


def _archive(stage: pathlib.Path, target: pathlib.Path) -> None:
    files = sorted(path for path in stage.rglob("*") if path.is_file())
    listing = stage / FILE_LIST.lstrip("/")
    listing.parent.mkdir(parents=True, exist_ok=True)
    listing.write_text(
        "".join(f"/{path.relative_to(stage)}\n" for path in files)
    )
    with tarfile.open(target, "w") as archive:
        for path in [*files, listing]:
            entry = archive.gettarinfo(path, str(path.relative_to(stage)))
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            with path.open("rb") as content:
                archive.addfile(entry, content)
