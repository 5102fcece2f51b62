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

"""The command zuul-check."""

import argparse
import pathlib
import sys

from zuul_check import check, problem, renew, repository, tenant
from zuul_check import names as known_names

TOP = pathlib.Path(__file__).resolve().parent.parent.parent


def main(arguments: list[str] | None = None) -> int:
    parsed = parser().parse_args(arguments)
    try:
        return parsed.run(parsed)
    except repository.RepositoryError as error:
        print(f"zuul-check: {error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
    made = argparse.ArgumentParser(
        prog="zuul-check",
        description="Check this project's Zuul configuration with Zuul's own"
        " loader.",
    )
    add_projects(made)
    made.add_argument(
        "--renew",
        dest="run",
        action="store_const",
        const=run_renewal,
        default=run_check,
        help="make names.yaml from the repositories, and check nothing",
    )
    return made


def add_projects(made: argparse.ArgumentParser) -> None:
    """Add the arguments that tell what to check, and with what."""
    made.add_argument(
        "--repository",
        metavar="NAME=PATH",
        type=named_path,
        action="append",
        default=[],
        help="a repository to load as it is, such as"
        " openstack/devstack=/src/devstack; may be given several times",
    )
    made.add_argument(
        "--project",
        metavar="NAME=PATH",
        type=named_path,
        default=("openstack/cinder-promote", TOP),
        help="what to check instead of this project",
    )


def named_path(text: str) -> tuple[str, pathlib.Path]:
    """Return name and path of NAME=PATH."""
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"{text} is not NAME=PATH")
    return name, pathlib.Path(path)


def run_check(parsed: argparse.Namespace) -> int:
    """Check the project; the status is 1 if anything is wrong."""
    # Only this needs Zuul.
    from zuul_check import load

    name, path = parsed.project
    project = repository.WorkTree(path)
    known = known_names.load()
    members = tenant.members(
        name, repository.configuration(project), given(parsed), known
    )
    found = check.check(name, project, known, load.load(members))
    own = problem.report(one for one in found if not one.repository)
    for line in problem.report(one for one in found if one.repository):
        print(f"Not counted: {line}")
    for line in own:
        print(line)
    print(f"{name}: {len(own) or 'no'} mistakes in its Zuul configuration")
    return 1 if own else 0


def run_renewal(parsed: argparse.Namespace) -> int:
    """Make the file of names."""
    text = known_names.dump(renew.renew(given(parsed)))
    known_names.FILE.write_text(text, encoding="utf-8")
    print(f"{known_names.FILE} has been made")
    return 0


def given(parsed: argparse.Namespace) -> dict[str, repository.Commit]:
    """Return the repositories that were given, by name."""
    return {name: repository.Commit(path) for name, path in parsed.repository}
