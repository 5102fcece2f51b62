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

"""What configuration defines, and what it refers to."""

from collections.abc import Iterable
import dataclasses

import yaml

from zuul_check import document

# What a child job has to know of its parent.
_INHERITANCE = ("abstract", "final", "intermediate", "protected")


@dataclasses.dataclass
class Definitions:
    """Names that a repository defines.

    :param jobs: what a child has to know of each: its parent and whether it
                 is abstract, final, intermediate or protected
    :param roles: Ansible roles that its playbooks, and those of others, use
    """

    jobs: dict[str, dict[str, object]] = dataclasses.field(
        default_factory=dict
    )
    templates: set[str] = dataclasses.field(default_factory=set)
    nodesets: set[str] = dataclasses.field(default_factory=set)
    labels: set[str] = dataclasses.field(default_factory=set)
    roles: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass
class References:
    """Names that configuration uses, defined there or elsewhere."""

    jobs: set[str] = dataclasses.field(default_factory=set)
    nodesets: set[str] = dataclasses.field(default_factory=set)
    labels: set[str] = dataclasses.field(default_factory=set)
    projects: set[str] = dataclasses.field(default_factory=set)


def defined(stanzas: Iterable[document.Stanza]) -> Definitions:
    """Return what stanzas define; the first definition of a job counts."""
    found = Definitions()
    for stanza in stanzas:
        if stanza.kind == "job":
            found.jobs.setdefault(stanza.name, _inheritance(stanza.body))
        elif stanza.kind == "project-template":
            found.templates.add(stanza.name)
        elif stanza.kind == "nodeset":
            found.nodesets.add(stanza.name)
        elif stanza.kind == "label":
            found.labels.add(stanza.name)
    return found


def referred(stanzas: Iterable[document.Stanza]) -> References:
    """Return what stanzas refer to, as they write it."""
    found = References()
    for stanza in stanzas:
        if stanza.kind == "job":
            _refer_job(stanza.body, found)
        elif stanza.kind == "nodeset":
            _refer_nodes(stanza.body, found)
        elif stanza.kind in {"project", "project-template"}:
            for _, jobs in pipelines(stanza.body):
                for name, attributes in listed_jobs(jobs):
                    found.jobs.add(name.value)
                    _refer_job(attributes, found)
    return found


def runs(stanza: document.Stanza) -> bool:
    """Tell whether a stanza is a job that is not abstract."""
    if stanza.kind != "job" or not stanza.name:
        return False
    abstract = document.get(stanza.body, "abstract")
    return abstract is None or document.value(abstract) is not True


def limited(stanza: document.Stanza) -> bool:
    """Tell whether a stanza is a job that is for some branches only."""
    return document.get(stanza.body, "branches") is not None


# The keys of a project or a template that are no pipelines.
_NOT_PIPELINES = {
    *("branches", "default-branch", "description", "merge-mode", "name"),
    *("queue", "templates", "vars"),
}


def pipelines(
    body: yaml.MappingNode,
) -> Iterable[tuple[yaml.ScalarNode, yaml.Node]]:
    """Yield the pipelines of a project or a template, and what is below."""
    for key, below in body.value:
        if key.value not in _NOT_PIPELINES:
            yield key, below


def listed_jobs(
    pipeline: yaml.Node,
) -> Iterable[tuple[yaml.ScalarNode, yaml.Node | None]]:
    """Yield the jobs of a pipeline, each with what it changes in the job."""
    for entry in document.items(document.get(pipeline, "jobs")):
        if isinstance(entry, yaml.ScalarNode):
            yield entry, None
        elif isinstance(entry, yaml.MappingNode):
            yield from entry.value


def _inheritance(body: yaml.MappingNode) -> dict[str, object]:
    said = {}
    parent = document.get(body, "parent")
    if parent is not None:
        said["parent"] = document.value(parent)
    for attribute in _INHERITANCE:
        node = document.get(body, attribute)
        if node is not None and document.value(node) is True:
            said[attribute] = True
    return said


def _refer_job(body: yaml.Node | None, found: References) -> None:
    found.jobs |= _texts(document.get(body, "parent"))
    for dependency in document.items(document.get(body, "dependencies")):
        found.jobs |= _texts(dependency) | _texts(
            document.get(dependency, "name")
        )
    nodeset = document.get(body, "nodeset")
    found.nodesets |= _texts(nodeset)
    _refer_nodes(nodeset, found)
    for project in document.items(document.get(body, "required-projects")):
        found.projects |= _texts(project) | _texts(
            document.get(project, "name")
        )
    for role in document.items(document.get(body, "roles")):
        found.projects |= _texts(document.get(role, "zuul"))


def _refer_nodes(body: yaml.Node | None, found: References) -> None:
    for node in document.items(document.get(body, "nodes")):
        found.labels |= _texts(document.get(node, "label"))
    for alternative in document.items(document.get(body, "alternatives")):
        found.nodesets |= _texts(alternative)
        _refer_nodes(alternative, found)


def _texts(node: yaml.Node | None) -> set[str]:
    if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":str"):
        return {node.value}
    return set()
