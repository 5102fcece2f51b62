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

"""What promotion asks of Cinder, over python-cinderclient.

>>> cinder = cinderclient.client.Client("3.26", session=session)
>>> promotion = PromotionManager(cinder)
>>> promotion.reset_active_backend(host="host@lvm-a")
"""

import typing

from cinderclient import api_versions, base, exceptions
from cinderclient.apiclient import base as common_base

# The first one in which a cluster can be named.
_CLUSTERS = api_versions.APIVersion("3.26")


class PromotionManager(base.Manager):
    """The two requests that promote a failed-over volume service.

    What they return has ``request_ids``, as with cinderclient's own. Errors
    are those of :mod:`cinderclient.exceptions`; a ClientException with code
    409 means that the state of the service does not allow the request.
    """

    def reset_active_backend(
        self, host: str | None = None, cluster: str | None = None
    ) -> common_base.TupleWithMeta:
        """Make a service or cluster forget its fail-over.

        :param host: ``host@backend``
        :param cluster: instead of host, ``cluster@backend``, for which the
            client must have microversion 3.26
        """
        return self._put("reset_active_backend", host, cluster)

    def replication_enable(
        self, host: str | None = None, cluster: str | None = None
    ) -> common_base.TupleWithMeta:
        """Let a promoted service or cluster replicate again.

        Parameters are those of :meth:`reset_active_backend`.
        """
        return self._put("replication_enable", host, cluster)

    def _put(
        self, action: str, host: str | None, cluster: str | None
    ) -> common_base.TupleWithMeta:
        if (host is None) == (cluster is None):
            raise ValueError("exactly one of host and cluster must be given")
        if cluster is not None and self.api_version < _CLUSTERS:
            raise exceptions.UnsupportedAttribute("cluster", _CLUSTERS, None)
        named = {"host": host} if cluster is None else {"cluster": cluster}
        answer: tuple[typing.Any, typing.Any] = self.api.client.put(
            f"/os-services/{action}", body=named
        )
        return common_base.TupleWithMeta(answer, answer[0])
