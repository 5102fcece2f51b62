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

"""The record of the last re-point, from which it can be undone.

The record names the file's content by hash, before and after, so that undo
only takes back what re-point wrote. A new re-point is recorded before
cinder.conf is replaced: ``pending`` until the replacement is known to have
happened, which the hash of cinder.conf tells at any later time.
"""

import dataclasses
import hashlib
import json
import os
from typing import Any

from cinder_promote.host import errors, replace

_FORMAT = 1


def digest(content: bytes) -> str:
    """Return the name of a content."""
    return hashlib.sha256(content).hexdigest()


@dataclasses.dataclass(frozen=True)
class Entry:
    """One re-point.

    ``volume_group`` is that of the new primary, empty for a driver other than
    the replicated LVM driver. ``old`` and ``new`` are digests of cinder.conf
    before and after, ``backup`` is the path of a copy of the old one.
    """

    backend: str
    to: str
    volume_group: str
    old: str
    new: str
    backup: str


@dataclasses.dataclass(frozen=True)
class Record:
    """What is known: the last re-point, and one that may have been begun."""

    last: Entry | None = None
    pending: Entry | None = None

    def settled(self, current: str) -> "Record":
        """Return the record with the begun re-point decided.

        :param current: the digest of cinder.conf as it is
        """
        if self.pending is None:
            return self
        if current == self.pending.old != self.pending.new:
            return Record(last=self.last)
        return Record(last=self.pending)


class Journal:
    """The record's file, beside cinder.conf.

    :param path: the real path of cinder.conf
    """

    def __init__(self, path: str) -> None:
        self._conf_path = path
        self.path = f"{path}.re-point.json"

    def read(self) -> Record:
        """Return the record, empty if nothing was ever re-pointed.

        :raises HostError: the file is there but is not a record
        """
        if not os.path.lexists(self.path):
            return Record()
        content = replace.read(self.path)
        try:
            data = json.loads(content)
            if data["format"] != _FORMAT:
                raise ValueError(data["format"])
            return Record(_entry(data["last"]), _entry(data["pending"]))
        except (ValueError, TypeError, KeyError) as error:
            raise errors.HostError(
                f"{self.path} is not a record of this program; move it away "
                "to go on without undo."
            ) from error

    def write(self, record: Record) -> None:
        """Store the record.

        :raises HostError: it can't be written; the old one is still there
        """
        data = {"format": _FORMAT, **dataclasses.asdict(record)}
        text = json.dumps(data, indent=2, sort_keys=True) + "\n"
        replace.write(self.path, text.encode(), like=self._conf_path)

    def keep(self, content: bytes) -> str:
        """Keep a copy of cinder.conf and return the copy's path.

        A copy is named after its content, so one that is there is right.

        :raises HostError: it can't be written
        """
        path = f"{self._conf_path}.before-re-point-{digest(content)[:12]}"
        replace.write(path, content, like=self._conf_path)
        return path

    def backup(self, entry: Entry) -> bytes:
        """Return the copy that was kept before a re-point.

        :raises HostError: it is gone, or it is not what was kept
        """
        content = replace.read(entry.backup)
        if digest(content) != entry.old:
            raise errors.HostError(
                f"{entry.backup} is not the copy that was kept before "
                f"{entry.backend} was re-pointed."
            )
        return content


def _entry(data: dict[str, Any] | None) -> Entry | None:
    return None if data is None else Entry(**data)
