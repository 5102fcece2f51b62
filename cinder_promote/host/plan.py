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

"""Work out what a re-point changes, without changing anything."""

from collections.abc import Callable, Sequence
import dataclasses

from oslo_config import types

from cinder_promote.host import backends, conf_file, errors, journal

_OPTIONS = ("volume_group", "replication_device")


@dataclasses.dataclass(frozen=True)
class Request:
    """What the operator asks for.

    ``replicate_to`` are backend ids to look up, ``devices`` are whole values
    of replication_device.
    """

    backend: str
    to: str
    replicate_to: Sequence[str] = ()
    devices: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Plan:
    """A section before and after.

    ``edit`` returns the whole new file, or raises HostError; ``command`` is
    what it runs for that, if anything.
    """

    before: backends.Pointing
    after: backends.Pointing
    changes: bool
    edit: Callable[[], bytes]
    command: Sequence[str] | None = None


def make(
    content: bytes,
    name: str,
    others: Sequence[conf_file.ConfFile],
    request: Request,
    last: journal.Entry | None,
) -> Plan:
    """Plan a re-point.

    :param content: cinder.conf as it is
    :param name: what to call it in an error
    :param others: the further files that Cinder reads
    :param last: the last re-point that was carried out
    :raises HostError: the request or the file is refused
    """
    conf = conf_file.ConfFile(content, name)
    sections = backends.Backends(conf, others)
    backend = request.backend
    sections.require_enabled(backend)
    option = sections.volume_group_option(backend)
    before = sections.targets(backend)
    volume_group = _primary(sections, request, option.value, before, last)
    targets = _targets(sections, request, before)
    where = f"The new replication_device of [{backend}]"
    refuse_itself([target.backend_id for target in targets], request)
    backends.check_targets(targets, volume_group, where)
    if not targets and sections.shared_targets():
        raise errors.HostError(
            f"Without a replication_device [{backend}] would inherit the one "
            f"in [{backends.SHARED_SECTION}]; name a target."
        )
    changes = option.value != volume_group or not _same(before, targets)
    if changes:
        conf.set_option(option, volume_group)
        conf.set_options(
            option, "replication_device", [target.text for target in targets]
        )
        _verify(content, conf, request.backend, volume_group, targets)
    return Plan(
        before=backends.Pointing(option.value, before),
        after=backends.Pointing(volume_group, targets),
        changes=changes,
        edit=conf.to_bytes,
    )


def refuse_itself(ids: Sequence[str], request: Request) -> None:
    """Refuse the new primary among the ids of the new targets.

    :raises HostError: it is there
    """
    if request.to in ids:
        raise errors.HostError(
            f"The new replication_device of [{request.backend}] with "
            f"backend_id {request.to} replicates {request.to} to itself."
        )


def no_such_target(
    sections: backends.Backends,
    request: Request,
    targets: Sequence[backends.Target],
) -> errors.HostError:
    """Return the error that the new primary is not a target of the old one."""
    known = ", ".join(target.backend_id for target in targets) or "none"
    return errors.HostError(
        f"{sections.name}: [{request.backend}] has no replication_device with "
        f"backend_id {request.to} (it has: {known})."
    )


def _primary(
    sections: backends.Backends,
    request: Request,
    current: str,
    targets: list[backends.Target],
    last: journal.Entry | None,
) -> str:
    """Return the volume group of the new primary.

    It is the present one if the section points at that backend already: by
    the last re-point, or because the backend's own section says so.
    """
    for target in targets:
        if target.backend_id == request.to:
            return target.volume_group
    if last is not None and (last.backend, last.to, last.volume_group) == (
        request.backend,
        request.to,
        current,
    ):
        return current
    if request.to in sections.enabled_on(current, but=request.backend):
        return current
    raise no_such_target(sections, request, targets)


def _targets(
    sections: backends.Backends,
    request: Request,
    before: list[backends.Target],
) -> list[backends.Target]:
    present = {target.backend_id: target for target in before}
    found = []
    for backend_id in request.replicate_to:
        if backend_id not in present:
            found.append(_from_section(sections, request, backend_id))
        else:
            found.append(present[backend_id])
    for device in request.devices:
        where = "The value of --replication-device"
        found.append(backends.parse_target(device, where))
    return found


def _from_section(
    sections: backends.Backends, request: Request, backend_id: str
) -> backends.Target:
    backends.check_backend_id(backend_id, "The value of --replicate-to")
    volume_group = sections.volume_group(backend_id)
    twins = sections.enabled_on(volume_group, but=backend_id)
    twins = [name for name in twins if name != request.backend]
    if twins:
        raise errors.HostError(
            f"{sections.name}: [{backend_id}] and [{twins[0]}] both have "
            f"volume_group {volume_group}, so it is not clear what "
            f"--replicate-to {backend_id} means; use --replication-device."
        )
    text = f"backend_id:{backend_id},volume_group:{volume_group}"
    return backends.Target(backend_id, volume_group, text)


def _same(
    before: list[backends.Target], targets: list[backends.Target]
) -> bool:
    parse = types.Dict()
    return [parse(target.text) for target in before] == [
        parse(target.text) for target in targets
    ]


def _verify(
    content: bytes,
    edited: conf_file.ConfFile,
    backend: str,
    volume_group: str,
    targets: list[backends.Target],
) -> None:
    """Read the edited file afresh and compare it with what was meant.

    :raises HostError: it does not say what was meant; nothing was written
    """
    after = conf_file.ConfFile(edited.to_bytes(), edited.name)
    original = conf_file.ConfFile(content, edited.name)
    meant = [volume_group, *(target.text for target in targets)]
    found = [
        option.value
        for key in _OPTIONS
        for option in after.options(backend, key)
    ]
    if found != meant or _rest(original, backend) != _rest(after, backend):
        raise errors.HostError(
            f"{edited.name} was not changed: the edited text does not read "
            "as it was meant, which is an error in this program."
        )


def _rest(
    conf: conf_file.ConfFile, backend: str
) -> list[tuple[str, str, str]]:
    section = conf_file.normalize(backend)
    return [
        (name, key, value)
        for name, key, value in conf.all_options()
        if conf_file.normalize(name) != section or key not in _OPTIONS
    ]
