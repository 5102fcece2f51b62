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

"""Keys: short digests that change when anything that goes in changes."""

from collections.abc import Iterable, Iterator
import hashlib
import pathlib

_LEFT_OUT = ("__pycache__", ".pyc", "~", ".swp", ".egg-info")


def of_text(*parts: str) -> str:
    """Return the key of some text; where the parts end counts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()[:16]


def of_files(root: pathlib.Path, names: Iterable[str]) -> str:
    """Return the key of files and folders below a root.

    Names, contents and the execute permission count; times do not. A name
    that does not exist counts as absent. Python's caches and editors'
    leftovers are left out.
    """
    parts: list[str] = []
    for name in sorted(names):
        start = root / name
        if not start.exists():
            parts.append(f"{name} absent")
            continue
        for path in sorted(_files(start)):
            mode = "x" if path.stat().st_mode & 0o100 else "-"
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            parts.append(f"{path.relative_to(root)} {mode} {content}")
    return of_text(*parts)


def _files(start: pathlib.Path) -> Iterator[pathlib.Path]:
    if start.is_file():
        yield start
        return
    for path in start.rglob("*"):
        if path.is_file() and not any(
            part.endswith(_LEFT_OUT) for part in path.relative_to(start).parts
        ):
            yield path
