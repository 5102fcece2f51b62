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

"""The command line of cinder-promote-manage."""

import argparse
import importlib.metadata
import logging
from typing import Any

from cliff import app, commandmanager

from cinder_promote.manage import commands

_COMMANDS: dict[str, type[Any]] = {
    "show": commands.Show,
    "reset-active-backend": commands.ResetActiveBackend,
    "replication-enable": commands.ReplicationEnable,
}


class Manage(app.App):
    """Messages go to standard error, tables to standard output."""

    NAME = "cinder-promote-manage"
    LOG = logging.getLogger(NAME)

    def __init__(self) -> None:
        manager = commandmanager.CommandManager("cinder_promote.manage")
        for name, command in _COMMANDS.items():
            manager.add_command(name, command)
        super().__init__(
            description="Promote a failed-over Cinder backend on the database "
            "alone, for when the API or the message broker is down.",
            version=importlib.metadata.version("cinder-promote"),
            command_manager=manager,
            # Else -h after a command shows the help of the whole program.
            deferred_help=True,
        )

    def build_option_parser(
        self,
        description: str | None,
        version: str | None,
        argparse_kwargs: dict[str, Any] | None = None,
    ) -> argparse.ArgumentParser:
        """Return cliff's, less its options for logging: Cinder has its own."""
        parser = argparse.ArgumentParser(
            prog=self.NAME,
            description=description,
            add_help=False,
            allow_abbrev=False,
            **(argparse_kwargs or {}),
        )
        parser.add_argument(
            "-h",
            "--help",
            dest="deferred_help",
            action="store_true",
            help="show this help or that of a command, and exit",
        )
        parser.add_argument(
            "--version", action="version", version=f"{self.NAME} {version}"
        )
        parser.add_argument(
            "--config-file",
            metavar="FILE",
            action="append",
            default=[],
            help="Cinder's configuration file, may be repeated (default: "
            "where Cinder looks, which is /etc/cinder/cinder.conf above all)",
        )
        parser.add_argument(
            "--config-dir",
            metavar="DIRECTORY",
            action="append",
            default=[],
            help="directory of *.conf files of Cinder, may be repeated",
        )
        parser.add_argument(
            "--debug",
            action="store_true",
            help="show where in the program an error comes from",
        )
        return parser

    def configure_logging(self) -> None:
        """Send only what this program itself has to say to the terminal."""
        handler = logging.StreamHandler(self.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        self.LOG.handlers = [handler]
        self.LOG.setLevel(logging.INFO)
        self.LOG.propagate = False

    def initialize_app(self, argv: list[str]) -> None:
        self.print_help_if_requested()
        if not argv:
            self.parser.error("name a command")

    def get_fuzzy_matches(self, cmd: str) -> list[str]:
        """Return nothing: an unknown command is one line of error."""
        return []
