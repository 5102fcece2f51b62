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

"""What a volume service leaves on its host about what it is copying.

Only the service's process knows that. What reads it may be another user, so
nothing in the file is taken for what it should be before it was looked at.
"""

import contextlib
import json
import os
import stat
import time
from typing import Any
import urllib.parse

#: Below Cinder's state_path.
DIRECTORY = "cinder-promote"
_LONGEST = 64 << 10
_OPTIONAL = {"seconds_left"}
_NUMBERS = {
    "volumes",
    "volumes_in_sync",
    "percent",
    "bytes",
    "bytes_total",
    "seconds_left",
    "written_at",
    "interval",
}


class Unreadable(Exception):
    """The file is not what a volume service writes; a sentence."""


def path(state_path: str, backend: str) -> str:
    """Return the file of a backend's section."""
    name = urllib.parse.quote(backend, safe="") + ".progress.json"
    return os.path.join(state_path, DIRECTORY, name)


def write(name: str, **numbers: float | None) -> None:
    """Put figures, and the time, in place of those of before.

    Killed at any moment this leaves the old file or the new one. It need not
    outlive a power loss.

    :param name: the file, of ``path``
    :param numbers: ``interval`` is how many seconds later it is to be
        written again
    :raises OSError: the old figures may be there still
    """
    os.makedirs(os.path.dirname(name), exist_ok=True)
    new = name + ".new"
    with open(new, "w") as stream:
        json.dump({**numbers, "written_at": time.time()}, stream)
    os.replace(new, name)


def remove(name: str) -> None:
    """Say nothing any more.

    :raises OSError: the figures are there still
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name)


def read(name: str) -> dict[str, Any] | None:
    """Return the figures, None without a file.

    Beside what was written there is ``age``, in seconds, and ``stale``:
    whether it should have been written anew long ago.

    :raises Unreadable: it can't be read
    """
    try:
        with open(os.open(name, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise Unreadable(f"{name} is not a regular file.")
            content = stream.read(_LONGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(
            f"{name} can't be read: {error.strerror}."
        ) from error
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or not all(
        _is_number(told.get(key))
        or (key in _OPTIONAL and told.get(key) is None)
        for key in _NUMBERS
    ):
        raise Unreadable(f"{name} is not what a volume service writes.")
    age = round(time.time() - told["written_at"])
    interval = told["interval"]
    return {
        **{key: told.get(key) for key in sorted(_NUMBERS)},
        "age": max(0, age),
        # Also if somebody set the clock back.
        "stale": not -interval <= age <= 3 * interval,
    }


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and 0 <= value < 1 << 63
    )
