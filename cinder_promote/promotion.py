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
# under the License.

"""What promotion changes in the row of a volume service or a cluster.

After a fail-over the row of a cinder-volume service says which replication
target is active.  Promoting that target takes two changes of the row:

* :func:`reset_active_backend` makes the service forget the fail-over, once
  its configuration names the promoted storage as its own;
* :func:`enable_replication` lets the service protect its volumes again.

A host or a cluster is named exactly as ``openstack volume service list``
shows it, without a pool.  Each change is decided by one conditional UPDATE:
the row must still be what was read and judged, so of two callers at once
exactly one changes it.  A cluster and all its services change in the same
transaction, and the cluster's row is the one that is judged.

Nothing here speaks to a volume service, so it all works with the services
stopped.  The API and the offline commands both are this, so both refuse and
change the same.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing

from cinder.common import constants
from cinder.objects import fields
from oslo_db import api as oslo_db_api
from oslo_log import log as logging
from oslo_utils import timeutils

try:
    from cinder.db.sqlalchemy import api as db_api
    from cinder.db.sqlalchemy import models
except ImportError:  # Cinder 29 moved both one level up
    from cinder.db import api as db_api
    from cinder.db import models

LOG = logging.getLogger(__name__)

_STATUS = fields.ReplicationStatus
_JUDGED = ('replication_status', 'active_backend_id', 'frozen')


@dataclasses.dataclass(frozen=True)
class State:
    """The columns that tell where a service or cluster is in a promotion.

    ``active_backend_id`` is None when the primary is active, also where
    Cinder wrote an empty string (it does so on fail-back).
    """

    replication_status: str | None
    active_backend_id: str | None
    frozen: bool
    disabled: bool
    disabled_reason: str | None

    @classmethod
    def of(cls, row: typing.Any) -> State:
        """The state that a row of services or clusters holds."""
        return cls(replication_status=row.replication_status,
                   active_backend_id=row.active_backend_id or None,
                   frozen=bool(row.frozen),
                   disabled=bool(row.disabled),
                   disabled_reason=row.disabled_reason or None)

    def __str__(self) -> str:
        return ', '.join(f'{field} {value!r}' for field, value
                         in dataclasses.asdict(self).items())


@dataclasses.dataclass(frozen=True)
class Row:
    """A service or cluster and its state.

    ``kind`` is 'host' or 'cluster', ``name`` its name and ``cluster`` the
    cluster that a host's service is part of.  ``updated_at``, in UTC, is the
    last heartbeat of a service.
    """

    kind: str
    name: str
    cluster: str | None
    state: State
    updated_at: datetime.datetime | None

    @classmethod
    def of(cls, row: typing.Any) -> Row:
        """The same for a row of services or clusters."""
        if isinstance(row, models.Cluster):
            return cls('cluster', row.name, None, State.of(row),
                       row.updated_at)
        return cls('host', row.host, row.cluster_name or None, State.of(row),
                   row.updated_at)


@dataclasses.dataclass(frozen=True)
class Change:
    """What was asked for and what became of it.

    ``kind`` is 'host' or 'cluster', ``name`` its name; ``before`` and
    ``after`` are equal when there was nothing to do.  ``services`` are the
    same of each service of a cluster.
    """

    kind: str
    name: str
    before: State
    after: State
    services: tuple[Change, ...] = ()

    @property
    def changed(self) -> bool:
        return self.before != self.after


class PromotionError(Exception):
    """Why a service or cluster was left as it was."""


class NotFound(PromotionError):
    """There is no cinder-volume service or cluster of that name."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f'There is no {constants.VOLUME_BINARY} {kind} '
                         f'{name}.')
        self.kind = kind
        self.name = name


class HostInCluster(PromotionError):
    """The host's service belongs to a cluster, which must change as one."""

    def __init__(self, host: str, cluster: str) -> None:
        super().__init__(
            f'Host {host} is part of cluster {cluster}, whose services change '
            f'together: name the cluster instead of the host.')
        self.host = host
        self.cluster = cluster


class StateConflict(PromotionError):
    """The state does not allow the change.

    ``found`` is the :class:`State` that was read, ``expected`` says in words
    which states would have allowed the change.
    """

    def __init__(self, kind: str, name: str, found: State,
                 expected: str, reason: str = '') -> None:
        super().__init__(f'{reason}Expected of {kind} {name}: {expected}; '
                         f'found: {found}.')
        self.kind = kind
        self.name = name
        self.found = found
        self.expected = expected


