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

"""cinder-promote: promote a backend that was failed over, step by step."""

import argparse
from collections.abc import Iterator, Sequence
import contextlib
from importlib import metadata
import json
import logging
import re
import sys
import traceback
from typing import Any, TextIO

from cliff import app, command, commandmanager
from rich import console as rich_console
from rich import table as rich_table

from cinder_promote.runbook import (
    cloud,
    config,
    errors,
    forecast,
    records,
    report,
    runner,
    status,
)

_NAME = re.compile(r"[^-@#/\s][^@#/\s]*@[^@#/\s]+\Z")
_BACKEND_ID = re.compile(r"[^-\s,:$\"'#;][^\s,:$\"'#;]*\Z")

# Libraries that say on their own what a sentence of ours says better.
_QUIET = ("paramiko", "keystoneauth", "openstack", "stevedore", "urllib3")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    :returns: the exit status: 0 done, 1 refused or failed, 2 the command
        line is not understood, 3 the checks before a run found that
        something is in the way
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return Application().run(arguments)
    except SystemExit as left:
        # cliff's help leaves with an integer or None.
        return left.code if isinstance(left.code, int) else 0


class Application(app.App):
    """The command line program; ``--debug`` shows tracebacks."""

    NAME = "cinder-promote"

    def __init__(self) -> None:
        manager = commandmanager.CommandManager()
        for name, made in _COMMANDS.items():
            manager.add_command(name, made)
        super().__init__(
            description="Promote a backend that was failed over, step by "
            "step.",
            version=_version(),
            command_manager=manager,
            stdout=sys.stdout,
            stderr=sys.stderr,
            # so that each verb has a help of its own
            deferred_help=True,
        )

    def build_option_parser(
        self,
        description: str | None,
        version: str | None,
        argparse_kwargs: dict[str, Any] | None = None,
    ) -> argparse.ArgumentParser:
        parser = super().build_option_parser(
            description, version, {"prog": self.NAME}
        )
        parser.add_argument(
            "--os-cloud",
            metavar="NAME",
            help="the cloud in clouds.yaml (default: OS_CLOUD, or what the "
            "other OS_* variables say)",
        )
        parser.add_argument(
            "--config-file",
            metavar="FILE",
            help=f"options of this command (default: {config.DEFAULT_FILE} "
            "if it exists)",
        )
        return parser

    def configure_logging(self) -> None:
        super().configure_logging()
        if not self.options.debug:
            for name in _QUIET:
                logging.getLogger(name).setLevel(logging.CRITICAL)

    def interact(self) -> None:
        """Say how it is called; there is no interactive mode."""
        self.parser.print_help(self.stderr)
        raise SystemExit(2)


class _Verb(command.Command):
    """What the verbs have in common."""

    app: Application

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--json", action="store_true", help="print JSON, for a program"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        try:
            return self.act(parsed_args)
        except KeyboardInterrupt:
            error = errors.RunbookError(
                "Interrupted; 'cinder-promote status' tells where it is."
            )
            return self._failed(parsed_args, error)
        except errors.RunbookError as error:
            return self._failed(parsed_args, error)

    def act(self, given: argparse.Namespace) -> int:
        """Do it, and return the exit status."""
        raise NotImplementedError

    def cloud(self) -> cloud.Cloud:
        return cloud.Cloud.connect(self.app.options.os_cloud)

    def options(self) -> Any:
        return config.load(self.app.options.config_file)

    @contextlib.contextmanager
    def runbook(self, given: argparse.Namespace) -> Iterator[runner.Runbook]:
        options = self.options()
        reporter: report.Reporter = (
            report.JSONReporter if given.json else report.TextReporter
        )(self.app.stdout)
        with contextlib.closing(reporter):
            yield runner.Runbook(self.cloud(), options, reporter)

    def print_json(self, data: Any) -> None:
        print(json.dumps(data), file=self.app.stdout, flush=True)

    def _failed(self, given: argparse.Namespace, error: Exception) -> int:
        if self.app.options.debug:
            traceback.print_exception(error, file=self.app.stderr)
        else:
            print(error, file=self.app.stderr)
        if given.json:
            self.print_json(
                {"event": "result", "done": False, "error": str(error)}
            )
        return runner.EXIT_FAILED


class Run(_Verb):
    """Promote a host that was failed over, and protect it again.

    Every condition is checked first. A run that was interrupted is gone on
    with when it is started again.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_host(parser)
        parser.add_argument(
            "--cluster",
            action="store_true",
            help="HOST is a cluster, cluster@backend, whose services change "
            "together",
        )
        parser.add_argument(
            "--to",
            required=True,
            type=_backend_id,
            metavar="BACKEND_ID",
            help="what the host is failed over to, which becomes its primary",
        )
        parser.add_argument(
            "--replicate-to",
            required=True,
            action="append",
            type=_backend_id,
            metavar="BACKEND_ID",
            help="the new target, another backend of the same cinder.conf "
            "(may be repeated)",
        )
        _add_dry_run(parser)
        return parser

    def act(self, given: argparse.Namespace) -> int:
        what = cloud.Name(given.host, given.cluster)
        with self.runbook(given) as runbook:
            verb = runbook.dry_run if given.dry_run else runbook.run
            return verb(what, given.to, given.replicate_to)


class Resume(_Verb):
    """Go on with a run that was interrupted."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_host(parser, nargs="?")
        return parser

    def act(self, given: argparse.Namespace) -> int:
        with self.runbook(given) as runbook:
            return runbook.resume(given.host)


