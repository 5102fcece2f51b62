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

"""The record of a run, and the lock that keeps a second run out.

The record is one JSON file for each host. It says what was asked for, how
things were before, which steps are finished and which one was begun; the real
state decides what is done, the record what is expected.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import datetime
import fcntl
import json
import os
from typing import Any
import urllib.parse

from cinder_promote.runbook import cloud, errors, waiting

_FORMAT = 1
_SUFFIX = ".json"
_LOCK_SUFFIX = ".lock"

RUNNING = "running"
UNDOING = "undoing"
DONE = "done"
UNDONE = "undone"


@dataclasses.dataclass(frozen=True)
class Before:
    """How one service was before the run.

    ``section`` is what its section in cinder.conf pointed at, ``goal`` what
    it is to point at in the end; None where that can't be told.
    """

    running: bool
    frozen: bool
    disabled_reason: str | None
    section: dict[str, Any] | None
    goal: dict[str, Any] | None


@dataclasses.dataclass(frozen=True)
class Record:
    """One run.

    ``members`` are the services it is about, one unless it is a cluster.
    ``finished`` are the names of steps in their order, ``begun`` the step
    that was being carried out. Times are in ISO 8601 and UTC.
    """

    name: str
    is_cluster: bool
    to: str
    replicate_to: list[str]
    members: dict[str, Before]
    state: str = RUNNING
    finished: list[str] = dataclasses.field(default_factory=list)
    begun: str | None = None
    started_at: str = ""
    changed_at: str = ""

    @property
    def unfinished(self) -> bool:
        return self.state in (RUNNING, UNDOING)

    @property
    def needs_the_service_stopped(self) -> bool:
        """Whether others must not start the volume service."""
        begun = self.begun == "stop" or "stop" in self.finished
        return self.unfinished and begun and "start" not in self.finished

    @property
    def storage_hosts(self) -> list[str]:
        return sorted({member.partition("@")[0] for member in self.members})

    def describe(self, at_work: bool) -> str:
        """Say in words where the run is.

        :param at_work: as Records.at_work returns it
        """
        goal = f"to {self.to}, {self.changed_at}"
        doing = "at work" if at_work else "interrupted"
        if self.state == UNDOING:
            return f"{goal}: undo {doing}"
        if self.state != RUNNING:
            return f"{goal}: {self.state}"
        if self.begun:
            return f"{goal}: {doing} in {self.begun}"
        last = self.finished[-1] if self.finished else "the checks"
        return f"{goal}: {doing} after {last}"

    @property
    def what(self) -> cloud.Name:
        return cloud.Name(self.name, self.is_cluster)


class Records:
    """The directory with the records.

    :param directory: made when the first record is written
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def read(self, name: str) -> Record | None:
        """Return the record of a host or cluster, None if there is none.

        :raises RunbookError: it can't be read, or is not a record
        """
        path = self._path(name)
        try:
            with open(path, encoding="utf-8") as stream:
                data = json.load(stream)
            if data.pop("format") != _FORMAT:
                raise ValueError("another format")
            members = {
                member: Before(**before)
                for member, before in data.pop("members").items()
            }
            return Record(members=members, **data)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise errors.RunbookError(
                f"{path} can't be read: {error.strerror}."
            ) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise errors.RunbookError(
                f"{path} is not a record of this program; move it away to go "
                "on without it, and without undo."
            ) from error

    def write(self, record: Record) -> Record:
        """Store a record, atomically and durably.

        :returns: the record as stored, with its times
        :raises RunbookError: it can't be written; the old one is still there
        """
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        record = dataclasses.replace(
            record, started_at=record.started_at or now, changed_at=now
        )
        data = {"format": _FORMAT, **dataclasses.asdict(record)}
        path = self._path(record.name)
        temporary = f"{path}.new"
        try:
            with open(temporary, "w", encoding="utf-8") as stream:
                json.dump(data, stream, indent=2)
                stream.write("\n")
                stream.flush()
                os.fsync(stream.fileno())
            os.rename(temporary, path)
            descriptor = os.open(self._directory, os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise errors.RunbookError(
                f"{path} can't be written: {error.strerror}. Nothing is done "
                "that is not recorded; make room or correct state_directory "
                "in [runbook], then resume."
            ) from error
        return record

    def all(self) -> list[Record]:
        """Return every record, by name."""
        try:
            names = sorted(os.listdir(self._directory))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise errors.RunbookError(
                f"{self._directory} can't be read: {error.strerror}."
            ) from error
        found = [
            self.read(urllib.parse.unquote(name.removesuffix(_SUFFIX)))
            for name in names
            if name.endswith(_SUFFIX)
        ]
        return [record for record in found if record]

    def unfinished(self, name: str | None) -> Record:
        """Return the unfinished run of a host, or the only one there is.

        :raises RunbookError: there is none, or it is not clear which
        """
        if name is not None:
            record = self.read(name)
            if record is None:
                raise errors.RunbookError(
                    f"There is no record of a run of {name} in "
                    f"{self._directory}."
                )
            if not record.unfinished:
                raise errors.RunbookError(
                    f"The last run of {name} is {record.state}; there is "
                    "nothing to go on with."
                )
            return record
        found = [record for record in self.all() if record.unfinished]
        if not found:
            raise errors.RunbookError(
                f"There is no unfinished run in {self._directory}."
            )
        if len(found) > 1:
            names = ", ".join(record.name for record in found)
            raise errors.RunbookError(
                f"There are several unfinished runs ({names}); name one."
            )
        return found[0]

    def needing_stopped(self, but: str, hosts: set[str]) -> list[Record]:
        """Return the runs that others must not start the service beneath.

        :param but: the name of the run that asks
        :param hosts: the storage hosts that it has to do with
        """
        return [
            record
            for record in self.all()
            if record.name != but
            and record.needs_the_service_stopped
            and hosts & set(record.storage_hosts)
        ]

    def at_work(self, name: str) -> bool:
        """Return whether a process carries out the run of a name now.

        :raises RunbookError: that can't be told
        """
        path = self._path(name, _LOCK_SUFFIX)
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise errors.RunbookError(
                f"{path} can't be read: {error.strerror}."
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Keep every other run that has to do with a name out.

        The kernel gives the lock back when the process ends, however it ends.

        :param name: a host@backend, a cluster@backend or a storage host
        :raises RunbookError: another process holds it
        """
        path = self._path(name, _LOCK_SUFFIX)
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise errors.RunbookError(
                f"{path} can't be used: {error.strerror}; see state_directory "
                "in [runbook]."
            ) from error
        try:
            waiting.wait_until(
                lambda: _take(descriptor),
                bool,
                lambda _: (
                    f"Another cinder-promote is at work on {name}; wait for "
                    "it to end ('cinder-promote status' tells where it is)."
                ),
                # at_work() of another process has the lock for an instant
                timeout=0.2,
                interval=0.1,
            )
            yield
        finally:
            os.close(descriptor)

    def _path(self, name: str, suffix: str = _SUFFIX) -> str:
        quoted = urllib.parse.quote(name, safe="@")
        return os.path.join(self._directory, f"{quoted}{suffix}")


def _take(descriptor: int) -> bool:
    """Take a lock; return whether nobody else has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
