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

"""One administrator at a time."""

from collections.abc import Iterator
import contextlib
import fcntl
import os

from cinder_promote.host import errors


@contextlib.contextmanager
def held(path: str) -> Iterator[None]:
    """Hold the lock for a configuration file.

    The lock is on the directory, because the file itself is replaced. The
    kernel gives it back when the process ends, however it ends.

    :param path: the real path of the file
    :raises HostError: another process holds it
    """
    directory = os.path.dirname(path)
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise errors.HostError(
            f"{directory} can't be locked: {error.strerror}."
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise errors.HostError(
                f"Another cinder-promote-host is at work on {path}; wait for "
                "it to end."
            ) from None
        yield
    finally:
        os.close(descriptor)
