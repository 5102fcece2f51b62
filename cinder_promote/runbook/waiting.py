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

"""Wait for a state, with a bound."""

from collections.abc import Callable
import time
from typing import TypeVar

from cinder_promote.runbook import errors

_State = TypeVar("_State")


def wait_until(
    look: Callable[[], _State],
    reached: Callable[[_State], bool],
    late: Callable[[_State], str],
    *,
    timeout: float,
    interval: float,
) -> _State:
    """Look until what is seen is as it should be.

    :param late: makes of the state seen last the sentence for the case that
        the time is over
    :param timeout: seconds
    :param interval: seconds between two looks
    :returns: the state that ended the wait
    :raises RunbookError: the time is over
    """
    deadline = time.monotonic() + timeout
    while True:
        # Before the look, so that the last look is after the deadline.
        is_late = time.monotonic() >= deadline
        state = look()
        if reached(state):
            return state
        if is_late:
            raise errors.RunbookError(late(state))
        time.sleep(interval)
