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

"""Replace a file so that a reader sees all of the old or all of the new."""

import contextlib
import os
import shutil
import stat

from cinder_promote.host import errors

TEMPORARY = ".cinder-promote.new"


def read(path: str) -> bytes:
    """Return a file's content.

    :raises HostError: it is not there, not a regular file or not readable
    """
    try:
        with open(path, "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise errors.HostError(f"{path} is not a regular file.")
            return stream.read()
    except OSError as error:
        raise errors.HostError(
            f"{path} can't be read: {error.strerror}."
        ) from error


def resolve(path: str) -> str:
    """Return the real file that a path leads to through symbolic links.

    :raises HostError: there is none, or it has other names that would keep
        the old content
    """
    real = os.path.realpath(path)
    shown = path if real == path else f"{path} (which leads to {real})"
    try:
        status = os.stat(real)
    except OSError as error:
        raise errors.HostError(
            f"{shown} can't be read: {error.strerror}."
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise errors.HostError(f"{shown} is not a regular file.")
    if status.st_nlink > 1:
        raise errors.HostError(
            f"{shown} has {status.st_nlink} hard links; replacing it would "
            "leave the others as they are."
        )
    return real


def write(path: str, content: bytes, like: str) -> None:
    """Put content in place of a file, or make the file.

    The caller holds the lock on the directory. Killed at any moment this
    leaves the old file or the new one; a half-written temporary file may
    stay behind and is overwritten by the next call.

    :param path: the file to replace
    :param content: all of the new content
    :param like: a file whose owner, mode and extended attributes the new one
        gets
    :raises HostError: it can't be written; the old file is still in place
    """
    directory = os.path.dirname(path)
    temporary = os.path.join(directory, TEMPORARY)
    try:
        _write_new(temporary, content, like)
        os.rename(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise errors.HostError(
            f"{path} can't be written: {error.strerror}."
        ) from error
    _sync_directory(directory)


def _write_new(path: str, content: bytes, like: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        status = os.stat(like)
        os.fchown(descriptor, status.st_uid, status.st_gid)
        shutil.copystat(like, path)
        os.utime(path)
        os.fsync(descriptor)


def _sync_directory(directory: str) -> None:
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise errors.HostError(
            f"A file in {directory} was replaced, but whether that outlives "
            f"a power loss is unknown: {error.strerror}."
        ) from error
