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

"""Check a project's Zuul configuration."""

from collections.abc import Iterator
import re

import yaml

from zuul_check import (
    definitions,
    document,
    missing_files,
    problem,
    repository,
    shapes,
    tenant,
)
from zuul_check import loaded as knowledge
from zuul_check import names as known_names

_VARIABLES = ("vars", "extra-vars")
_VARIABLES_BY_HOST = ("host-vars", "group-vars")
_YAML_LINE = re.compile(r"line (\d+), column")
_PATH = re.compile(r"\['([^']+)'\]|\[(\d+)\]")


def check(
    name: str,
    project: repository.Repository,
    known: known_names.Names,
    loaded: knowledge.Loaded,
) -> list[problem.Problem]:
    """Return all that is wrong with a project's configuration.

    :param name: of the project, such as openstack/x
    :param project: its files
    :param loaded: what Zuul has made of them
    """
    files = repository.configuration(project)
    stanzas = document.stanzas_of(files)
    said = list(refused(loaded.errors, name, stanzas))
    found = [
        *unread(project, files),
        *said,
        *unknown_pipelines(stanzas, known),
        *missing_files.of_jobs(project, stanzas),
        *missing_files.of_playbooks(project, known.roles),
        *misshapen(stanzas),
    ]
    # What follows from a mistake that Zuul tells of is not told again.
    if all(one.repository for one in said):
        found += vanished(loaded, stanzas)
        found += not_run(loaded, stanzas, known)
    if all(one.repository for one in found):
        found += misshapen_merged(loaded, stanzas)
    return found


def unread(
    project: repository.Repository, files: dict[str, str]
) -> Iterator[problem.Problem]:
    """Yield the files that look like configuration and that Zuul ignores."""
    if not files:
        yield problem.Problem("zuul.d", 0, "there is no configuration here.")
    for file in project.files(*repository.ROOTS):
        if file not in files:
            yield problem.Problem(
                file, 0, "Zuul reads only files whose name ends with .yaml."
            )


def refused(
    errors: list[knowledge.Error], name: str, stanzas: list[document.Stanza]
) -> Iterator[problem.Problem]:
    """Yield what Zuul's loader says, at the line that it is about."""
    for error in errors:
        ours = error.project in {"", name}
        line = error.line
        if not line and (found := _YAML_LINE.findall(error.text)):
            line = int(found[-1])
        for stanza in stanzas:
            if ours and error.file == stanza.file and line == stanza.line:
                line = _line(stanza, error.text)
                break
        yield problem.Problem(
            error.file or _file(stanzas, error.text),
            line,
            _sentence(error.text),
            "" if ours else error.project,
        )


def _file(stanzas: list[document.Stanza], text: str) -> str:
    """Return the file that a message without one speaks of."""
    words = _words(text)
    return next((one.file for one in stanzas if one.file in words), "zuul.d")


def _line(stanza: document.Stanza, text: str) -> int:
    """Return the line in a stanza that a message of Zuul is about."""
    where = text.partition("@ data")[2]
    if where:
        path = tuple(
            int(index) if index else key for key, index in _PATH.findall(where)
        )
        return document.line_of(stanza.body, path)
    words = _words(text) - {stanza.name}
    for node in document.scalars(stanza.body):
        if len(node.value) > 2 and node.value in words:
            return document.line(node)
    return stanza.line


def unknown_pipelines(
    stanzas: list[document.Stanza], known: known_names.Names
) -> Iterator[problem.Problem]:
    """Yield the pipelines that nobody defines, which Zuul passes over."""
    for stanza in stanzas:
        if stanza.kind in {"project", "project-template"}:
            for node, _ in definitions.pipelines(stanza.body):
                if node.value not in known.pipelines:
                    yield problem.Problem(
                        stanza.file,
                        document.line(node),
                        f'there is no pipeline "{node.value}".',
                    )


def misshapen(stanzas: list[document.Stanza]) -> Iterator[problem.Problem]:
    """Yield the variables of jobs that do not have their shape."""
    for stanza in stanzas:
        bodies = [(stanza.name, stanza.body)] if stanza.kind == "job" else []
        if stanza.kind in {"project", "project-template"}:
            bodies = [
                (job.value, attributes)
                for _, pipeline in definitions.pipelines(stanza.body)
                for job, attributes in definitions.listed_jobs(pipeline)
                if attributes is not None
            ]
        for job, body in bodies:
            for node in _variables(body):
                for path, text in shapes.wrong(document.value(node)):
                    yield problem.Problem(
                        stanza.file,
                        document.line_of(node, path),
                        f'job "{job}": {text}',
                    )