class ConcurrentChange(StateConflict):
    """Somebody else changed the row between reading and changing it.

    ``found`` is what they left there.
    """

    def __init__(self, kind: str, name: str, found: State,
                 expected: str) -> None:
        super().__init__(kind, name, found, expected,
                         reason=f'Another request changed {kind} {name} at '
                                f'the same time. ')


@dataclasses.dataclass(frozen=True)
class _Target:
    kind: str
    name: str
    row: typing.Any

    @property
    def state(self) -> State:
        return State.of(self.row)

    @property
    def model(self) -> typing.Any:
        return models.Cluster if self.kind == 'cluster' else models.Service


def rows(context: typing.Any, host: str | None = None,
         cluster: str | None = None) -> list[Row]:
    """What the database says of volume services and clusters.

    :param context: an admin's request context
    :param host: the one service to tell of, ``host@backend``
    :param cluster: instead of host, the cluster to tell of, with its services
    :returns: by name, each cluster's services after it; all there are when
        neither host nor cluster is given
    :raises NotFound: no such cinder-volume host or cluster
    """
    if host is not None or cluster is not None:
        found = _find(context, *_only_one(host, cluster), of_cluster=True)
        return [Row.of(row) for row in (found.row, *_services(context, found))]
    clusters = db_api.cluster_get_all(context, binary=constants.VOLUME_BINARY)
    services = db_api.service_get_all(context, binary=constants.VOLUME_BINARY)
    return sorted(map(Row.of, (*clusters, *services)),
                  key=lambda row: (row.cluster or row.name,
                                   row.kind != 'cluster', row.name))


def reset_active_backend(context: typing.Any, host: str | None = None,
                         cluster: str | None = None, *,
                         active_backend_id: str | None = None,
                         enable: bool = False,
                         dry_run: bool = False) -> Change:
    """Make a failed-over service forget the fail-over.

    Sets disabled to False, replication_status to 'disabled' and both
    active_backend_id and disabled_reason to NULL; frozen stays.  The service
    must be frozen and failed over, or its fail-over must have failed with an
    active backend set.

    :param context: an admin's request context
    :param host: the service's host, ``host@backend``
    :param cluster: instead of host, the cluster's name, ``cluster@backend``
    :param active_backend_id: what to set active_backend_id to
    :param enable: set replication_status to 'enabled'
    :param dry_run: write nothing
    :returns: the :class:`Change` made, or what it would be
    :raises NotFound: no such cinder-volume host or cluster
    :raises HostInCluster: the host can change only with its cluster
    :raises StateConflict: the state does not allow it, or another caller
        changed it first
    """
    return _change(
        context, _find(context, *_only_one(host, cluster)),
        allowed=_may_reset,
        expected=(
            f"frozen True and replication_status '{_STATUS.FAILED_OVER}' "
            f"(or '{_STATUS.FAILOVER_ERROR}' or '{_STATUS.ERROR}' with an "
            f"active_backend_id)"),
        values={'disabled': False,
                'disabled_reason': None,
                'replication_status': (_STATUS.ENABLED if enable
                                       else _STATUS.DISABLED),
                'active_backend_id': active_backend_id},
        dry_run=dry_run)


def enable_replication(context: typing.Any, host: str | None = None,
                       cluster: str | None = None, *,
                       dry_run: bool = False) -> Change:
    """Let a promoted service protect its volumes again.

    Sets replication_status to 'enabled'.  It must be 'disabled', with no
    active_backend_id; when it is 'enabled' already there is nothing to do.

    :param context: an admin's request context
    :param host: the service's host, ``host@backend``
    :param cluster: instead of host, the cluster's name, ``cluster@backend``
    :param dry_run: write nothing
    :returns: the :class:`Change` made, or what it would be; ``changed`` is
        False if it was enabled
    :raises NotFound: no such cinder-volume host or cluster
    :raises HostInCluster: the host can change only with its cluster
    :raises StateConflict: the state does not allow it, or another caller
        changed it first
    """
    target = _find(context, *_only_one(host, cluster))
    state = target.state
    if (state.replication_status == _STATUS.ENABLED and
            not state.active_backend_id):
        LOG.info('Replication of %(kind)s %(name)s is enabled already.',
                 {'kind': target.kind, 'name': target.name})
        return _describe(context, target, {})
    return _change(
        context, target,
        allowed=_may_enable,
        expected=(f"replication_status '{_STATUS.DISABLED}' and "
                  f"active_backend_id None"),
        values={'replication_status': _STATUS.ENABLED},
        dry_run=dry_run)


