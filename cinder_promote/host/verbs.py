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

"""What the storage host command does, one function for each verb."""

import contextlib
import dataclasses
import glob
import os
import shlex
from typing import Any, TypeAlias

from oslo_config import cfg

from cinder_promote.host import (
    backends,
    conf_file,
    copying,
    errors,
    journal,
    lock,
    plan,
    re_point_command,
    replace,
    service,
)

Options: TypeAlias = cfg.ConfigOpts.GroupAttr


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a verb did: lines for a person, and the same as plain data."""

    text: str
    data: dict[str, Any]


def show(options: Options, backend: str | None = None) -> Outcome:
    """Tell what the sections point at, how the service is, what undo can do.

    And how far the service is with copies that are being filled. What can't
    be told of one section or of the service is said as a problem of it and
    is no failure.

    :param backend: the section to show; all enabled ones without it
    :raises HostError: cinder.conf can't be read or has no such section
    """
    path = replace.resolve(options.cinder_config_file)
    content = replace.read(path)
    conf = conf_file.ConfFile(content, path)
    sections = backends.Backends(conf, _others(options, path))
    if backend is not None:
        sections.require_enabled(backend)
    shown = {
        name: _show_backend(options, conf, sections, name)
        for name in ([backend] if backend else sections.enabled())
    }
    undo = _show_undo(path, content)
    data = {
        "cinder_config_file": path,
        "backends": {name: about for name, (_, about) in shown.items()},
        "undo": undo,
    }
    lines = [f"file     {path}"]
    units = [about["service"] for _, about in shown.values()]
    for unit in [u for i, u in enumerate(units) if u not in units[:i]]:
        state = unit["problem"] or f"{unit['name']} is {unit['state']}"
        lines.append(f"service  {state}")
    for name, (line, about) in shown.items():
        lines.append(f"[{name}]  {line}")
        if about["copying"]:
            lines.append(f"[{name}]  {copying.describe(about['copying'])}")
    lines.append(f"undo     {undo['message']}")
    return Outcome("\n".join(lines), data)


def stop(options: Options, backend: str | None = None) -> Outcome:
    """Stop the volume service and wait until it is gone.

    :param backend: whose service; none is needed where all share one
    :raises HostError: it is not gone
    """
    unit = _service(options, backend)
    with lock.held(os.path.realpath(options.cinder_config_file)):
        changed = unit.stop()
    how = "was stopped" if changed else "is stopped already"
    return Outcome(f"{unit.name} {how}.", {"changed": changed})


def start(options: Options, backend: str | None = None) -> Outcome:
    """Start the volume service and wait until it runs.

    :param backend: whose service; none is needed where all share one
    :raises HostError: it does not run
    """
    unit = _service(options, backend)
    with lock.held(os.path.realpath(options.cinder_config_file)):
        changed = unit.start()
    how = "was started" if changed else "runs already"
    return Outcome(f"{unit.name} {how}.", {"changed": changed})


def re_point(
    options: Options, request: plan.Request, dry_run: bool = False
) -> Outcome:
    """Make a section's primary the target that was failed over to.

    :param dry_run: say what would be done, whether the service runs or not
    :raises HostError: refused or failed, cinder.conf is as it was
    """
    path = replace.resolve(options.cinder_config_file)
    with contextlib.nullcontext() if dry_run else lock.held(path):
        content = replace.read(path)
        record_file = journal.Journal(path)
        record = record_file.read().settled(journal.digest(content))
        others = _others(options, path)
        if options.re_point_command:
            made = re_point_command.make(
                options, content, path, others, request, record.last
            )
        else:
            made = plan.make(content, path, others, request, record.last)
        data = _describe(request, made, dry_run)
        if not made.changes:
            text = f"[{request.backend}] in {path} already is {made.after}."
            return Outcome(text, data)
        if dry_run:
            text = (
                f"[{request.backend}] in {path} would become {made.after}, "
                f"it is {made.before}."
            )
            if made.command is not None:
                text += f"\nThis would do it: {shlex.join(made.command)}"
            return Outcome(text, data)
        service.Service(options, request.backend).require_stopped()
        new_content = made.edit()
        entry = journal.Entry(
            backend=request.backend,
            to=request.to,
            volume_group=made.after.volume_group,
            old=journal.digest(content),
            new=journal.digest(new_content),
            backup=record_file.keep(content),
        )
        record_file.write(journal.Record(last=record.last, pending=entry))
        _replace(path, content, new_content)
        record_file.write(journal.Record(last=entry))
    data["backup"] = entry.backup
    text = (
        f"[{request.backend}] in {path} is now {made.after}, it was "
        f"{made.before}.\nThe file as it was is kept in {entry.backup}."
    )
    return Outcome(text, data)


def undo(options: Options, backend: str | None = None) -> Outcome:
    """Put back the cinder.conf of before the last re-point.

    :param backend: refuse if the last re-point was of another one
    :raises HostError: refused, nothing was changed
    """
    path = replace.resolve(options.cinder_config_file)
    with lock.held(path):
        content = replace.read(path)
        current = journal.digest(content)
        record_file = journal.Journal(path)
        stored = record_file.read()
        record = stored.settled(current)
        last = record.last
        if last is None:
            raise errors.HostError(
                f"Nothing was re-pointed in {path}, so there is nothing to "
                "undo."
            )
        if backend not in (None, last.backend):
            raise errors.HostError(
                f"The last re-point was of {last.backend}, not of {backend}."
            )
        data = {"backend": last.backend, "changed": current != last.old}
        if current == last.old:
            text = f"{path} is as before {last.backend} was re-pointed."
            return Outcome(text, data)
        if current != last.new:
            raise errors.HostError(
                f"{path} was changed after {last.backend} was re-pointed; "
                f"the file of before is {last.backup}."
            )
        old = record_file.backup(last)
        service.Service(options, last.backend).require_stopped()
        if record != stored:
            record_file.write(record)
        _replace(path, content, old)
    text = f"{path} is again as before {last.backend} was re-pointed."
    return Outcome(text, data)


def _replace(path: str, expected: bytes, content: bytes) -> None:
    if replace.read(path) != expected:
        raise errors.HostError(
            f"{path} was changed by another program just now; try again."
        )
    replace.write(path, content, like=path)


def _sections(
    options: Options, path: str, content: bytes
) -> backends.Backends:
    conf = conf_file.ConfFile(content, path)
    return backends.Backends(conf, _others(options, path))


def _others(options: Options, path: str) -> list[conf_file.ConfFile]:
    """Read the further files that Cinder reads, in no certain order."""
    names: list[str] = []
    for name in options.other_cinder_config:
        if os.path.isdir(name):
            names.extend(glob.glob(os.path.join(glob.escape(name), "*.conf")))
        elif os.path.lexists(name):
            names.append(name)
    return [
        conf_file.ConfFile(replace.read(name), name)
        for name in sorted(names)
        if os.path.realpath(name) != path
    ]


def _show_backend(
    options: Options,
    conf: conf_file.ConfFile,
    sections: backends.Backends,
    name: str,
) -> tuple[str, dict[str, Any]]:
    volume_group, problem = "", None
    targets: list[backends.Target] = []
    try:
        if options.re_point_command:
            targets = sections.any_targets(name)
        else:
            volume_group = sections.volume_group(name)
            targets = sections.targets(name)
    except errors.HostError as error:
        problem = str(error)
    known = backends.Pointing(volume_group, targets)
    return problem or str(known), {
        **known.describe(),
        "problem": problem,
        "service": _show_service(options, name),
        "copying": copying.show(options, conf, name),
    }


def _service(options: Options, backend: str | None) -> service.Service:
    """Return the service of a backend that cinder.conf enables."""
    if backend is not None:
        path = replace.resolve(options.cinder_config_file)
        sections = _sections(options, path, replace.read(path))
        sections.require_enabled(backend)
    return service.Service(options, backend)


def _show_service(options: Options, backend: str) -> dict[str, Any]:
    unit = service.Service(options, backend)
    shown = {"name": unit.name, "state": None, "running": None}
    try:
        state = unit.state()
    except errors.HostError as error:
        return {**shown, "problem": str(error)}
    return {
        **shown,
        "state": state,
        "running": unit.runs(state),
        "problem": None,
    }


def _show_undo(path: str, content: bytes) -> dict[str, Any]:
    current = journal.digest(content)
    shown: dict[str, Any] = {"available": False, "backend": None}
    try:
        last = journal.Journal(path).read().settled(current).last
    except errors.HostError as error:
        return {**shown, "message": str(error)}
    if last is None:
        return {**shown, "message": "nothing was re-pointed"}
    shown["backend"] = last.backend
    if current == last.old:
        message = f"the re-point of {last.backend} is undone"
    elif current != last.new:
        message = (
            f"the file was changed after {last.backend} was re-pointed; the "
            f"file of before is {last.backup}"
        )
    else:
        shown["available"] = True
        message = f"can take back the re-point of {last.backend} to {last.to}"
    return {**shown, "message": message}


def _describe(
    request: plan.Request, made: plan.Plan, dry_run: bool
) -> dict[str, Any]:
    return {
        "backend": request.backend,
        "changed": made.changes and not dry_run,
        "dry_run": dry_run,
        "before": made.before.describe(),
        "after": made.after.describe(),
        "command": made.command,
        "backup": None,
    }