def _variables(body: yaml.Node) -> Iterator[yaml.Node]:
    for key in _VARIABLES:
        node = document.get(body, key)
        if node is not None:
            yield node
    for key in _VARIABLES_BY_HOST:
        for _, node in document.pairs(document.get(body, key)):
            yield node


def vanished(
    loaded: knowledge.Loaded, stanzas: list[document.Stanza]
) -> Iterator[problem.Problem]:
    """Yield the jobs that Zuul has dropped or would never run."""
    names = loaded.job_names()
    try:
        runs = set(loaded.freeze(tenant.EVERY_JOB))
    except knowledge.FreezeError as error:
        runs = names
        words = _words(str(error))
        file, line = next(
            (
                (stanza.file, stanza.line)
                for stanza in stanzas
                if stanza.kind == "job" and stanza.name in words
            ),
            ("zuul.d", 0),
        )
        yield problem.Problem(file, line, _sentence(str(error)))
    for stanza in stanzas:
        if stanza.kind != "job" or not stanza.name:
            continue
        line = document.line_of(stanza.body, ("name",))
        if stanza.name not in names:
            yield problem.Problem(
                stanza.file,
                line,
                f'job "{stanza.name}": Zuul has dropped it.',
            )
        elif definitions.runs(stanza) and not definitions.limited(stanza):
            if stanza.name not in runs:
                yield problem.Problem(
                    stanza.file,
                    line,
                    f'job "{stanza.name}": Zuul never runs it.',
                )


def not_run(
    loaded: knowledge.Loaded,
    stanzas: list[document.Stanza],
    known: known_names.Names,
) -> Iterator[problem.Problem]:
    """Yield the jobs that are listed in a pipeline and do not run there."""
    limited = {
        stanza.name
        for stanza in stanzas
        if stanza.kind == "job" and definitions.limited(stanza)
    }
    for stanza, pipeline, listed in _own_pipelines(stanzas, known):
        try:
            jobs = loaded.freeze(pipeline.value)
        except knowledge.FreezeError as error:
            lines = [
                document.line(job)
                for job, _ in listed
                if job.value in _words(str(error))
            ]
            yield problem.Problem(
                stanza.file,
                (lines or [document.line(pipeline)])[0],
                f'pipeline "{pipeline.value}": {_sentence(str(error))}',
            )
            continue
        for job, attributes in listed:
            conditional = document.get(attributes, "branches")
            if not (job.value in jobs or conditional or job.value in limited):
                yield problem.Problem(
                    stanza.file,
                    document.line(job),
                    f'job "{job.value}": it is listed in pipeline'
                    f' "{pipeline.value}", and Zuul does not run it.',
                )


def misshapen_merged(
    loaded: knowledge.Loaded, stanzas: list[document.Stanza]
) -> Iterator[problem.Problem]:
    """Yield the variables that are wrong once merged with the parents'."""
    jobs = loaded.freeze(tenant.EVERY_JOB)
    for stanza in stanzas:
        if stanza.kind != "job" or stanza.name not in jobs:
            continue
        job = jobs[stanza.name]
        for variables in [job.variables, *job.more]:
            for _, text in shapes.wrong(variables):
                yield problem.Problem(
                    stanza.file,
                    document.line_of(stanza.body, ("name",)),
                    f'job "{stanza.name}", merged with its parents: {text}',
                )


def _own_pipelines(
    stanzas: list[document.Stanza], known: known_names.Names
) -> Iterator[
    tuple[
        document.Stanza,
        yaml.ScalarNode,
        list[tuple[yaml.ScalarNode, yaml.Node | None]],
    ]
]:
    """Yield the pipelines that the project runs jobs in, and the jobs."""
    for stanza in stanzas:
        if stanza.kind != "project" or stanza.name:
            continue
        for pipeline, below in definitions.pipelines(stanza.body):
            if pipeline.value in known.pipelines:
                yield stanza, pipeline, list(definitions.listed_jobs(below))


def _words(text: str) -> set[str]:
    """Return what may be names in a message."""
    words = set(re.findall(r"[\w./{}+-]+", text))
    return words | {word.rstrip(".") for word in words}


def _sentence(text: str) -> str:
    """Return a message in one line, with a capital and a full stop."""
    text = " ".join(text.split())
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
