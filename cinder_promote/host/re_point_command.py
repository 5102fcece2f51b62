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

"""Re-point a section by a configured command, for other drivers than ours.

The command edits a copy of cinder.conf, which takes the file's place only if
it says what was asked for. So the file itself never holds anything else, and
whatever kills the command or this program leaves it as it was.
"""

from collections.abc import Mapping, Sequence
import contextlib
import os
import re

from oslo_config import cfg

from cinder_promote.host import (
    backends,
    command,
    conf_file,
    errors,
    journal,
    plan,
    replace,
)

OPTION = "re_point_command"

_PLACE = re.compile(r"\{(backend|to|replicate_to|config_file)\}")


def make(
    options: cfg.ConfigOpts.GroupAttr,
    content: bytes,
    path: str,
    others: Sequence[conf_file.ConfFile],
    request: plan.Request,
    last: journal.Entry | None,
) -> plan.Plan:
    """Plan a re-point by the command.

    :param content: cinder.conf as it is
    :param path: the real path of cinder.conf
    :param others: the further files that Cinder reads
    :param last: the last re-point that was carried out
    :raises HostError: the request, the file or the command is refused
    """
    sections = _sections(content, path, others)
    sections.require_enabled(request.backend)
    before = sections.any_targets(request.backend)
    _check(request)
    present = [target.backend_id for target in before]
    re_pointed = request.to not in present
    if re_pointed and (last is None or not _same_primary(last, request)):
        raise plan.no_such_target(sections, request, before)
    after = [
        backends.Target(backend_id, "", "")
        for backend_id in request.replicate_to
    ]
    copy = f"{path}.being-re-pointed"
    words = _words(options, request, copy)

    def edit() -> bytes:
        edited = _run(options, content, path, copy, words, request.backend)
        _verify(content, edited, path, others, request)
        return edited

    return plan.Plan(
        before=backends.Pointing("", before),
        after=backends.Pointing("", after),
        changes=not (re_pointed and _same(present, request.replicate_to)),
        edit=edit,
        command=words,
    )


def _sections(
    content: bytes, name: str, others: Sequence[conf_file.ConfFile]
) -> backends.Backends:
    return backends.Backends(conf_file.ConfFile(content, name), others)


def _check(request: plan.Request) -> None:
    if request.devices:
        raise errors.HostError(
            f"--replication-device does not go with {OPTION} in [host]; use "
            "--replicate-to."
        )
    for backend_id, where in [
        (request.to, "The value of --to"),
        *(
            (backend_id, "The value of --replicate-to")
            for backend_id in request.replicate_to
        ),
    ]:
        backends.check_backend_id(backend_id, where)
        if backend_id.startswith("-"):
            raise errors.HostError(
                f"{where} is '{backend_id}', which {OPTION} could take for "
                "an option."
            )
    backends.check_ids(request.replicate_to, "--replicate-to")
    plan.refuse_itself(request.replicate_to, request)


def _same_primary(last: journal.Entry, request: plan.Request) -> bool:
    return (last.backend, last.to) == (request.backend, request.to)


def _same(ids: Sequence[str], others: Sequence[str]) -> bool:
    """Compare without the order, which is left to the command."""
    return sorted(ids) == sorted(others)


def _words(
    options: cfg.ConfigOpts.GroupAttr, request: plan.Request, copy: str
) -> list[str]:
    """Return the command with the request put in.

    :raises HostError: it can't do what it is for
    """
    values = {
        "backend": request.backend,
        "to": request.to,
        "config_file": copy,
    }
    words = []
    for word in command.split(options, OPTION):
        places = set(_PLACE.findall(word))
        targets = request.replicate_to if "replicate_to" in places else [""]
        for target in targets:
            words.append(_put_in(word, {**values, "replicate_to": target}))
    if copy not in " ".join(words):
        raise errors.HostError(
            f"{OPTION} in [host] has no {{config_file}}, the file that it is "
            "to edit."
        )
    return words


def _put_in(word: str, values: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda place: values[place[1]], word)


def _run(
    options: cfg.ConfigOpts.GroupAttr,
    content: bytes,
    path: str,
    copy: str,
    words: Sequence[str],
    backend: str,
) -> bytes:
    """Return what the command made of a copy.

    :raises HostError: it failed
    """
    with contextlib.ExitStack() as afterwards:
        afterwards.callback(_remove, copy)
        replace.write(copy, content, like=path)
        afterwards.callback(_keep, content, path, copy, backend)
        done = command.run(
            OPTION, words, f"[{backend}]", options.re_point_timeout
        )
        done.require_success()
        return replace.read(copy)


def _remove(copy: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(copy)


def _keep(content: bytes, path: str, copy: str, backend: str) -> None:
    """Put cinder.conf back if the command touched it and not the copy.

    :raises HostError: it did
    """
    there = os.path.lexists(path)
    if there and replace.read(path) == content:
        return
    replace.write(path, content, like=path if there else copy)
    raise errors.HostError(
        f"{OPTION} for [{backend}] changed {path}, which was put back; it has "
        "to edit {config_file} instead."
    )


def _verify(
    content: bytes,
    edited: bytes,
    path: str,
    others: Sequence[conf_file.ConfFile],
    request: plan.Request,
) -> None:
    """Refuse what the command made if it is not what was asked for.

    :raises HostError: it is not
    """
    backend = request.backend
    if edited == content:
        raise errors.HostError(f"{OPTION} for [{backend}] changed nothing.")
    name = f"What {OPTION} made of {path}"
    sections = _sections(edited, name, others)
    sections.require_enabled(backend)
    found = [target.backend_id for target in sections.any_targets(backend)]
    if not _same(found, request.replicate_to):
        raise errors.HostError(
            f"{name}: [{backend}] replicates to "
            f"{', '.join(found) or 'nothing'}, it should to "
            f"{', '.join(request.replicate_to) or 'nothing'}."
        )
    if _outside(content, path, backend) != _outside(edited, name, backend):
        raise errors.HostError(
            f"{name}: options outside of [{backend}] are not as they were."
        )


def _outside(
    content: bytes, name: str, backend: str
) -> list[tuple[str, str, str]]:
    section = conf_file.normalize(backend)
    return [
        option
        for option in conf_file.ConfFile(content, name).all_options()
        if conf_file.normalize(option[0]) != section
    ]
