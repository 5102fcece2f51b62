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

"""The commands of ``cinder`` that promotion adds.

cinderclient finds them in a top-level module, which is a copy of this one;
setup.py says where there is one and why.
"""

import argparse
from collections.abc import Callable
import typing

from cinderclient import exceptions, utils

from cinder_promote.client import hints, services

_COMMANDS = hints.Commands(
    fail_over="cinder failover-host --backend_id <backend-id>",
    freeze="cinder freeze-host",
    reset="cinder reset-active-backend",
    enable="cinder replication-enable",
)

_host = utils.arg(
    "name",
    metavar="<host>",
    help="The volume service's host, host@backend.",
)
_cluster = utils.arg(
    "--cluster",
    action="store_true",
    default=False,
    start_version="3.26",
    help="<host> is the name of a cluster, cluster@backend, whose services "
    "are changed together.",
)


@_host
@_cluster
def do_reset_active_backend(cs: typing.Any, args: argparse.Namespace) -> None:
    """Makes a failed-over volume service forget its fail-over.

    For a service that is frozen and stopped and whose configuration names
    the promoted storage as its own. It is not protected until
    replication-enable.
    """
    manager = services.PromotionManager(cs)
    _change(cs, args, manager.reset_active_backend, hints.before_reset)


@_host
@_cluster
def do_replication_enable(cs: typing.Any, args: argparse.Namespace) -> None:
    """Lets a promoted volume service replicate again."""
    manager = services.PromotionManager(cs)
    _change(cs, args, manager.replication_enable, hints.before_enable)


def _change(
    cs: typing.Any,
    args: argparse.Namespace,
    request: Callable[..., typing.Any],
    hint: Callable[..., str],
) -> None:
    kind = "cluster" if getattr(args, "cluster", False) else "host"
    target = {kind: args.name}
    try:
        request(**target)
    except exceptions.ClientException as error:
        said = error.message
        if error.code == 409:
            said = f"{said} {_hint(cs, hint, target)}".rstrip()
        elif error.code in (400, 404) and not _extension_loaded(cs):
            said = hints.NOT_LOADED
        raise exceptions.CommandError(said) from error


def _hint(
    cs: typing.Any, hint: Callable[..., str], target: dict[str, str]
) -> str:
    try:
        listed = cs.services.list(binary="cinder-volume")
    except exceptions.ClientException:
        return ""
    return hint(_COMMANDS, listed, **target)


def _extension_loaded(cs: typing.Any) -> bool:
    _, body = cs.client.get("/extensions")
    return hints.EXTENSION in (one["alias"] for one in body["extensions"])
