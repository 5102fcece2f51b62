# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The command line of `lab devstack`."""

import argparse
from collections.abc import Sequence
import pathlib
from typing import Any

from cinder_lab import console as console_module
from cinder_lab import errors
from cinder_lab import paths as paths_module
from cinder_lab.devstack import builder, clouds, sources, verbs

_UNLOCKED = ("ssh", "build-as-root")
"""Verbs that may run beside another one."""

_HAND_ON = ("rounds", "test", "ssh")
"""Verbs whose further words, options too, are for a command in the guest."""


def add_to(commands: Any) -> None:
    """Add the verb `devstack` to the lab's."""
    top = commands.add_parser(
        "devstack",
        help="deploy by real DevStack with the project's plugin, in a "
        "machine of its own; without a verb: rounds",
    )
    top.add_argument(
        "--git-base",
        metavar="URL_OR_DIRECTORY",
        help="where openstack/NAME.git are cloned from; "
        f"otherwise $GIT_BASE or {sources.GIT_BASE}",
    )
    top.add_argument(
        "--branch",
        default=sources.BRANCH,
        help="of DevStack and the services (%(default)s)",
    )
    top.add_argument(
        "--localrc",
        metavar="FILE",
        type=pathlib.Path,
        help="more lines for local.conf, after the lab's own",
    )
    top.add_argument(
        "--nova",
        action="store_const",
        const=clouds.NOVA,
        default=clouds.CINDER,
        dest="cloud",
        help="deploy Nova and Neutron, too, in a machine of its own",
    )
    top.add_argument(
        "--without-plugin",
        action="store_true",
        help="do not enable the plugin: DevStack alone",
    )
    verb = top.add_subparsers(dest="devstack_verb", metavar="VERB")
    build = verb.add_parser("build", help="build what the machine starts from")
    build.add_argument(
        "--renew", action="store_true", help="fetch the repositories anew"
    )
    up = verb.add_parser(
        "up", help="have the machine running, stacked if that has been done"
    )
    up.add_argument(
        "--fresh",
        action="store_true",
        help="put a running machine back to before stack.sh, too",
    )
    verb.add_parser("stack", help="stack.sh, with the project as it is now")
    verb.add_parser("test", help="run `tempest run` with the given arguments")
    verb.add_parser("reboot", help="reboot; see that the cloud comes back")
    verb.add_parser("unstack", help="unstack.sh; see that nothing is left")
    verb.add_parser("clean", help="clean.sh; see that nothing is left")
    verb.add_parser(
        "rounds",
        help="fresh machine, stack, test, reboot, unstack, stack and test "
        "with other settings, clean; tell the times",
    )
    verb.add_parser("logs", help="copy logs and configuration out")
    verb.add_parser("ssh", help="a shell as the stack user, or a command")
    verb.add_parser("down", help="stop the machine")
    root = verb.add_parser("build-as-root")
    root.add_argument("part", choices=(builder.SYSTEM, builder.IMAGE))


def parse(
    parser: argparse.ArgumentParser, words: Sequence[str]
) -> argparse.Namespace:
    """Return the options, and in `words` what a verb hands on."""
    for number, word in enumerate(words):
        asks_for_help = words[number + 1 : number + 2] in (["-h"], ["--help"])
        if word in _HAND_ON and not asks_for_help:
            arguments = parser.parse_args(words[: number + 1])
            arguments.words = list(words[number + 1 :])
            return arguments
    arguments = parser.parse_args(words)
    arguments.words = []
    return arguments


def is_unlocked(arguments: argparse.Namespace) -> bool:
    """Say whether this may run beside another command of the lab."""
    return getattr(arguments, "devstack_verb", None) in _UNLOCKED


def run(
    paths: paths_module.Paths,
    console: console_module.Console,
    arguments: argparse.Namespace,
) -> int:
    """Do what the command line says and return the exit status.

    :raises LabError: if that fails.
    """
    lab = verbs.DevStack(
        paths,
        console,
        arguments.cloud,
        sources.git_base(arguments.git_base),
        arguments.branch,
        not arguments.without_plugin,
        _localrc(arguments.localrc),
    )
    match arguments.devstack_verb:
        case "build":
            lab.build(arguments.renew)
        case "up":
            lab.up(arguments.fresh)
        case "stack":
            lab.stack()
        case "test":
            return lab.test(arguments.words)
        case "reboot":
            lab.reboot()
        case "unstack":
            lab.unstack()
        case "clean":
            lab.clean()
        case "logs":
            lab.logs()
        case "ssh":
            return lab.ssh(arguments.words)
        case "down":
            lab.down()
        case "build-as-root":
            lab.build_as_root(arguments.part)
        case _:
            return lab.rounds(arguments.words)
    return 0


def _localrc(file: pathlib.Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text()
    except OSError as error:
        raise errors.LabError(f"{file}: {error.strerror}") from error
