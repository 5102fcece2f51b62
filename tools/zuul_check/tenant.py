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

"""The tenant to load: this project, the repositories given, and stubs.

Each member is a project of the tenant with its configuration: real where a
repository was given, else a stub that defines the names which are known of it.
"""

from collections.abc import Mapping
import dataclasses

import yaml

from zuul_check import definitions, document, repository
from zuul_check import names as known_names

# Stands for the tenant's trusted project: pipelines, labels, base jobs.
TRUSTED = "opendev/base-jobs"
# A pipeline of the check's own, where each job runs that is not abstract; so
# those are seen too that the project does not run for itself.
EVERY_JOB = "every-job"
HOSTNAME = "opendev.org"

# Stubs are long; the dumper in C, where there is one, is ten times as fast.
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_ENCRYPTED = "!encrypted/pkcs1-oaep"


@dataclasses.dataclass
class Member:
    """A project of the tenant.

    :param files: Zuul's configuration by name of the file; empty for a
                  project of which only the name matters
    :param real: whether the configuration is the project's own
    :param trusted: whether it may define pipelines and base jobs
    """

    name: str
    files: dict[str, str]
    real: bool = False
    trusted: bool = False


def members(
    name: str,
    files: dict[str, str],
    given: Mapping[str, repository.Repository],
    known: known_names.Names,
) -> list[Member]:
    """Return the members of the tenant; the project itself is the first.

    :param name: the project that is checked, such as openstack/x
    :param files: its Zuul configuration
    :param given: repositories of others, by name of the project
    """
    real = {
        other: {
            file: without_secrets(text)
            for file, text in repository.configuration(theirs).items()
        }
        for other, theirs in given.items()
    }
    mine = document.stanzas_of(files)
    theirs = [
        stanza
        for configuration in real.values()
        for stanza in document.stanzas_of(configuration)
    ]
    base = subtract(
        union(
            known.elsewhere,
            missing(theirs, [known, definitions.defined(theirs)]),
        ),
        definitions.defined(theirs),
    )
    referred = used_projects(theirs)
    found = {
        name: Member(name, files, real=True),
        TRUSTED: Member(
            TRUSTED,
            {"zuul.d/stub.yaml": trusted_stub(base, known.pipelines)},
            trusted=True,
        ),
        f"every-job-of/{name}": Member(
            f"every-job-of/{name}",
            {"zuul.d/every-job.yaml": every_job(name, mine)},
            trusted=True,
        ),
    }
    for other, configuration in real.items():
        found[other] = Member(other, configuration, real=True)
    for other, defined in known.repositories.items():
        found.setdefault(
            other, Member(other, {"zuul.d/stub.yaml": stub(defined)})
        )
    # Of projects without configuration, only those that are used matter.
    used = referred | (known.projects & used_projects(mine))
    for other in sorted(used):
        found.setdefault(other, Member(other, {}))
    return list(found.values())


def tenant(name: str, connection: str, members: list[Member]) -> dict:
    """Return the tenant's own configuration, as Zuul's administrator has it.

    Of other projects than the first, what they run for themselves is left out.
    """
    first = members[0]
    untrusted = []
    for member in members:
        include = ["job", "nodeset", "secret", "project-template"]
        include += ["project", "queue", "semaphore"] * (member is first)
        if not member.trusted:
            untrusted.append(
                {member.name: {"include": include if member.files else []}}
            )
    return {
        "name": name,
        "use-nodepool": False,
        "max-nodes-per-job": 10,
        "source": {
            connection: {
                "config-projects": [
                    {member.name: {"allow-base-jobs": True}}
                    for member in members
                    if member.trusted
                ],
                "untrusted-projects": untrusted,
            }
        },
    }


def missing(
    stanzas: list[document.Stanza],
    known: list[known_names.Names | definitions.Definitions],
) -> definitions.Definitions:
    """Return what stanzas refer to and nobody known defines."""
    everything = []
    for one in known:
        if isinstance(one, known_names.Names):
            everything += [*one.repositories.values(), one.elsewhere]
        else:
            everything.append(one)
    wanted = definitions.referred(stanzas)
    found = definitions.Definitions(
        jobs={job: {} for job in wanted.jobs - {"noop"}},
        nodesets=wanted.nodesets,
        labels=wanted.labels,
    )
    for one in everything:
        found = subtract(found, one)
    return found


