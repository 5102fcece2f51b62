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

"""cinder-promote-host: the storage host's part of a promotion."""

import argparse
from collections.abc import Callable, Sequence
import json
import os
import sys

from cinder_promote.host import config, errors, forced, plan, verbs

_Verb = Callable[[verbs.Options, argparse.Namespace], verbs.Outcome]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    :returns: the exit status: 0 done, 1 refused or failed; a command line
        that is not understood leaves by SystemExit with 2
    """
    arguments = _parser(by_ssh=False).parse_args(argv)
    config_file = arguments.config_file
    if arguments.verb == "ssh":
        try:
            asked = forced.arguments(os.environ)
        except errors.HostError as error:
            return _fail(arguments, error)
        arguments = _parser(by_ssh=True).parse_args(asked)
    try:
        options = config.load(config_file)
        outcome = arguments.run(options, arguments)
    except errors.HostError as error:
        return _fail(arguments, error)
    except KeyboardInterrupt:
        return _fail(arguments, errors.HostError("Interrupted."))
    if arguments.json:
        _print_json({"verb": arguments.verb, "done": True, **outcome.data})
    else:
        print(outcome.text)
    return 0


def _fail(arguments: argparse.Namespace, error: errors.HostError) -> int:
    print(error, file=sys.stderr)
    if arguments.json:
        _print_json(
            {"verb": arguments.verb, "done": False, "error": str(error)}
        )
    return 1


def _print_json(data: dict[str, object]) -> None:
    print(json.dumps(data, indent=2))


def _parser(by_ssh: bool) -> argparse.ArgumentParser:
    """Return the parser of the whole command line.

    :param by_ssh: leave out what an SSH client may not choose
    """
    parser = argparse.ArgumentParser(
        prog=forced.PROGRAM,
        allow_abbrev=False,
        description="Point a Cinder backend that was failed over at its new "
        "primary, and stop and start the volume service around it.",
    )
    if not by_ssh:
        parser.add_argument(
            "--config-file",
            metavar="FILE",
            help=f"options of this command (default: {config.DEFAULT_FILE} "
            "if it exists)",
        )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object"
    )
    add = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, run: _Verb, text: str) -> argparse.ArgumentParser:
        made = add.add_parser(
            name, allow_abbrev=False, help=text, description=text
        )
        made.set_defaults(run=run)
        return made

    shown = verb(
        "show",
        lambda options, given: verbs.show(options, given.backend),
        "what each backend's section points at, the volume service's state, "
        "how far it is with copies that are being filled, and whether undo "
        "can do something",
    )
    stopped = verb(
        "stop",
        lambda options, given: verbs.stop(options, given.backend),
        "stop the volume service and wait until it is gone",
    )
    _add_re_point(
        verb(
            "re-point",
            _re_point,
            "make a replication target a section's primary",
        )
    )
    started = verb(
        "start",
        lambda options, given: verbs.start(options, given.backend),
        "start the volume service and wait until it runs",
    )
    undone = verb(
        "undo",
        lambda options, given: verbs.undo(options, given.backend),
        "put back the cinder.conf of before the last re-point",
    )
    for parser_of_verb in (shown, stopped, started, undone):
        parser_of_verb.add_argument("backend", nargs="?", metavar="BACKEND")
    if not by_ssh:
        add.add_parser(
            "ssh",
            allow_abbrev=False,
            help="run what SSH_ORIGINAL_COMMAND asks for; for command= in "
            "authorized_keys",
        )
    return parser


def _add_re_point(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("backend", metavar="BACKEND")
    parser.add_argument(
        "--to",
        required=True,
        metavar="BACKEND_ID",
        help="backend_id of the replication_device that becomes the primary",
    )
    parser.add_argument(
        "--replicate-to",
        action="append",
        default=[],
        metavar="BACKEND_ID",
        help="replicate to this one: another replication_device of the "
        "section, or another backend's section (may be repeated)",
    )
    parser.add_argument(
        "--replication-device",
        action="append",
        default=[],
        metavar="backend_id:X,volume_group:Y",
        help="replicate to this one (may be repeated)",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be changed and change nothing",
    )


def _re_point(
    options: verbs.Options, given: argparse.Namespace
) -> verbs.Outcome:
    request = plan.Request(
        backend=given.backend,
        to=given.to,
        replicate_to=given.replicate_to,
        devices=given.replication_device,
    )
    return verbs.re_point(options, request, dry_run=given.dry_run)


if __name__ == "__main__":
    sys.exit(main())
