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

"""One lab command at a time in one folder."""

from collections.abc import Iterator
import contextlib
import fcntl
import pathlib

from cinder_lab import errors


@contextlib.contextmanager
def held(path: pathlib.Path) -> Iterator[None]:
    """Hold a lock while the block lasts; it ends with the process.

    :raises LabError: if another process holds it.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise errors.LabError(
                f"another lab command is at work in {path.parent}; "
                "wait for it, or set LAB_DIR to have a lab of your own"
            ) from error
        yield
