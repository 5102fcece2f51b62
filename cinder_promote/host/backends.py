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

"""What the backend sections of a cinder.conf point at.

Everything that could mean something else to Cinder than it seems to mean here
is refused: an inherited or interpolated value, an option given twice, a
section that a second file defines as well.
"""

from collections.abc import Callable, Iterable, Sequence
import dataclasses
import re
from typing import Any

from oslo_config import types

from cinder_promote.host import conf_file, errors

SHARED_SECTION = "backend_defaults"

_VOLUME_GROUP = re.compile(r"[A-Za-z0-9+_.][A-Za-z0-9+_.-]*\Z")
_BACKEND_ID = re.compile(r"[^\s,:$\"'#;]+\Z")


@dataclasses.dataclass(frozen=True)
class Target:
    """A replication target.

    ``volume_group`` is empty for a driver other than the replicated LVM
    driver. ``text`` is the option's value as written. It may hold
    credentials, so it goes into cinder.conf and nowhere else.
    """

    backend_id: str
    volume_group: str
    text: str = dataclasses.field(repr=False, compare=False)

    def describe(self) -> dict[str, str | None]:
        return {
            "backend_id": self.backend_id,
            "volume_group": self.volume_group or None,
        }

    def __str__(self) -> str:
        if not self.volume_group:
            return self.backend_id
        return f"{self.backend_id} ({self.volume_group})"


@dataclasses.dataclass(frozen=True)
class Pointing:
    """What a section points at.

    ``volume_group`` is empty for a driver other than the replicated LVM
    driver.
    """

    volume_group: str
    targets: Sequence[Target]

    def describe(self) -> dict[str, Any]:
        return {
            "volume_group": self.volume_group or None,
            "replication_devices": [
                target.describe() for target in self.targets
            ],
        }

    def __str__(self) -> str:
        listed = ", ".join(map(str, self.targets))
        how = f"replicated to {listed}" if listed else "not replicated"
        if not self.volume_group:
            return how
        return f"volume group {self.volume_group}, {how}"


def parse_target(text: str, where: str) -> Target:
    """Read one value of replication_device.

    :param where: what to call the value in an error
    :raises HostError: it is not a target of the replicated LVM driver
    """
    if "\n" in text:
        raise errors.HostError(f"{where} spans several lines.")
    keys = _parse_keys(text, where)
    backend_id = keys["backend_id"]
    volume_group = keys.get("volume_group", "")
    if not volume_group:
        raise errors.HostError(
            f"{where} has no volume_group for backend_id {backend_id}."
        )
    _check_volume_group(volume_group, f"The volume_group in {where}")
    if "$" in text:
        raise errors.HostError(
            f"{where} has a '$', whose meaning is not followed here."
        )
    return Target(backend_id, volume_group, text)


def parse_any_target(text: str, where: str) -> Target:
    """Read one value of replication_device, whatever the driver.

    :param where: what to call the value in an error
    :raises HostError: it has no backend_id
    """
    return Target(_parse_keys(text, where)["backend_id"], "", text)


def _parse_keys(text: str, where: str) -> dict[str, str]:
    try:
        keys = types.Dict()(text)
    except ValueError:
        raise errors.HostError(
            f"{where} is not a list of key:value pairs."
        ) from None
    backend_id = keys.get("backend_id", "")
    if not backend_id:
        raise errors.HostError(f"{where} has no backend_id.")
    check_backend_id(backend_id, f"The backend_id in {where}")
    return keys


def check_backend_id(backend_id: str, where: str) -> None:
    """Refuse what can't be a backend id.

    :param where: what to call the id in an error
    :raises HostError: it can't be one
    """
    if not _BACKEND_ID.match(backend_id):
        raise errors.HostError(
            f"{where} is '{backend_id}', which is not a backend id."
        )
    if backend_id == "default":
        raise errors.HostError(
            f"{where} is 'default', which Cinder keeps for failing back."
        )


def _check_volume_group(name: str, where: str) -> None:
    if not _VOLUME_GROUP.match(name) or name in (".", ".."):
        raise errors.HostError(
            f"{where} is '{name}', which is not a volume group's name."
        )


