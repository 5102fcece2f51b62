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

"""The admin API: two requests that promote a failed-over backend.

Loaded into cinder-api by::

    [DEFAULT]
    osapi_volume_extension = cinder.api.contrib.standard_extensions
    osapi_volume_extension = cinder_promote.api.promote_backend.Promote_backend

Cinder only logs a warning when an extension does not load: look for the
alias ``os-promote-backend`` in ``GET /v3/extensions``.
"""

from __future__ import annotations

from http import HTTPStatus
import typing

from cinder import exception
from cinder.api import extensions, validation
from cinder.api import microversions as mv
from cinder.api.openstack import wsgi
from cinder.volume import rpcapi as volume_rpcapi
from oslo_config import cfg
from oslo_log import log as logging
import webob.exc

from cinder_promote import promotion
from cinder_promote.api import policies, schemas

CONF = cfg.CONF
LOG = logging.getLogger(__name__)

# One, to replace a pooled connection that has died since it was last used.
_BROKER_RETRIES = 1


class _JSONDeserializer(wsgi.JSONDeserializer):
    """Cinder's, for which JSON nested too deeply is a fault of the server."""

    def default(self, datastring: bytes) -> dict[str, typing.Any]:
        try:
            return super().default(datastring)
        except RecursionError as error:
            raise exception.MalformedRequestBody(
                reason='nested too deeply') from error


class PromoteBackendController(wsgi.Controller):
    """Answers both requests.

    Both take the same body, ``{"host": "host@backend"}`` or, from
    microversion 3.26 on, ``{"cluster": "cluster@backend"}``, and both
    authorise before they look at it.
    """

    @wsgi.deserializers(json=_JSONDeserializer)
    @wsgi.response(HTTPStatus.NO_CONTENT)
    def reset_active_backend(self, req: wsgi.Request,
                             body: typing.Any = None) -> None:
        """Make the service or cluster forget its fail-over.

        ``PUT /v3/[{project_id}/]os-services/reset_active_backend``

        To be sent when the service is frozen and stopped and its
        configuration names the promoted storage as its own.  Afterwards the
        service is not disabled, has no active_backend_id, and its
        replication_status is 'disabled' until replication_enable; it stays
        frozen until it is thawed.

        Normal response codes: 204.

        Error response codes: 400 for a body that is not as above, naming the
        key; 401; 403; 404 when there is no such cinder-volume host or
        cluster; 409 when it is not frozen, when it has not failed over (or
        failed to, with an active_backend_id), when another request changed it
        at the same time, or when the host is part of a cluster.
        """
        context = _authorize(req, policies.RESET_ACTIVE_BACKEND)
        _promote(promotion.reset_active_backend, context,
                 _service_or_cluster(req, body))

    @wsgi.deserializers(json=_JSONDeserializer)
    @wsgi.response(HTTPStatus.ACCEPTED)
    def replication_enable(self, req: wsgi.Request,
                           body: typing.Any = None) -> None:
        """Let the service or cluster replicate again.

        ``PUT /v3/[{project_id}/]os-services/replication_enable``

        Afterwards the replication_status is 'enabled'.  Volume services that
        are up are told to look at once, the others see it when they start.
        The request may be repeated: when the status is 'enabled' already,
        nothing is changed and the services are told again.

        Normal response codes: 202.

        Error response codes: 400 for a body that is not as above, naming the
        key; 401; 403; 404 when there is no such cinder-volume host or
        cluster; 409 when replication_status is not 'disabled', when there is
        an active_backend_id, when another request changed it at the same
        time, or when the host is part of a cluster.
        """
        context = _authorize(req, policies.REPLICATION_ENABLE)
        _promote(promotion.enable_replication, context,
                 _service_or_cluster(req, body))
        _tell_volume_services(context)


class Promote_backend(extensions.ExtensionDescriptor):
    """Promote a failed-over backend and replicate it again."""

    name = 'PromoteBackend'
    alias = 'os-promote-backend'
    updated = '2026-11-22T00:00:00-00:00'

    def __init__(self, ext_mgr: extensions.ExtensionManager) -> None:
        policies.register()
        super().__init__(ext_mgr)

    def get_resources(self) -> list[extensions.ResourceExtension]:
        """The resource behind the two paths below /os-services.

        It has a collection of its own, because a second resource named
        os-services would replace Cinder's.
        """
        return [extensions.ResourceExtension(
            self.alias, PromoteBackendController(),
            custom_routes_fn=_connect_routes)]


def _connect_routes(mapper: typing.Any, resource: wsgi.Resource) -> None:
    first = len(mapper.matchlist)
    for prefix in ('', f'/{{project_id:{CONF.project_id_regex}}}'):
        for action in ('reset_active_backend', 'replication_enable'):
            mapper.connect(f'{prefix}/os-services/{action}',
                           conditions={'method': ['PUT']},
                           controller=resource, action=action)
    # Up to 2025.2 Cinder routes PUT /os-services/{id}: be matched before it.
    ours = mapper.matchlist[first:]
    mapper.matchlist[:] = ours + mapper.matchlist[:first]


def _authorize(req: wsgi.Request, policy: str) -> typing.Any:
    """The request's context, with admin rights, if the policy lets it pass."""
    context = req.environ['cinder.context']
    context.authorize(policy)
    return context if context.is_admin else context.elevated()


@validation.schema(schemas.HOST,
                   max_version=mv.get_prior_version(mv.REPLICATION_CLUSTER))
@validation.schema(schemas.HOST_OR_CLUSTER,
                   min_version=mv.REPLICATION_CLUSTER)
def _validate(*, req: wsgi.Request, body: typing.Any) -> None:
    """Only for its decorators."""


def _service_or_cluster(req: wsgi.Request,
                        body: typing.Any) -> dict[str, str]:
    """The body, checked: one key, host or cluster, and a name."""
    if body is None:
        raise exception.InvalidInput(
            reason='the body must be a JSON object, sent with Content-Type '
                   'application/json.')
    _validate(req=req, body=body)
    if len(body) != 1:
        raise exception.InvalidInput(
            reason='one and only one of cluster and host must be given.')
    [(key, name)] = body.items()
    if '#' in name:
        raise exception.InvalidInput(
            reason=f'{key} {name} names a pool: leave out the # and what '
                   f'follows it.')
    return body


def _promote(action: typing.Callable[..., promotion.Change],
             context: typing.Any, target: dict[str, str]) -> None:
    try:
        action(context, **target)
    except promotion.NotFound as error:
        raise webob.exc.HTTPNotFound(explanation=str(error)) from error
    except promotion.PromotionError as error:
        raise webob.exc.HTTPConflict(explanation=str(error)) from error


def _tell_volume_services(context: typing.Any) -> None:
    """Have the volume services that are up look at their rows at once.

    They see the change anyway when they next start, so a broker that is down
    is logged and nothing else.
    """
    try:
        api = volume_rpcapi.VolumeAPI()
        # Without a limit, Cinder's client waits for the broker for ever.
        api.client = api.client.prepare(retry=_BROKER_RETRIES)
        api.publish_service_capabilities(context)
    except Exception:
        LOG.exception('Replication is enabled, but the volume services could '
                      'not be told: they start to replicate when their '
                      'statistics are next refreshed or when they restart.')
