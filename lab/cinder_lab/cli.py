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

"""The command line of the lab."""

import argparse
from collections.abc import Sequence
import signal
import sys

from cinder_lab import building, errors, guide, lock, pinning, verbs
from cinder_lab import paths as paths_module
from cinder_lab.devstack import cli as devstack_cli

_UNLOCKED = ("ssh", "status", "logs")
"""Verbs that may run beside another one."""

_HAND_ON = ("ssh", "test", "compare")
"""Verbs whose words, options too, are for a command in the guest."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="lab",
        description="A small OpenStack cloud in a virtual machine, with "
        "three backends that replicate to each other.",
        epilog="Everything is kept in lab/.work, or in $LAB_DIR. "
        "$LAB_ACCEL=kvm|tcg chooses the accelerator; "
        "$LAB_DEBIAN_MIRROR and $LAB_DEBIAN_SECURITY_MIRROR the Debian "
        "archives.",
    )
    commands = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    commands.add_parser("build", help="build what the machine starts from")
    up = commands.add_parser("up", help="have the cloud up (builds first)")
    up.add_argument(
        "--fresh",
        action="store_true",
        help="put a running machine back to where it started, too",
    )
    commands.add_parser(
        "test", help="run `tempest run` with the given arguments in the guest"
    )
    commands.add_parser(
        "compare",
        help="run the tests of Tempest and cinder-tempest-plugin, or those "
        "given, on replicated volumes and on those of Cinder's LVM driver; "
        "0 if they end alike",
    )
    pages = commands.add_parser(
        "guide",
        help="type the commands of the admin guide in fresh machines",
    )
    pages.add_argument(
        "pages",
        nargs="*",
        metavar="PAGE",
        help=f"{', '.join(guide.PAGES)}; all without any",
    )
    pages.add_argument(
        "--kill",
        action="store_true",
        help="kill the runbook in each of its steps, and repeat its command",
    )
    e2e = commands.add_parser(
        "e2e", help="build, up --fresh, test, down; tell the figures"
    )
    e2e.add_argument(
        "--keep", action="store_true", help="leave the machine running"
    )
    commands.add_parser("ssh", help="a shell in the guest, or a command")
    commands.add_parser(
        "status", help="say what there is; 0 if the cloud answers"
    )
    logs = commands.add_parser("logs", help="show the services' journal")
    logs.add_argument("-f", "--follow", action="store_true")
    logs.add_argument("units", nargs="*", metavar="UNIT")
    commands.add_parser("down", help="stop the machine")
    devstack_cli.add_to(commands)
    commands.add_parser("lock", help="renew lock.txt from requirements.in")
    commands.add_parser("build-as-root")
    return top


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the verb and its options, or in `words` what it hands on."""
    words = list(argv)
    if words[:1] == ["devstack"]:
        return devstack_cli.parse(parser(), words)
    if words and words[0] in _HAND_ON:
        arguments = parser().parse_args(words[:1])
        arguments.words = words[1:]
        return arguments
    return parser().parse_args(words)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    lab = verbs.Lab(paths_module.Paths())
    # who asks us to end shall find the machine stopped and results copied
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments.verb in _UNLOCKED or devstack_cli.is_unlocked(arguments):
            return _run(lab, arguments)
        if arguments.verb == "build-as-root":
            building.Builder(lab.paths, lab.console).build_as_root()
            return 0
        with lock.held(lab.paths.work / "lock"):
            return _run(lab, arguments)
    except errors.LabError as error:
        return _failed(lab, error)
    except KeyboardInterrupt:
        lab.console.say("Interrupted")
        return 130


def _run(lab: verbs.Lab, arguments: argparse.Namespace) -> int:
    match arguments.verb:
        case "build":
            lab.build()
        case "up":
            lab.up(arguments.fresh)
        case "test":
            return lab.test(arguments.words)
        case "compare":
            return lab.compare(arguments.words)
        case "guide":
            lab.guide(arguments.pages, arguments.kill)
        case "e2e":
            return lab.e2e(arguments.keep)
        case "ssh":
            return lab.guest.interactive(arguments.words)
        case "status":
            return lab.status()
        case "logs":
            return lab.logs(arguments.units, arguments.follow)
        case "down":
            lab.down()
        case "devstack":
            return devstack_cli.run(lab.paths, lab.console, arguments)
        case "lock":
            pinning.renew(lab.paths, lab.console)
    return 0


def _failed(lab: verbs.Lab, error: errors.LabError) -> int:
    """Tell what failed, the end of its log, and where the rest is."""
    failed = [step.name for step in lab.console.steps if step.failed]
    where = f"{failed[-1]}: " if failed else ""
    if error.log is not None:
        print(f"--- the last lines of {error.log}:", file=sys.stderr)
        for line in errors.last_lines(error.log):
            print(f"    {line}", file=sys.stderr)
    print(f"lab: {where}{error}", file=sys.stderr)
    if error.log is not None:
        print(f"lab: the whole log is {error.log}", file=sys.stderr)
    return 1
