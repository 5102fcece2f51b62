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

"""Load a tenant with Zuul's own configuration loader, in this process.

Zuul's loader gets its files from mergers by way of ZooKeeper. Here stand-ins
give it the members' files; what it does with them is Zuul's own code. This is
the only module that imports Zuul, and needs the environment of `make zuul`.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import logging
import types

from opentelemetry import trace
from opentelemetry.sdk import trace as trace_sdk
from zuul import configloader, model, model_api
from zuul.lib import ansible
from zuul.zk import components, zkobject

from zuul_check import loaded as known
from zuul_check import tenant as tenants

BRANCH = "master"
_CONNECTION = "gerrit"

# Zuul asks in ZooKeeper how new the others' data model is.
components.COMPONENT_REGISTRY.registry = types.SimpleNamespace(
    model_api=model_api.MODEL_API
)
# Zuul's queue items want to be traced.
trace.set_tracer_provider(trace_sdk.TracerProvider())


@dataclasses.dataclass
class Loaded:
    """A tenant as Zuul has loaded it: see loaded.Loaded."""

    tenant: model.Tenant
    project: model.Project
    errors: list[known.Error]

    def job_names(self) -> set[str]:
        return set(self.tenant.layout.jobs)

    def freeze(self, pipeline: str) -> dict[str, known.Job]:
        manager = self.tenant.layout.pipeline_managers[pipeline]
        change = model.Branch(self.project)
        change.branch = BRANCH
        change.cache_stat = types.SimpleNamespace(
            key=types.SimpleNamespace(reference="0" * 40)
        )
        context = zkobject.LocalZKContext(logging.getLogger(__name__))
        queue = model.ChangeQueue.new(context, manager=manager)
        item = model.QueueItem.new(context, queue=queue, changes=[change])
        try:
            item.freezeJobGraph(
                self.tenant.layout,
                context,
                None,
                skip_file_matcher=True,
                redact_secrets_and_keys=True,
            )
        except Exception as error:  # Zuul raises plain ones
            raise known.FreezeError(str(error)) from error
        graph = item.current_build_set.job_graph
        return {job.name: _job(job) for job in graph.getJobs()}


def load(members: list[tenants.Member]) -> Loaded:
    """Load a tenant; the first member is the project that is asked about."""
    source = _Source(members)
    connections = _Connections(source)
    loader = configloader.ConfigLoader(
        connections,
        types.SimpleNamespace(system_id="check"),
        _ZooKeeper(),
        model.SystemAttributes(),
        _Cache(),
        merger=_Merger({member.name: member.files for member in members}),
        keystorage=_Keys(),
    )
    unparsed = model.UnparsedAbideConfig()
    unparsed.extend(
        [{"tenant": tenants.tenant("check", _CONNECTION, members)}]
    )
    abide = model.Abide()
    loader.loadTPCs(abide, unparsed)
    with _quiet():
        loaded = loader.loadTenant(
            abide,
            "check",
            ansible.AnsibleManager(),
            unparsed,
            ignore_cat_exception=False,
        )
    # A stub may lack what its own project's other files define.
    stubs = {member.name for member in members if not member.real}
    errors = [
        one
        for one in map(_error, loaded.layout.loading_errors.errors)
        if one.project not in stubs
    ]
    return Loaded(loaded, source.getProject(members[0].name), errors)


def _job(job: model.FrozenJob) -> known.Job:
    return known.Job(
        job.name,
        job.variables or {},
        [
            job.extra_variables or {},
            *(job.host_variables or {}).values(),
            *(job.group_variables or {}).values(),
        ],
    )


def _error(error: model.ConfigurationError) -> known.Error:
    context, mark = error.key.context, error.key.mark
    return known.Error(
        project=context.project_name if context else "",
        file=context.path or "" if context else "",
        line=mark.line + 1 if mark else 0,
        text=error.short_error or error.error,
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Zuul from logging the errors that it also returns."""
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


class _Source:
    """Stands for the code review system."""

    name = _CONNECTION
    canonical_hostname = tenants.HOSTNAME

    def __init__(self, members: list[tenants.Member]) -> None:
        self.connection = types.SimpleNamespace(
            connection_name=_CONNECTION, driver=types.SimpleNamespace()
        )
        self._projects = {
            member.name: model.Project(member.name, self) for member in members
        }

    def getProject(self, name: str) -> model.Project:
        return self._projects[name]

    def getProjectBranches(self, *_: object) -> list[str]:
        return [BRANCH]

    def getProjectDefaultBranch(self, *_: object) -> str:
        return BRANCH

    def getProjectMergeModes(self, *_: object) -> None:
        return None

    def getProjectDefaultMergeMode(self, *_: object, **__: object) -> str:
        return "merge"


class _Connections:
    """Stands for the registry of connections."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self.connections = {_CONNECTION: source.connection}

    def getSource(self, _: str) -> _Source:
        return self._source


class _Merger:
    """Stands for the mergers, which read files from git."""

    git_timeout = 60

    def __init__(self, files: dict[str, dict[str, str]]) -> None:
        self._files = files

    def getFiles(
        self, _: str, project: str, *__: object, **___: object
    ) -> types.SimpleNamespace:
        return types.SimpleNamespace(
            files=self._files[project], updated=True, wait=lambda _: True
        )

    def cancel(self, _: object) -> None:
        pass


class _Keys:
    """Stands for the store of the projects' keys."""

    def getProjectSecretsKeys(self, *_: object) -> tuple[None, None]:
        return None, None

    getProjectSSHKeys = getTenantSSHKeys = getProjectSecretsKeys


class _ZooKeeper:
    """Stands for ZooKeeper, whose clock alone is asked."""

    client = None

    def getCurrentLtime(self) -> int:
        return 1


class _Files(dict):
    """Stands for the files of a project that ZooKeeper holds."""

    ltime = 0

    def setValidFor(self, *_: object) -> None:
        pass


class _Cache:
    """Stands for ZooKeeper's store of files, and keeps none."""

    def getFilesCache(self, *_: object) -> _Files:
        return _Files()

    def writeLock(self, _: str) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext()