class Backends:
    """The backend sections of one cinder.conf.

    :param conf: the file that is edited
    :param others: the further files that Cinder reads with it
    """

    def __init__(
        self,
        conf: conf_file.ConfFile,
        others: Iterable[conf_file.ConfFile] = (),
    ) -> None:
        self.name = conf.name
        self._conf = conf
        self._others = list(others)

    def enabled(self) -> list[str]:
        """Return the names in enabled_backends.

        :raises HostError: there are none, or not only in one place
        """
        name = "enabled_backends"
        self._refuse_elsewhere("DEFAULT", name)
        values = self._conf.options("DEFAULT", name)
        if not values:
            raise errors.HostError(
                f"{self.name}: [DEFAULT] does not set {name}."
            )
        if len(values) > 1:
            raise errors.HostError(
                f"{self.name}: [DEFAULT] sets {name} "
                f"{len(values)} times."
            )
        value = values[0].value
        if "$" in value:
            raise errors.HostError(
                f"{self.name}: {name} in [DEFAULT] has a '$', whose "
                "meaning is not followed here."
            )
        return [word.strip() for word in value.split(",") if word.strip()]

    def require_enabled(self, backend: str) -> None:
        """Refuse a backend that Cinder does not run.

        :raises HostError: no such section, or not in enabled_backends
        """
        self._require_section(backend)
        enabled = self.enabled()
        if backend not in enabled:
            raise errors.HostError(
                f"{self.name}: {backend} is not in enabled_backends "
                f"in [DEFAULT] ({', '.join(enabled)})."
            )

    def volume_group_option(self, backend: str) -> conf_file.Option:
        """Return the line that sets a section's volume group.

        :raises HostError: there is not exactly one plain line
        """
        self._require_section(backend)
        name = "volume_group"
        found = self._conf.options(backend, name)
        if not found:
            raise errors.HostError(self._no_volume_group(backend))
        if len(found) > 1:
            raise errors.HostError(
                f"{self.name}: [{backend}] sets {name} {len(found)} "
                "times."
            )
        option = found[0]
        where = f"{name} of [{backend}] in {self.name}"
        if option.is_multi_line:
            raise errors.HostError(f"{where} spans several lines.")
        if "$" in option.value:
            raise errors.HostError(
                f"{where} has a '$', whose meaning is not followed here."
            )
        _check_volume_group(option.value, where)
        return option

    def volume_group(self, backend: str) -> str:
        """Return the volume group that a section names.

        :raises HostError: there is not exactly one plain line that says so
        """
        return self.volume_group_option(backend).value

    def targets(self, backend: str) -> list[Target]:
        """Return what a section replicates to, in the file's order.

        :raises HostError: a target is not understood, or contradicts another
            one or the section's volume group
        """
        where = self._where_targets(backend)
        found = self._parse_targets(backend, parse_target)
        check_targets(found, self.volume_group(backend), where)
        return found

    def any_targets(self, backend: str) -> list[Target]:
        """Return what a section of any driver replicates to.

        :raises HostError: a target has no backend_id, or that of another one
        """
        where = self._where_targets(backend)
        found = self._parse_targets(backend, parse_any_target)
        check_ids([target.backend_id for target in found], where)
        return found

    def _where_targets(self, backend: str) -> str:
        return f"replication_device of [{backend}] in {self.name}"

    def _parse_targets(
        self, backend: str, parse: Callable[[str, str], Target]
    ) -> list[Target]:
        self._require_section(backend)
        found = [
            parse(option.value, self._where_targets(backend))
            for option in self._conf.options(backend, "replication_device")
        ]
        if not found and self.shared_targets():
            raise errors.HostError(
                f"{self.name}: [{backend}] sets no replication_device "
                f"but inherits it from [{SHARED_SECTION}]; set it in "
                f"[{backend}]."
            )
        return found

    def enabled_on(self, volume_group: str, but: str) -> list[str]:
        """Return the enabled backends whose sections name a volume group.

        :param but: a backend to leave out
        """
        return [
            name
            for name in self.enabled()
            if name != but
            and [o.value for o in self._conf.options(name, "volume_group")]
            == [volume_group]
        ]

    def shared_targets(self) -> bool:
        """Tell whether a section without targets would inherit some."""
        return any(
            conf.options(SHARED_SECTION, "replication_device")
            for conf in [self._conf, *self._others]
        )

    def _no_volume_group(self, backend: str) -> str:
        sentence = f"{self.name}: [{backend}] sets no volume_group"
        for section in (SHARED_SECTION, "DEFAULT"):
            if self._conf.options(section, "volume_group"):
                return (
                    f"{sentence} of its own, the one in [{section}] is not "
                    f"its own; set it in [{backend}]."
                )
        return f"{sentence}."

    def _require_section(self, backend: str) -> None:
        count = self._conf.count_sections(backend)
        if not count or backend == "DEFAULT":
            raise errors.HostError(
                f"{self.name}: there is no backend section [{backend}]."
            )
        if count > 1:
            raise errors.HostError(
                f"{self.name}: section [{backend}] is there {count} "
                "times."
            )
        for other in self._others:
            if other.count_sections(backend):
                raise errors.HostError(
                    f"Section [{backend}] is in {self.name} and in "
                    f"{other.name}; it must be in one file only."
                )

    def _refuse_elsewhere(self, section: str, name: str) -> None:
        for other in self._others:
            if other.options(section, name):
                raise errors.HostError(
                    f"{name} in [{section}] is set in {other.name}; it must "
                    f"be set in {self.name} only."
                )


def check_ids(ids: Sequence[str], where: str) -> None:
    """Refuse a backend id that is there twice.

    :param where: what to call what names them in an error
    :raises HostError: one is
    """
    for backend_id in ids:
        if ids.count(backend_id) > 1:
            raise errors.HostError(
                f"{where} names backend_id {backend_id} twice."
            )


def check_targets(
    targets: Sequence[Target], volume_group: str, where: str
) -> None:
    """Refuse targets that can't go together.

    :param volume_group: the primary's volume group
    :param where: what to call the targets in an error
    :raises HostError: two share an id or a volume group, or one is the
        primary itself
    """
    check_ids([target.backend_id for target in targets], where)
    groups: dict[str, str] = {}
    for target in targets:
        if target.volume_group == volume_group:
            raise errors.HostError(
                f"{where} with backend_id {target.backend_id} replicates "
                f"volume group {volume_group} to itself."
            )
        if target.volume_group in groups:
            raise errors.HostError(
                f"{where} names volume group {target.volume_group} twice, "
                f"for {groups[target.volume_group]} and for "
                f"{target.backend_id}."
            )
        groups[target.volume_group] = target.backend_id
