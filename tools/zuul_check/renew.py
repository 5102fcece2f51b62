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

"""Make names.yaml from the repositories that it tells of."""

from collections.abc import Mapping

import yaml

from zuul_check import ansible_files, definitions, document, repository, tenant
from zuul_check import names as known_names

# Holds the tenants with their projects, and the pipelines.
CENTRAL = "openstack/project-config"
_TENANTS = "zuul/main.yaml"
_TENANT = "openstack"
# Names of projects beyond these stay out of the file, to keep it small.
_NAMESPACE = "openstack/"


def renew(
    given: Mapping[str, repository.Commit],
) -> known_names.Names:
    """Return the names that repositories define and refer to.

    :param given: by name of the project; CENTRAL is needed
    :raises repository.RepositoryError: if that is missing
    """
    if CENTRAL not in given:
        raise repository.RepositoryError(
            f"{CENTRAL} is needed, for the tenant's projects and pipelines."
        )
    stanzas = {
        name: document.stanzas_of(repository.configuration(one))
        for name, one in given.items()
    }
    repositories = {}
    for name, theirs in stanzas.items():
        if name == CENTRAL:
            continue
        repositories[name] = definitions.defined(theirs)
        repositories[name].roles = ansible_files.own_roles(given[name])
    # What a project runs for itself, and the central jobs, are not for others.
    everything = [
        one
        for name, theirs in stanzas.items()
        for one in theirs
        if name != CENTRAL and one.kind != "project"
    ]
    elsewhere = tenant.missing(everything, list(repositories.values()))
    elsewhere.roles = {
        use.name
        for one in given.values()
        for use in ansible_files.uses(one)
        if use.kind == "role"
    }.difference(*(ansible_files.own_roles(one) for one in given.values()))
    referred = definitions.referred(everything).projects
    return known_names.Names(
        sources={name: one.id for name, one in sorted(given.items())},
        projects={
            project
            for project in _projects(given[CENTRAL])
            if project.startswith(_NAMESPACE)
        }
        | {tenant.unqualified(project) for project in referred},
        pipelines={
            stanza.name: document.value(node) is True
            if (node := document.get(stanza.body, "post-review"))
            else False
            for stanza in stanzas[CENTRAL]
            if stanza.kind == "pipeline"
        },
        repositories=repositories,
        elsewhere=elsewhere,
    )


def _projects(central: repository.Commit) -> set[str]:
    """Return the projects of the tenant."""
    for entry in yaml.safe_load(central.read(_TENANTS)):
        if entry.get("tenant", {}).get("name") == _TENANT:
            found: set[str] = set()
            for source in entry["tenant"]["source"].values():
                for members in source.values():
                    found |= _names(members)
            return found
    raise repository.RepositoryError(
        f"{_TENANTS} of {CENTRAL} has no tenant {_TENANT}."
    )


def _names(members: list) -> set[str]:
    """Return the names in a list of projects, which may hold groups."""
    found: set[str] = set()
    for member in members:
        if isinstance(member, str):
            found.add(member)
        elif "projects" in member:
            found |= _names(member["projects"])
        else:
            found |= set(member)
    return found