class Undo(_Verb):
    """Go back to where a run began, as long as that is safe.

    Until reset_active_backend, that is; after it the new primary holds the
    only current data.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_host(parser, nargs="?")
        _add_dry_run(parser)
        return parser

    def act(self, given: argparse.Namespace) -> int:
        with self.runbook(given) as runbook:
            return runbook.undo(given.host, given.dry_run)


class Plan(_Verb):
    """Tell which volumes would be lost if a backend failed now."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_host(parser, nargs="?")
        return parser

    def act(self, given: argparse.Namespace) -> int:
        found = forecast.forecasts(self.cloud(), given.host)
        if given.json:
            self.print_json({"backends": [each.as_data() for each in found]})
        else:
            for each in found:
                self._print(each)
        return runner.EXIT_DONE

    def _print(self, each: forecast.Forecast) -> None:
        console = _console(self.app.stdout)
        survive = f"{len(each.protected)} volumes would survive its loss"
        if each.targets and each.protected:
            survive += f", on {', '.join(each.targets)}"
        text = f"{each.host}: {survive}; {len(each.lost)} would be lost."
        if each.problem:
            text += f" Nothing protects it: {each.problem}."
        console.print(text, markup=False, highlight=False)
        if not (each.protected or each.lost):
            return
        rows = [(volume, "survives") for volume in each.protected]
        rows += [
            (volume, f"is lost: {reason}") for volume, reason in each.lost
        ]
        _print_table(
            console,
            ("Volume", "Name", "GiB", "Status", "Attached", "If it fails now"),
            [
                (
                    volume.id,
                    volume.name,
                    volume.size,
                    volume.status,
                    "yes" if volume.attachments else "no",
                    text,
                )
                for volume, text in rows
            ],
        )


class Status(_Verb):
    """Show the services, how they are protected, and the last runs."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        _add_host(parser, nargs="?")
        return parser

    def act(self, given: argparse.Namespace) -> int:
        store = records.Records(self.options().state_directory)
        found = status.statuses(self.cloud(), store, given.host)
        if given.json:
            self.print_json({"services": [each.as_data() for each in found]})
            return runner.EXIT_DONE
        _print_table(
            _console(self.app.stdout),
            (
                "Host",
                "State",
                "Status",
                "Replication",
                "Active backend",
                "Frozen",
                "Disabled reason",
                "Protection",
                "Last run",
            ),
            [
                (
                    each.service.host,
                    "up" if each.service.up else "down",
                    "disabled" if each.service.disabled else "enabled",
                    each.service.replication_status,
                    each.service.active_backend_id,
                    "yes" if each.service.frozen else "no",
                    each.service.disabled_reason,
                    each.protection,
                    each.run and each.run.describe(each.at_work),
                )
                for each in found
            ],
        )
        return runner.EXIT_DONE


_COMMANDS: dict[str, type[_Verb]] = {
    "run": Run,
    "resume": Resume,
    "undo": Undo,
    "plan": Plan,
    "status": Status,
}


def _add_host(parser: argparse.ArgumentParser, nargs: str = "") -> None:
    more: dict[str, Any] = {"nargs": nargs} if nargs else {}
    parser.add_argument(
        "host",
        metavar="HOST",
        type=_host,
        help="the volume service, host@backend",
        **more,
    )


def _add_dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be done, with the exact commands, and change "
        "nothing",
    )


def _version() -> str:
    try:
        return metadata.version("cinder-promote")
    except metadata.PackageNotFoundError:
        return "that is not installed"


def _host(text: str) -> str:
    if not _NAME.match(text):
        raise argparse.ArgumentTypeError(f"'{text}' is not host@backend")
    return text


def _backend_id(text: str) -> str:
    if not _BACKEND_ID.match(text) or text == "default":
        raise argparse.ArgumentTypeError(f"'{text}' is not a backend id")
    return text


def _console(stream: TextIO) -> rich_console.Console:
    """Return a console whose lines are not cut where there is no terminal."""
    width = None if stream.isatty() else 10000
    return rich_console.Console(file=stream, width=width, soft_wrap=True)


def _print_table(
    console: rich_console.Console,
    titles: Sequence[str],
    rows: Sequence[Sequence[Any]],
) -> None:
    made = rich_table.Table(box=None, pad_edge=False)
    for title in titles:
        made.add_column(title, overflow="fold")
    for row in rows:
        made.add_row(
            *("-" if each in (None, "") else str(each) for each in row)
        )
    console.print(made, markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
