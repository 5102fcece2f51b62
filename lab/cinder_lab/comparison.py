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

"""Compare what other projects' tests say of two kinds of volumes."""

from collections.abc import Iterator, Mapping
import re

from cinder_lab import paths as paths_module

PREPARE = paths_module.LAB / "comparison" / "prepare"
"""Runs in the guest, with the name of a kind."""

KINDS = ("lvm", "replicated")
"""Cinder's own LVM driver, and this project's with replication."""

TESTS = r"^(tempest\.api\.volume|cinder_tempest_plugin)\."
"""Whose results are compared."""

_PASSED = "ok"

_FAILED = "FAILED"

_ABSENT = "not run"

_LINE = re.compile(
    r"^\{\d+\} (?P<name>.+?)( \[[\d.]+s\])? \.\.\. (?P<outcome>ok|FAILED|SKIP)"
)


def outcomes(report: str) -> dict[str, str]:
    """Return how each test ended, by its name, without attributes.

    :param report: what `tempest run` printed.
    """
    return {
        re.sub(r"\[.*?\]", "", found["name"]): found["outcome"]
        for found in map(_LINE.match, report.splitlines())
        if found
    }


def differences(kinds: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return a line for each test that does not end equally everywhere.

    :param kinds: for each kind of volume what outcomes() returns.
    """
    names = sorted(set().union(*kinds.values()))
    return [
        f"{name}: "
        + ", ".join(
            f"{tests.get(name, _ABSENT)} with {kind}"
            for kind, tests in kinds.items()
        )
        for name in names
        if len({tests.get(name, _ABSENT) for tests in kinds.values()}) > 1
    ]


def failures(kinds: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the names of the tests that fail with each kind of volume."""
    return sorted(
        set.intersection(
            *(
                {name for name, outcome in tests.items() if outcome == _FAILED}
                for tests in kinds.values()
            )
        )
    )


def summary(kinds: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Return for each kind of volume how many tests ended in which way."""
    for kind, tests in kinds.items():
        ended = list(tests.values())
        yield f"{kind}: " + ", ".join(
            f"{ended.count(outcome)} {outcome}"
            for outcome in (_PASSED, _FAILED, "SKIP")
        )


def passed(tests: Mapping[str, str]) -> list[str]:
    """Return the sorted names of the tests that passed."""
    return sorted(
        name for name, outcome in tests.items() if outcome == _PASSED
    )
