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

"""Layers: folders made once for a key and then only read."""

from collections.abc import Callable, Sequence
import os
import pathlib
import subprocess


def path_of(folder: pathlib.Path, name: str, key: str) -> pathlib.Path:
    """Return where the layer of this name and key is, or will be."""
    return folder / f"{name}-{key}"


def ensure(
    folder: pathlib.Path,
    name: str,
    key: str,
    build: Callable[[pathlib.Path], None],
) -> pathlib.Path:
    """Return the layer of this name and key, building it if it is absent.

    A layer appears under its name only when it is complete; layers of the
    same name and other keys, and unfinished ones, are removed then.

    :param build: fills the folder it is given, which does not exist yet
        but whose parent does.
    """
    layer = path_of(folder, name, key)
    if layer.exists():
        return layer
    unfinished = folder / f"{name}-unfinished"
    remove(unfinished)
    build(unfinished)
    os.rename(unfinished, layer)
    for other in folder.glob(f"{name}-*"):
        if other != layer:
            remove(other)
    return layer


def copy(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copy a tree with its owners, modes, times and device nodes.

    :raises CalledProcessError: if that fails.
    """
    subprocess.run(
        ["cp", "-a", "--reflink=auto", str(source), str(target)],
        check=True,
    )


def link(
    source: pathlib.Path, target: pathlib.Path, copied: Sequence[str]
) -> None:
    """Copy a tree whose files are the very files of the source.

    :param copied: the folders at its top that are really copied, since
        files in them will be written to.
    :raises CalledProcessError: if that fails.
    """
    subprocess.run(["cp", "-al", str(source), str(target)], check=True)
    for name in copied:
        remove(target / name)
        copy(source / name, target / name)


def remove(tree: pathlib.Path) -> None:
    """Remove a tree, never crossing into another file system.

    :raises CalledProcessError: if that fails.
    """
    subprocess.run(["rm", "-rf", "--one-file-system", str(tree)], check=True)
