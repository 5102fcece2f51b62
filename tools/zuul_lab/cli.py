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

"""The command zuul-lab."""

import argparse
from collections.abc import Iterator
import contextlib
import pathlib
import shutil
import signal
import sys
import tempfile

from zuul_check import cli as check_cli
from zuul_check import names as known_names
from zuul_check import problem, repository
from zuul_check import tenant as tenants
from zuul_lab import frozen, lab, packages, programs

# Without the repositories of the jobs' parents there is nothing to compare.
_PARENTS = (
    "openstack/devstack",
    "openstack/openstack-zuul-jobs",
    "openstack/tempest",
)


def main(arguments: list[str] | None = None) -> int:
    # A shell lets its jobs in the background ignore Ctrl-C; and SIGTERM too
    # has to stop all that was started.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    parsed = parser().parse_args(arguments)
    try:
        return run(parsed)
    except (programs.LabError, repository.RepositoryError) as error:
        print(f"zuul-lab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("zuul-lab: interrupted; all is stopped.", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command's arguments."""
    made = argparse.ArgumentParser(
        prog="zuul-lab",
        description="Load this project's Zuul configuration, and that of its"
        " jobs' parents, into a real Zuul: scheduler, merger and web, with"
        " ZooKeeper, a database and git on loopback.",
    )
    check_cli.add_projects(made)
    made.add_argument(
        "--examples",
        metavar="DIRECTORY",
        type=pathlib.Path,
        help="load each directory below this one too, as a tenant of its own,"
        " and see that those which expect mistakes are refused",
    )
    made.add_argument(
        "--renew",
        action="store_true",
        help="write down what the jobs are merged to as what is expected",
    )
    made.add_argument(
        "--keep",
        action="store_true",
        help="leave the configuration and logs of the services there",
    )
    return made


def run(parsed: argparse.Namespace) -> int:
    """Do what the command is asked for; return its status."""
    given = check_cli.given(parsed)
    name, path = parsed.project
    own = path == check_cli.TOP
    missing = [parent for parent in _PARENTS if own and parent not in given]
    if missing:
        raise programs.LabError(
            "the repositories of the jobs' parents are needed; please give"
            + "".join(f" --repository {one}=PATH" for one in missing)
        )
    packages.install_missing()
    known = known_names.load()
    subjects = [lab.subject("check", name, path, given, known)]
    for example in sorted((parsed.examples or path).glob("*/expected")):
        directory = example.parent
        subjects.append(
            lab.subject(
                directory.name,
                f"example/{directory.name}",
                directory,
                given,
                known,
            )
        )
    describe(subjects[0].members)
    with workplace(parsed.keep) as directory:
        results = lab.run(directory, subjects, known)
    first, *examples = results
    for line in problem.report(first.problems):
        print(line)
    failed = bool(first.status or first.problems)
    if first.status and not first.problems:
        print(first.output)
    print(
        f"zuul-scheduler --validate-tenants: status {first.status}\n"
        f"{name}: {len(first.problems) or 'no'} mistakes"
    )
    for example in examples:
        failed |= not judged(example)
    if own and not failed:
        commits = {one: given[one].id for one in _PARENTS}
        failed = not compared(commits, first.jobs, parsed.renew)
    return 1 if failed else 0


def describe(members: list[tenants.Member]) -> None:
    """Say what of the tenant is real."""
    real = [member.name for member in members if member.real]
    stubs = [m.name for m in members if m.files and not m.real]
    empty = [m.name for m in members if not (m.files or m.real)]
    print(f"Loaded as they are: {', '.join(real)}")
    print(f"Stubs with the names known of them: {', '.join(stubs)}")
    print(f"Projects without configuration: {', '.join(empty) or 'none'}")
    sys.stdout.flush()


@contextlib.contextmanager
def workplace(keep: bool) -> Iterator[pathlib.Path]:
    """Make a directory for the services; yields its path."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="zuul-lab-"))
    try:
        yield directory
    finally:
        if keep:
            print(f"The services' files are in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


def judged(example: lab.Result) -> bool:
    """Say whether an example was taken or refused as it should be."""
    expected = (example.subject.path / "expected").read_text().splitlines()
    lines = problem.report(example.problems)
    right = lines == expected
    word = "as expected" if right else "NOT AS EXPECTED"
    print(f"Example {example.subject.tenant}: {word}")
    for line in lines:
        print(f"    {line}")
    return right


def compared(
    commits: dict[str, str], jobs: dict[str, dict], renew: bool
) -> bool:
    """Print the jobs, and tell whether they are as expected."""
    text = frozen.dump(commits, jobs)
    if renew:
        frozen.EXPECTED.write_text(text, encoding="utf-8")
        print(f"{frozen.EXPECTED} has been made")
        return True
    print(text)
    changes = frozen.difference(
        frozen.EXPECTED.read_text(encoding="utf-8"), text
    )
    if not changes:
        print(f"The {len(jobs)} jobs are merged as expected")
        return True
    print("\n".join(changes))
    print("The jobs are not merged as expected; --renew if they should be so")
    return False