def union(
    one: definitions.Definitions, other: definitions.Definitions
) -> definitions.Definitions:
    """Return what either defines."""
    return definitions.Definitions(
        jobs=other.jobs | one.jobs,
        templates=one.templates | other.templates,
        nodesets=one.nodesets | other.nodesets,
        labels=one.labels | other.labels,
        roles=one.roles | other.roles,
    )


def subtract(
    one: definitions.Definitions, other: definitions.Definitions
) -> definitions.Definitions:
    """Return what one defines and the other does not."""
    return definitions.Definitions(
        jobs={k: v for k, v in one.jobs.items() if k not in other.jobs},
        templates=one.templates - other.templates,
        nodesets=one.nodesets - other.nodesets,
        labels=one.labels - other.labels,
        roles=one.roles - other.roles,
    )


def used_projects(stanzas: list[document.Stanza]) -> set[str]:
    """Return the projects that stanzas refer to, without host."""
    return {
        unqualified(project)
        for project in definitions.referred(stanzas).projects
    }


def unqualified(project: str) -> str:
    """Return a project's name without the host that it may begin with."""
    return project.removeprefix(f"{HOSTNAME}/")


def stub(defined: definitions.Definitions) -> str:
    """Return configuration that defines these names and nothing more."""
    return _yaml(_stanzas(defined))


def trusted_stub(
    defined: definitions.Definitions, pipelines: Mapping[str, bool]
) -> str:
    """Return the configuration of the tenant's trusted project.

    Base jobs and labels may be defined in such a project only.
    """
    stanzas: list[dict] = [
        _pipeline(name, post_review)
        for name, post_review in sorted(pipelines.items())
    ]
    stanzas += [
        {"image": {"name": "stub", "type": "cloud"}},
        {"flavor": {"name": "stub"}},
    ]
    stanzas += [
        {"label": {"name": name, "image": "stub", "flavor": "stub"}}
        for name in sorted(defined.labels)
    ]
    # Every job has a base job at its root, of which nothing is known.
    defined = dataclasses.replace(defined, jobs={"base": {}} | defined.jobs)
    stanzas += _stanzas(defined)
    for stanza in stanzas:
        if "job" in stanza:
            stanza["job"]["parent"] = None
    return _yaml(stanzas)


def every_job(name: str, stanzas: list[document.Stanza]) -> str:
    """Return configuration that lists a project's jobs in EVERY_JOB."""
    jobs = sorted(
        {stanza.name for stanza in stanzas if definitions.runs(stanza)}
    )
    return _yaml(
        [
            _pipeline(EVERY_JOB, True),
            {"project": {"name": name, EVERY_JOB: {"jobs": jobs}}},
        ]
    )


def _yaml(stanzas: list[dict]) -> str:
    return yaml.dump(stanzas, Dumper=_DUMPER, sort_keys=False)


def _pipeline(name: str, post_review: bool) -> dict:
    return {
        "pipeline": {
            "name": name,
            "manager": "independent",
            "post-review": post_review,
            "trigger": {},
        }
    }


def _stanzas(defined: definitions.Definitions) -> list[dict]:
    stanzas: list[dict] = [
        {"job": {"name": name, **said, "run": "playbooks/stub.yaml"}}
        for name, said in sorted(defined.jobs.items())
    ]
    stanzas += [
        {"project-template": {"name": name}}
        for name in sorted(defined.templates)
    ]
    stanzas += [
        {"nodeset": {"name": name, "nodes": []}}
        for name in sorted(defined.nodesets)
    ]
    return stanzas


def without_secrets(text: str) -> str:
    """Return configuration with each encrypted value replaced.

    Only the real tenant has the key; elsewhere decrypting is an error.
    """
    if _ENCRYPTED not in text:
        return text
    top = yaml.compose(text, Loader=yaml.SafeLoader)
    for node in reversed(list(_encrypted(top))):
        start, end = node.start_mark.index, node.end_mark.index
        old = text[start:end]
        space = old[len(old.rstrip()) :]
        text = f"{text[:start]}hidden{space}{text[end:]}"
    return text


def _encrypted(node: yaml.Node | None) -> list[yaml.Node]:
    if node is None:
        return []
    if node.tag == _ENCRYPTED:
        return [node]
    if isinstance(node, yaml.MappingNode):
        below = [value for _, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        below = node.value
    else:
        below = []
    return [found for one in below for found in _encrypted(one)]
