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

"""The shapes that the variables of DevStack's and Tempest's jobs must have.

Zuul takes anything for a variable, and the job that gets the wrong shape fails
late, or runs without what it was to have. The table says what the roles of
openstack/devstack, openstack/tempest and zuul/zuul-jobs read.
"""

from collections.abc import Callable, Iterator
import dataclasses
import re

from zuul_check import document

_TEMPLATE = re.compile(r"\{\{.*\}\}", re.DOTALL)

Found = Iterator[tuple[document.Path, str]]
Check = Callable[[object], Found]


@dataclasses.dataclass(frozen=True)
class Scalar:
    """One value of certain types.

    :param what: how a person calls it
    """

    what: str
    types: tuple[type, ...]

    def __call__(self, value: object) -> Found:
        # To Python, a boolean is a number too.
        boolean = isinstance(value, bool) and bool not in self.types
        wrong = boolean or not isinstance(value, self.types)
        if wrong and not is_template(value):
            yield (), f"must be {self.what}, not {describe(value)}"


@dataclasses.dataclass(frozen=True)
class Mapping:
    """Names, and below each the same shape."""

    what: str
    below: Check

    def __call__(self, value: object) -> Found:
        if is_template(value):
            return
        if not isinstance(value, dict):
            yield (), f"must be {self.what}, not {describe(value)}"
            return
        for key, one in value.items():
            for path, text in self.below(one):
                yield (key, *path), text


@dataclasses.dataclass(frozen=True)
class Sequence:
    """A list of which each entry has the same shape."""

    what: str
    below: Check

    def __call__(self, value: object) -> Found:
        if is_template(value):
            return
        if not isinstance(value, list):
            yield (), f"must be {self.what}, not {describe(value)}"
            return
        for index, one in enumerate(value):
            for path, text in self.below(one):
                yield (index, *path), text


def is_template(value: object) -> bool:
    """Tell whether Ansible will put something of any shape here."""
    return isinstance(value, str) and bool(_TEMPLATE.fullmatch(value.strip()))


def describe(value: object) -> str:
    """Return what a value is, in YAML's words."""
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, str):
        return f'the text "{value}"'
    return f"the number {value}"


TEXT = Scalar("text", (str,))
BOOLEAN = Scalar("true or false", (bool,))
NUMBER = Scalar("a number", (int, float))
PLAIN = Scalar("text, a number or a boolean", (str, int, float, bool))
COPIED = Scalar("logs, docs, artifacts or empty", (str, type(None)))
NAMES = Sequence("a list of names", TEXT)

SHAPES: dict[str, Check] = {
    "configure_swap_size": NUMBER,
    "devstack_base_services": NAMES,
    "devstack_local_conf": Mapping(
        "a mapping of phases",
        Mapping(
            "a mapping of files",
            Mapping(
                "a mapping of sections", Mapping("a mapping of options", PLAIN)
            ),
        ),
    ),
    "devstack_localrc": Mapping("a mapping of variables", PLAIN),
    "devstack_plugins": Mapping("a mapping of names to git URLs", TEXT),
    "devstack_services": Mapping(
        "a mapping of services to true or false", BOOLEAN
    ),
    "extensions_to_txt": Mapping(
        "a mapping of endings to true or false", BOOLEAN
    ),
    # A number such as 3.10 would be read as 3.1.
    "python_version": TEXT,
    "tempest_concurrency": NUMBER,
    "tempest_exclude_regex": TEXT,
    "tempest_plugins": NAMES,
    "tempest_test_exclude_list": TEXT,
    "tempest_test_regex": TEXT,
    "tempest_test_timeout": NUMBER,
    "tempest_tox_environment": Mapping("a mapping of variables", PLAIN),
    "tox_envlist": TEXT,
    "tox_environment": Mapping("a mapping of variables", PLAIN),
    "tox_extra_args": TEXT,
    "zuul_copy_output": Mapping("a mapping of paths to what they are", COPIED),
}


def wrong(variables: object) -> Iterator[tuple[document.Path, str]]:
    """Yield where variables have a wrong shape, and a sentence on each."""
    if not isinstance(variables, dict):
        return
    for name, check in SHAPES.items():
        if name not in variables:
            continue
        for path, text in check(variables[name]):
            where = ".".join(str(step) for step in (name, *path))
            yield (name, *path), f"{where} {text}."
