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

"""A real Zuul that loads one tenant for each project asked about."""

from collections.abc import Mapping
import dataclasses
import pathlib

from zuul_check import check, loaded, problem, repository
from zuul_check import names as known_names
from zuul_check import tenant as tenants
from zuul_lab import (
    certificates,
    frozen,
    repositories,
    services,
    web,
    zookeeper,
)


@dataclasses.dataclass(frozen=True)
class Subject:
    """A project that is asked about.

    :param tenant: the name of its tenant
    :param members: of its tenant; itself is the first
    """

    tenant: str
    name: str
    path: pathlib.Path
    members: list[tenants.Member]


@dataclasses.dataclass(frozen=True)
class Result:
    """What was found.

    :param status: of the scheduler that validated the first tenant
    :param output: its log
    :param jobs: summaries of the frozen jobs, by name
    """

    subject: Subject
    status: int
    output: str
    problems: list[problem.Problem]
    jobs: dict[str, dict]


def subject(
    tenant: str,
    name: str,
    path: pathlib.Path,
    given: Mapping[str, repository.Repository],
    known: known_names.Names,
) -> Subject:
    """Return a project with the members of its tenant."""
    files = repository.configuration(repository.WorkTree(path))
    return Subject(
        tenant, name, path, tenants.members(name, files, given, known)
    )


def run(
    directory: pathlib.Path, subjects: list[Subject], known: known_names.Names
) -> list[Result]:
    """Load the tenants; return what was found, in the order of the subjects.

    The first tenant is also validated by a scheduler of its own.
    """
    tls = certificates.make(directory)
    repositories_wanted = _repositories(subjects)
    say("Start ZooKeeper and git")
    with (
        zookeeper.running(directory, tls) as port,
        repositories.served(directory, repositories_wanted) as git,
    ):
        zuul = services.Services(
            directory,
            {one.tenant: one.members for one in subjects},
            port,
            tls,
            git,
        )
        with zuul.merger():
            say("Validate with zuul-scheduler")
            verdict = zuul.validate(subjects[0].tenant)
            say("Start zuul-scheduler and zuul-web")
            with zuul.scheduler() as interface:
                say("Ask for the jobs")
                return [
                    _result(one, interface, known, *verdict)
                    for one in subjects
                ]


def say(what: str) -> None:
    print(f"==> {what}", flush=True)


def _repositories(subjects: list[Subject]) -> list[tenants.Member]:
    """Return the repositories of all tenants, each once."""
    found: dict[str, tenants.Member] = {}
    for one in subjects:
        for member in one.members:
            found.setdefault(member.name, member)
    return list(found.values())


def _result(
    one: Subject,
    interface: web.Web,
    known: known_names.Names,
    status: int,
    output: str,
) -> Result:
    tenant = web.Tenant(interface, one.tenant, one.members)
    problems = [
        found
        for found in check.check(
            one.name, repository.WorkTree(one.path), known, tenant
        )
        if not found.repository
    ]
    try:
        jobs = tenant.frozen(tenants.EVERY_JOB)
    except loaded.FreezeError:
        # The check has told.
        jobs = {}
    return Result(
        one,
        status,
        output,
        problems,
        {name: frozen.summary(job) for name, job in sorted(jobs.items())},
    )
