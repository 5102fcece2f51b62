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

"""What of a frozen job is kept as expected, and shown."""

import difflib
import pathlib
from typing import Any

import yaml

EXPECTED = pathlib.Path(__file__).with_name("expected.yaml")
_HEADER = """\
# Made by tools/zuul-lab --renew; do not edit. What Zuul makes of this
# project's jobs, merged with their parents of these commits.
# yamllint disable rule:line-length
---
"""
# Long lists of logs to copy, of the parents alone.
_OMITTED = {"extensions_to_txt", "zuul_copy_output"}


def summary(job: dict) -> dict[str, Any]:
    """Return of a job, as Zuul's freeze-job tells of it, what matters here."""
    groups = {group["name"] for group in job["nodeset"]["groups"]}
    by_group = {
        group: variables
        for group, variables in (job["group_vars"] or {}).items()
        if group in groups
    }
    found = {
        "nodes": {
            node["name"]: node["label"] for node in job["nodeset"]["nodes"]
        },
        "timeout": job["timeout"],
        "override-checkout": job["override_checkout"],
        "projects": sorted(one["name"] for one in job["projects"]),
        "pre-run": _playbooks(job["pre_playbooks"]),
        "run": _playbooks(job["playbooks"]),
        "post-run": _playbooks(job["post_playbooks"]),
        "vars": _variables(job["vars"] or {}),
        "host-vars": _by_name(job["host_vars"] or {}),
        "group-vars": _by_name(by_group),
    }
    return {key: value for key, value in found.items() if value}


def dump(commits: dict[str, str], jobs: dict[str, dict]) -> str:
    """Return the text of the expected variables.

    :param commits: of the parents' projects, by name
    :param jobs: the summaries, by name of the job
    """
    return _HEADER + yaml.dump(
        {"commits": commits, "jobs": jobs}, Dumper=_Dumper, width=90
    )


def difference(expected: str, found: str) -> list[str]:
    """Return how what was found differs from what was expected.

    Other commits alone are no difference.
    """
    old, new = (
        dump({}, yaml.safe_load(text)["jobs"]).splitlines()
        for text in (expected, found)
    )
    return list(
        difflib.unified_diff(old, new, "expected", "found", n=6, lineterm="")
    )


class _Dumper(yaml.SafeDumper):
    """Indents sequences as yamllint wants it."""

    def increase_indent(
        self, flow: bool = False, indentless: bool = False
    ) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _playbooks(playbooks: list[dict]) -> list[str]:
    return [f"{one['project']}: {one['path']}" for one in playbooks]


def _by_name(variables: dict[str, dict]) -> dict[str, dict]:
    return {name: _variables(below) for name, below in variables.items()}


def _variables(variables: dict) -> dict:
    shown = {k: v for k, v in variables.items() if k not in _OMITTED}
    services = shown.get("devstack_services")
    if isinstance(services, dict):
        shown["devstack_services"] = {
            word: " ".join(
                sorted(name for name, on in services.items() if on is wanted)
            )
            for word, wanted in (("enabled", True), ("disabled", False))
        }
    return shown
