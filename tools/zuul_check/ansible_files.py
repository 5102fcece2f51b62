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

"""What a project's playbooks and roles use: roles and other files."""

from collections.abc import Iterator
import dataclasses
import posixpath
import re

import yaml

from zuul_check import document, repository

# The files that hold plays or tasks, or say what a role depends on.
_FILES = re.compile(
    r"(playbooks/.*|roles/[^/]+/(tasks|handlers|meta)/.*)\.ya?ml"
)
_DIRECTORIES = ("playbooks", "roles")
_TASKS = {"pre_tasks", "tasks", "post_tasks", "handlers"}
_BLOCKS = {"block", "rescue", "always"}
_ROLES = {"roles", "dependencies"}
_ROLE = {"include_role", "import_role"}
_TASK_FILE = {"include_tasks", "import_tasks"}


@dataclasses.dataclass(frozen=True)
class Use:
    """Where a role or a file is used.

    :param kind: role or file
    :param name: of a file, from the top of the repository
    """

    kind: str
    name: str
    file: str
    line: int


def own_roles(project: repository.Repository) -> set[str]:
    """Return the roles that a project brings."""
    found = set()
    for name in project.files(*_DIRECTORIES):
        *_, above, role, part = ["", "", *posixpath.dirname(name).split("/")]
        if above == "roles" and part in {"tasks", "meta"}:
            found.add(role)
    return found


def uses(project: repository.Repository) -> Iterator[Use]:
    """Yield the roles and files that are used by a name without variables.

    A file that is not YAML is passed over; ansible-lint finds it.
    """
    for file in project.files(*_DIRECTORIES):
        if not _FILES.fullmatch(file):
            continue
        try:
            top = yaml.compose(project.read(file), Loader=yaml.SafeLoader)
        except yaml.YAMLError:
            continue
        for entry in document.items(top):
            for kind, node in _entry(entry):
                name = node.value
                if kind == "file":
                    name = posixpath.normpath(
                        posixpath.join(posixpath.dirname(file), name)
                    )
                yield Use(kind, name, file, document.line(node))


def _entry(entry: yaml.Node) -> Iterator[tuple[str, yaml.ScalarNode]]:
    """Yield what a play, a task or a role's metadata uses."""
    for key, below in document.pairs(entry):
        key = key.removeprefix("ansible.builtin.")
        if key == "import_playbook" or key in _TASK_FILE:
            yield from _literal("file", below, "file")
        elif key in _ROLES:
            for role in document.items(below):
                yield from _literal("role", role, "role", "name")
        elif key in _ROLE:
            yield from _literal("role", below, "name")
        elif key in _TASKS | _BLOCKS:
            for task in document.items(below):
                yield from _entry(task)


def _literal(
    kind: str, node: yaml.Node, *keys: str
) -> Iterator[tuple[str, yaml.ScalarNode]]:
    """Yield the scalar that names something, unless it is a template."""
    for key in keys:
        node = document.get(node, key) or node
    if isinstance(node, yaml.ScalarNode) and "{{" not in node.value:
        yield kind, node
