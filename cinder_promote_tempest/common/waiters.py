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

"""Waits for a state.

Each takes a function that shows what is waited for, an interval and a
timeout in seconds. When the time is over it raises TimeoutException, which
says who waited for what, and what was seen last.
"""

import time

from oslo_log import log as logging
from tempest.lib import exceptions as lib_exceptions
from tempest.lib.common.utils import test_utils

from cinder_promote_tempest.common import exceptions, states

LOG = logging.getLogger(__name__)


def wait_until(show, reached, what, *, interval, timeout):
    """Wait until what is shown is as it should be.

    :param show: function without arguments that returns the present state
    :param reached: function of a state: whether the wait is over
    :param what: what is waited for, for messages
    :returns: the state that ended the wait
    :raises tempest.lib.exceptions.TimeoutException: the time is over
    """
    LOG.info("Waiting up to %s s until %s", timeout, what)
    deadline = time.monotonic() + timeout
    while True:
        # Looked at before the state, so that the last look is after the
        # deadline however long it takes.
        late = time.monotonic() >= deadline
        state = show()
        if reached(state):
            return state
        if late:
            raise lib_exceptions.TimeoutException(
                _with_caller(
                    f"Waited {timeout} s until {what}. Last seen: {state}"
                )
            )
        time.sleep(interval)


def wait_for_value(show, key, expected, what, *, interval, timeout, failed=()):
    """Wait until one field of what is shown has a value.

    :param show: function without arguments that returns a mapping
    :param key: the field
    :param expected: the value
    :param what: whose field this is, for messages
    :param failed: values from which the expected one cannot be reached
    :returns: what was shown last
    :raises tempest.lib.exceptions.TimeoutException: the time is over
    :raises UnexpectedState: the field has a value of failed
    """

    def reached(state):
        if state[key] in failed and state[key] != expected:
            raise exceptions.UnexpectedState(
                _with_caller(
                    f"{what} has {key} {state[key]!r} and cannot become "
                    f"{expected!r}. Last seen: {state}"
                )
            )
        return state[key] == expected

    return wait_until(
        show,
        reached,
        f"{what} has {key} {expected!r}",
        interval=interval,
        timeout=timeout,
    )


def wait_for_deletion(show, what, *, interval, timeout):
    """Wait until showing something raises NotFound.

    :param show: function without arguments that returns a mapping
    :param what: what is being deleted, for messages
    :raises tempest.lib.exceptions.TimeoutException: the time is over
    :raises UnexpectedState: deleting it failed
    """
    gone = object()

    def show_or_gone():
        try:
            return show()
        except lib_exceptions.NotFound:
            return gone

    def reached(state):
        if state is gone:
            return True
        if state.get("status") == states.ERROR_DELETING:
            raise exceptions.UnexpectedState(
                _with_caller(f"{what} was not deleted. Last seen: {state}")
            )
        return False

    wait_until(
        show_or_gone,
        reached,
        f"{what} is deleted",
        interval=interval,
        timeout=timeout,
    )


def wait_for_service_start(show_row, before, *, interval, timeout):
    """Wait until a service that was stopped works again.

    A service writes its row when its process begins, before its driver is
    initialised, and counts as up from then on. Only a working driver makes
    it write again: that second change of updated_at is what is waited for.
    A service whose driver refuses to initialise goes down after a while.

    :param show_row: function without arguments that returns a ServiceRow
    :param before: updated_at when the service was stopped
    :returns: the row that ended the wait
    :raises tempest.lib.exceptions.TimeoutException: the time is over
    """
    seen = [before]

    def started(row):
        if row.updated_at != seen[-1]:
            seen.append(row.updated_at)
        return len(seen) > 2 and row.state == states.UP

    return wait_until(
        show_row,
        started,
        f"the service reports again after it was stopped (at {before} it had "
        "reported last) and is up",
        interval=interval,
        timeout=timeout,
    )


def _with_caller(message):
    caller = test_utils.find_test_caller()
    return f"({caller}) {message}" if caller else message
