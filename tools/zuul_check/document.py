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

"""The YAML of a Zuul configuration with the line of everything in it.

Zuul's own messages name the line where a stanza begins. Here each value keeps
its own, for the checks that Zuul does not do and to make its messages precise.
"""

from collections.abc import Iterator, Mapping
import dataclasses

import yaml

# The one in C, where there is one, is ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Path = tuple[str | int, ...]


@dataclasses.dataclass(frozen=True)
class Stanza:
    """One entry of a configuration file, such as a job.

    :param kind: job, project, nodeset, ...
    :param body: what stands below the kind
    :param file: the file, from the top of its repository
    :param line: where it begins, counted from 1
    """

    kind: str
    body: yaml.MappingNode
    file: str
    line: int

    @property
    def name(self) -> str:
        node = get(self.body, "name")
        return node.value if isinstance(node, yaml.ScalarNode) else ""


def stanzas(file: str, text: str) -> list[Stanza]:
    """Return the stanzas of one file; none if it is not what Zuul reads."""
    try:
        top = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError:
        return []
    found = []
    for entry in items(top):
        for kind, body in pairs(entry):
            if isinstance(body, yaml.MappingNode):
                found.append(Stanza(kind, body, file, line(entry)))
    return found


def stanzas_of(files: Mapping[str, str]) -> list[Stanza]:
    """Return the stanzas of files, given by name."""
    return [
        stanza
        for name, text in files.items()
        for stanza in stanzas(name, text)
    ]


def items(node: yaml.Node | None) -> list[yaml.Node]:
    """Return the entries of a sequence; of something else, itself."""
    if node is None:
        return []
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    return [node]


def pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    """Yield the keys and values of a mapping, with what << brings."""
    if not isinstance(node, yaml.MappingNode):
        return
    own = [key.value for key, _ in node.value]
    for key, value in node.value:
        if key.value != "<<":
            yield key.value, value
            continue
        for merged in items(value):
            yield from ((k, v) for k, v in pairs(merged) if k not in own)


def get(node: yaml.Node | None, key: str) -> yaml.Node | None:
    """Return what a mapping has below a key, or None."""
    return dict(pairs(node)).get(key)


def line(node: yaml.Node) -> int:
    """Return the line of a node, counted from 1."""
    return node.start_mark.line + 1


def value(node: yaml.Node) -> object:
    """Return what a node means in Python; tags of Zuul's own are ignored."""
    if isinstance(node, yaml.MappingNode):
        return {key: value(below) for key, below in pairs(node)}
    if isinstance(node, yaml.SequenceNode):
        return [value(below) for below in node.value]
    constructor = yaml.SafeLoader("")
    try:
        return constructor.construct_object(node)
    except yaml.YAMLError:
        return node.value
    finally:
        constructor.dispose()


def line_of(node: yaml.Node, path: Path) -> int:
    """Return the line of what a path leads to, as far as it leads.

    The line of a mapping's key is taken, where the eye looks for it.
    """
    found = line(node)
    for step in path:
        below: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value_node in node.value:
                if key.value == str(step):
                    found, below = line(key), value_node
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            if step < len(node.value):
                below = node.value[step]
                found = line(below)
        if below is None:
            return found
        node = below
    return found


def scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """Yield the scalars of a node in their order, keys too."""
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.SequenceNode):
        for below in node.value:
            yield from scalars(below)
    elif isinstance(node, yaml.MappingNode):
        for key, below in node.value:
            yield from scalars(key)
            yield from scalars(below)