def _may_reset(state: State) -> bool:
    if not state.frozen:
        return False
    if state.replication_status == _STATUS.FAILED_OVER:
        return True
    return (state.replication_status in (_STATUS.FAILOVER_ERROR,
                                         _STATUS.ERROR) and
            state.active_backend_id is not None)


def _may_enable(state: State) -> bool:
    return (state.replication_status == _STATUS.DISABLED and
            state.active_backend_id is None)


def _only_one(host: str | None, cluster: str | None) -> tuple[str, str]:
    """Of the two, the one that is given: its kind and its name."""
    if host is not None and cluster is None:
        return 'host', host
    if cluster is not None and host is None:
        return 'cluster', cluster
    raise ValueError('exactly one of host and cluster must be given')


def _find(context: typing.Any, kind: str, name: str,
          of_cluster: bool = False) -> _Target:
    """The row of that name.

    :param of_cluster: take the host of a clustered service as well
    """
    if kind == 'cluster':
        rows = db_api.cluster_get_all(context, name=name,
                                      name_match_level='pool',
                                      binary=constants.VOLUME_BINARY)
    else:
        rows = db_api.service_get_all(context, host=name,
                                      backend_match_level='pool',
                                      binary=constants.VOLUME_BINARY)
    for row in rows:
        # Whatever the database's collation takes for equal.
        if name != (row.name if kind == 'cluster' else row.host):
            continue
        if kind == 'host' and row.cluster_name and not of_cluster:
            raise HostInCluster(name, row.cluster_name)
        return _Target(kind, name, row)
    raise NotFound(kind, name)


def _services(context: typing.Any, target: _Target) -> list[typing.Any]:
    """The rows of a cluster's services by host, none for a host."""
    if target.kind == 'host':
        return []
    found = db_api.service_get_all(context, cluster_name=target.name,
                                   backend_match_level='pool',
                                   binary=constants.VOLUME_BINARY)
    return sorted(found, key=lambda row: row.host)


def _describe(context: typing.Any, target: _Target,
              values: dict[str, typing.Any]) -> Change:
    """The change that writing values makes."""
    services = []
    for row in _services(context, target):
        state = State.of(row)
        services.append(Change('host', row.host, state,
                               dataclasses.replace(state, **values)))
    return Change(target.kind, target.name, target.state,
                  dataclasses.replace(target.state, **values),
                  tuple(services))


def _change(context: typing.Any, target: _Target,
            allowed: typing.Callable[[State], bool], expected: str,
            values: dict[str, typing.Any], dry_run: bool) -> Change:
    if not allowed(target.state):
        raise StateConflict(target.kind, target.name, target.state, expected)
    change = _describe(context, target, values)
    if dry_run:
        return change
    if not _compare_and_swap(context, target, values):
        now = _find(context, target.kind, target.name).state
        raise ConcurrentChange(target.kind, target.name, now, expected)
    LOG.info('Changed %(kind)s %(name)s from %(before)s to %(after)s.',
             {'kind': target.kind, 'name': target.name,
              'before': change.before, 'after': change.after})
    return change


@oslo_db_api.wrap_db_retry(max_retries=5, retry_on_deadlock=True)
def _compare_and_swap(context: typing.Any, target: _Target,
                      values: dict[str, typing.Any]) -> bool:
    """Write values, but only while the row is the one that was judged.

    Not cinder.db.conditional_update: that retries a deadlock by itself, which
    inside this transaction would lose the first of the two updates.
    """
    service, model, row = models.Service, target.model, target.row
    as_judged = [model.id == row.id, ~model.deleted,
                 *(getattr(model, column) == getattr(row, column)
                   for column in _JUDGED)]
    if target.kind == 'host':
        as_judged.append(service.cluster_name == row.cluster_name)
    # A service's updated_at is its heartbeat, not ours to move.
    service_values = dict(values, updated_at=service.updated_at)
    if 'disabled' in values:
        service_values['modified_at'] = timeutils.utcnow()

    with db_api.main_context_manager.writer.using(context) as session:
        changed = session.query(model).filter(*as_judged).update(
            values if target.kind == 'cluster' else service_values,
            synchronize_session=False)
        if changed and target.kind == 'cluster':
            session.query(service).filter(
                service.cluster_name == target.name,
                service.binary == constants.VOLUME_BINARY,
                ~service.deleted,
            ).update(service_values, synchronize_session=False)
    return bool(changed)
