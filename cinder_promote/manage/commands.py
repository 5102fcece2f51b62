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

"""The commands of cinder-promote-manage."""

import abc
import argparse
from collections.abc import Iterator
from typing import Any, TypeAlias

from cliff import lister

from cinder_promote import promotion
from cinder_promote.manage import database

# The exit status beside 0, changed, and 1, refused or failed.
NOTHING_TO_CHANGE = 3

_STATE = (
    "Replication Status",
    "Active Backend ID",
    "Frozen",
    "Disabled",
    "Disabled Reason",
)
# What the database's column for it can hold.
_MAX_LENGTH = 255

_Lines: TypeAlias = list[tuple[Any, ...]]


class _Command(lister.Lister, metaclass=abc.ABCMeta):
    """A command on Cinder's database that prints lines of ``columns``.

    ``status`` is the exit status, for :meth:`act` to set.
    """

    columns: tuple[str, ...]
    status = 0

    @abc.abstractmethod
    def act(self, context: Any, given: argparse.Namespace) -> _Lines:
        """Do it and return what to print."""

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], _Lines]:
        # Refuses unknown columns, which cliff does when all is done.
        self._generate_columns_and_selector(parsed_args, self.columns)
        options = self.app.options
        with database.opened(
            options.config_file, options.config_dir
        ) as context:
            return self.columns, self.act(context, parsed_args)

    def run(self, parsed_args: argparse.Namespace) -> int:
        super().run(parsed_args)
        return self.status


class Show(_Command):
    """Show what the database says of volume services and clusters.

    A cluster is shown with its services.
    """

    columns = ("Kind", "Name", "Cluster", *_STATE, "Updated At")

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_target(parser, nargs="?")
        self._usage_error = parser.error
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], _Lines]:
        if parsed_args.cluster and parsed_args.host is None:
            self._usage_error("--cluster goes with a name")
        return super().take_action(parsed_args)

    def act(self, context: Any, given: argparse.Namespace) -> _Lines:
        target = {} if given.host is None else _target(given)
        return [
            (
                row.kind,
                row.name,
                row.cluster,
                *_state(row.state),
                row.updated_at and row.updated_at.isoformat(),
            )
            for row in promotion.rows(context, **target)
        ]


class _Change(_Command):
    """A command that changes one service, or a cluster with its services."""

    columns = ("When", "Kind", "Name", *_STATE)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_target(parser)
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="check and print the same, but change nothing",
        )
        return parser

    @abc.abstractmethod
    def change(
        self, context: Any, given: argparse.Namespace
    ) -> promotion.Change:
        """Make the change, or not if it is only tried out."""

    def act(self, context: Any, given: argparse.Namespace) -> _Lines:
        change = self.change(context, given)
        if not change.changed:
            self.status = NOTHING_TO_CHANGE
        self.app.LOG.info(_sentence(change, given.dry_run))
        return [
            (when, row.kind, row.name, *_state(state))
            for row in (change, *change.services)
            for when, state in (("before", row.before), ("after", row.after))
        ]


class ResetActiveBackend(_Change):
    """Make a frozen service that has failed over forget the fail-over.

    To be run when the volume service is stopped and its configuration names
    the promoted storage as its own.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--active-backend-id",
            metavar="<id>",
            type=_backend_id,
            help="set active_backend_id to this, not to NULL",
        )
        parser.add_argument(
            "--enable-replication",
            action="store_true",
            help="set replication_status to 'enabled', not to 'disabled'",
        )
        return parser

    def change(
        self, context: Any, given: argparse.Namespace
    ) -> promotion.Change:
        return promotion.reset_active_backend(
            context,
            **_target(given),
            active_backend_id=given.active_backend_id,
            enable=given.enable_replication,
            dry_run=given.dry_run,
        )


class ReplicationEnable(_Change):
    """Let a promoted service replicate its volumes again.

    The volume service sees it when it next starts or refreshes its
    statistics.
    """

    def change(
        self, context: Any, given: argparse.Namespace
    ) -> promotion.Change:
        return promotion.enable_replication(
            context, **_target(given), dry_run=given.dry_run
        )


def _add_target(
    parser: argparse.ArgumentParser, nargs: str | None = None
) -> None:
    parser.add_argument(
        "host",
        metavar="<host>",
        nargs=nargs,
        help="the volume service, host@backend",
    )
    parser.add_argument(
        "--cluster",
        action="store_true",
        help="<host> is the name of a cluster, cluster@backend",
    )


def _target(given: argparse.Namespace) -> dict[str, str]:
    return {"cluster" if given.cluster else "host": given.host}


def _backend_id(text: str) -> str:
    if not 0 < len(text) <= _MAX_LENGTH:
        raise argparse.ArgumentTypeError(
            f"must have 1 to {_MAX_LENGTH} characters"
        )
    if text == "default":
        raise argparse.ArgumentTypeError(
            "'default' is what Cinder calls the primary when failing back; "
            "leave the option out for it"
        )
    return text


def _state(state: promotion.State) -> Iterator[Any]:
    """Return a state's values in the order of the columns."""
    yield state.replication_status
    yield state.active_backend_id
    yield state.frozen
    yield state.disabled
    yield state.disabled_reason


def _sentence(change: promotion.Change, dry_run: bool) -> str:
    what = f"{change.kind} {change.name}"
    if change.kind == "cluster":
        what += f" (services: {len(change.services)})"
    if not change.changed:
        return f"There is nothing to change in {what}."
    if dry_run:
        return f"This would change {what}; nothing was changed."
    return f"Changed {what}."
