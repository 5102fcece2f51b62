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

"""The names outside this project that its configuration may use.

They stand in names.yaml, which `tools/zuul-check --renew` makes from the
repositories that it is given. So the check needs none of them at hand.
"""

import dataclasses
import pathlib

import yaml

from zuul_check import definitions

FILE = pathlib.Path(__file__).with_name("names.yaml")


@dataclasses.dataclass
class Names:
    """What a tenant like OpenStack's holds beside this project.

    :param sources: the commit of each repository that was asked
    :param projects: its projects
    :param pipelines: its pipelines, and whether each is post-review
    :param repositories: what each of some repositories defines
    :param elsewhere: what these refer to and others define
    """

    sources: dict[str, str]
    projects: set[str]
    pipelines: dict[str, bool]
    repositories: dict[str, definitions.Definitions]
    elsewhere: definitions.Definitions

    @property
    def roles(self) -> set[str]:
        """The Ansible roles that any repository brings."""
        return self.elsewhere.roles.union(
            *(known.roles for known in self.repositories.values())
        )


def load(file: pathlib.Path = FILE) -> Names:
    """Return the names from their file."""
    text = yaml.safe_load(file.read_text(encoding="utf-8"))
    return Names(
        sources=text["sources"],
        projects=set(text["projects"]),
        pipelines=text["pipelines"],
        repositories={
            name: _parse(known) for name, known in text["repositories"].items()
        },
        elsewhere=_parse(text["elsewhere"]),
    )


def dump(names: Names) -> str:
    """Return the text of the file."""
    data = {
        "sources": names.sources,
        "pipelines": names.pipelines,
        "repositories": {
            name: _plain(known)
            for name, known in sorted(names.repositories.items())
        },
        "elsewhere": _plain(names.elsewhere),
        "projects": sorted(names.projects),
    }
    return HEADER + yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=96)


HEADER = """\
# Made by tools/zuul-check --renew; do not edit. The names outside this project
# that its Zuul configuration may use, and which repository defines each.
# "elsewhere" is what these repositories refer to and do not define: jobs of
# opendev/base-jobs and zuul/zuul-jobs, nodesets and labels of
# opendev/zuul-providers, and the like.
---
"""


class _Dumper(yaml.SafeDumper):
    """Indents sequences as yamllint wants it."""

    def increase_indent(
        self, flow: bool = False, indentless: bool = False
    ) -> None:
        super().increase_indent(flow, False)


def _parse(data: dict) -> definitions.Definitions:
    return definitions.Definitions(
        jobs={name: said or {} for name, said in data["jobs"].items()},
        templates=set(data["templates"]),
        nodesets=set(data["nodesets"]),
        labels=set(data["labels"]),
        roles=set(data["roles"]),
    )


def _plain(known: definitions.Definitions) -> dict:
    return {
        "jobs": {name: known.jobs[name] for name in sorted(known.jobs)},
        "templates": sorted(known.templates),
        "nodesets": sorted(known.nodesets),
        "labels": sorted(known.labels),
        "roles": sorted(known.roles),
    }
