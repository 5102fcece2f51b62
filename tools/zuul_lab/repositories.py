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

"""Git repositories of the tenant's projects, served on loopback."""

from collections.abc import Iterator
import contextlib
import pathlib
import subprocess

from zuul_check import tenant
from zuul_lab import programs

_BRANCH = "master"
_SECONDS = 30
_AUTHOR = "Zuul lab <zuul-lab@localhost> 0 +0000"


@contextlib.contextmanager
def served(
    directory: pathlib.Path, members: list[tenant.Member]
) -> Iterator[str]:
    """Make a repository for each project and serve them; yields the URL."""
    top = directory / "git"
    for member in members:
        _make(top / member.name, member.files)
    port = programs.free_port()
    with programs.running(
        "git-daemon",
        [
            *("git", "daemon", "--export-all", "--reuseaddr"),
            *("--listen=127.0.0.1", f"--port={port}", f"--base-path={top}"),
            str(top),
        ],
        directory,
    ) as program:
        program.wait(lambda: programs.listens(port), _SECONDS)
        yield f"git://127.0.0.1:{port}"


def _make(path: pathlib.Path, files: dict[str, str]) -> None:
    """Make a bare repository whose one commit holds the files."""
    path.mkdir(parents=True)
    _git(path, "init", "--quiet", "--bare", f"--initial-branch={_BRANCH}")
    # One stream makes the commit, without a work tree or a user's settings.
    stream = [
        f"commit refs/heads/{_BRANCH}\n",
        f"committer {_AUTHOR}\n",
        "data 5\nFiles\n",
    ]
    for name, text in {"README": "A project.\n", **files}.items():
        size = len(text.encode())
        stream.append(f"M 644 inline {name}\ndata {size}\n{text}\n")
    _git(path, "fast-import", "--quiet", text="".join(stream))


def _git(path: pathlib.Path, *arguments: str, text: str = "") -> None:
    done = subprocess.run(
        ["git", "-C", path, *arguments],
        input=text,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise programs.LabError(
            f"git {arguments[0]} failed in {path}: {done.stderr.strip()}"
        )
