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

"""What the plugin could leave behind in a system, before and after."""

from collections.abc import Iterable

from cinder_lab import errors
from cinder_lab import guest as guest_module
from cinder_lab.devstack import clouds

UNSTACKED = "unstacked"
CLEANED = "cleaned"

_STAY_UNTIL_CLEAN = ("file /etc/cinder", "mention /etc/cinder")
"""DevStack itself leaves Cinder's configuration until it is cleaned."""

_STAY = ("mention /etc/bash_completion.d/osc.bash_completion",)
"""DevStack writes this file, with the words of every openstack command, and
leaves it."""


def find(guest: guest_module.Guest) -> set[str]:
    """Return the traces there are, each a line of its kind and name.

    :param guest: reached as root.
    :raises LabError: if they can't be looked for.
    """
    script = (clouds.FOLDER / "traces").read_bytes()
    return set(guest.run("bash -s", script, timeout=600).splitlines())


def left(before: Iterable[str], after: Iterable[str], state: str) -> list[str]:
    """Return what is there after and was not before, sorted.

    :param state: UNSTACKED or CLEANED.
    """
    excused = _STAY + (_STAY_UNTIL_CLEAN if state == UNSTACKED else ())
    return sorted(
        trace
        for trace in set(after) - set(before)
        if not trace.startswith(excused)
    )


def check(before: set[str], guest: guest_module.Guest, state: str) -> None:
    """Make sure that nothing is left.

    :raises LabError: if anything is, saying what.
    """
    found = left(before, find(guest), state)
    if found:
        raise errors.LabError(
            f"{state}, but there is still: {'; '.join(found)}"
        )
