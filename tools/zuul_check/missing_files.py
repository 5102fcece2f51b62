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

"""The playbooks, roles and task files that are named must exist.

Zuul looks for a playbook when the job runs, and Ansible for the rest.
"""

from collections.abc import Iterator

from zuul_check import ansible_files, document, problem, repository

_RUN = ("pre-run", "run", "post-run", "cleanup-run")


def of_jobs(
    project: repository.Repository, stanzas: list[document.Stanza]
) -> Iterator[problem.Problem]:
    """Yield the playbooks that jobs run and that are not there."""
    for stanza in stanzas:
        if stanza.kind != "job":
            continue
        for key in _RUN:
            for entry in document.items(document.get(stanza.body, key)):
                node = document.get(entry, "name") or entry
                if not _exists(project, str(node.value)):
                    yield problem.Problem(
                        stanza.file,
                        document.line(node),
                        f'job "{stanza.name}": the {key} playbook'
                        f" {node.value} does not exist.",
                    )


def of_playbooks(
    project: repository.Repository, others: set[str]
) -> Iterator[problem.Problem]:
    """Yield the roles and files that playbooks and roles use in vain.

    :param others: the roles that other projects bring
    """
    roles = others | ansible_files.own_roles(project)
    for use in ansible_files.uses(project):
        if use.kind == "role" and use.name not in roles:
            yield problem.Problem(
                use.file,
                use.line,
                f"the role {use.name} exists neither here nor among those"
                " known of other projects.",
            )
        if use.kind == "file" and not _exists(project, use.name):
            yield problem.Problem(
                use.file, use.line, f"{use.name} does not exist."
            )


def _exists(project: repository.Repository, name: str) -> bool:
    return project.files(name) == [name]
