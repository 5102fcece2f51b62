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

from tempest.lib import exceptions as lib_exceptions

from cinder_promote_tempest.common import exceptions, states, waiters
from tests.unit.tempest import base

LIMITS = {"interval": 2, "timeout": 10}


def row(updated_at, state=states.UP):
    return states.ServiceRow(
        states.ENABLED, None, False, None, False, state, updated_at
    )


def shows(*values):
    """Return a function that shows one value after the other."""
    left = list(values)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


class WaitersTest(base.TempestTestCase):
    def setUp(self):
        super().setUp()
        self.clock = self.fake_clock()

    def test_returns_what_ended_the_wait(self):
        ended = waiters.wait_until(
            shows(1, 2, 3, 4), lambda state: state == 3, "three", **LIMITS
        )
        self.assertEqual(3, ended)
        self.assertEqual([2, 2], self.clock.slept)

    def test_does_not_sleep_when_there_is_nothing_to_wait_for(self):
        waiters.wait_until(shows(1), lambda state: True, "it", **LIMITS)
        self.assertEqual([], self.clock.slept)

    def test_timeout_tells_what_and_the_last_state_and_who(self):
        with self.assertRaises(lib_exceptions.TimeoutException) as caught:
            waiters.wait_until(
                shows("first", "last"), lambda state: False, "it is", **LIMITS
            )
        for part in ("10 s until it is", "Last seen: last", "WaitersTest:"):
            self.assertIn(part, str(caught.exception))
        self.assertEqual(10, sum(self.clock.slept))

    def test_a_look_that_takes_long_is_followed_by_another(self):
        """A state reached during a slow look at it is not missed."""
        looks = []

        def slow():
            self.clock.now += 60
            looks.append(len(looks))
            return looks[-1]

        self.assertEqual(
            1, waiters.wait_until(slow, lambda n: n == 1, "one", **LIMITS)
        )

    def test_value(self):
        show = shows({"status": "creating"}, {"status": "available"})
        waiters.wait_for_value(
            show, "status", "available", "volume 1", **LIMITS
        )

    def test_failed_value_ends_the_wait(self):
        with self.assertRaises(exceptions.UnexpectedState) as caught:
            waiters.wait_for_value(
                shows({"status": "creating"}, {"status": "error"}),
                "status",
                "available",
                "volume 1",
                failed=("error",),
                **LIMITS,
            )
        for part in ("volume 1", "'error'", "'available'"):
            self.assertIn(part, str(caught.exception))
        self.assertEqual([2], self.clock.slept)

    def test_failed_value_may_be_what_is_waited_for(self):
        waiters.wait_for_value(
            shows({"status": "error"}),
            "status",
            "error",
            "volume 1",
            failed=("error",),
            **LIMITS,
        )

    def test_deletion(self):
        left = [{"status": "deleting"}]

        def show():
            if left:
                return left.pop()
            raise lib_exceptions.NotFound()

        waiters.wait_for_deletion(show, "volume 1", **LIMITS)

    def test_deletion_that_failed_ends_the_wait(self):
        with self.assertRaises(exceptions.UnexpectedState):
            waiters.wait_for_deletion(
                shows({"status": "error_deleting"}), "volume 1", **LIMITS
            )

    def test_deletion_that_never_happens(self):
        with self.assertRaises(lib_exceptions.TimeoutException) as caught:
            waiters.wait_for_deletion(
                shows({"status": "deleting"}), "volume 1", **LIMITS
            )
        self.assertIn("deleting", str(caught.exception))


class ServiceStartTest(base.TempestTestCase):
    def setUp(self):
        super().setUp()
        self.clock = self.fake_clock()

    def wait(self, *rows):
        return waiters.wait_for_service_start(shows(*rows), "10:00", **LIMITS)

    def test_second_report_ends_the_wait(self):
        started = self.wait(row("10:00"), row("10:01"), row("10:02"))
        self.assertEqual("10:02", started.updated_at)

    def test_up_by_an_old_heartbeat_is_not_started(self):
        with self.assertRaises(lib_exceptions.TimeoutException):
            self.wait(row("10:00"))

    def test_a_process_whose_driver_is_not_initialised_is_not_started(self):
        with self.assertRaises(lib_exceptions.TimeoutException) as caught:
            self.wait(row("10:00"), row("10:01"), row("10:01", "down"))
        self.assertIn("'down'", str(caught.exception))

    def test_a_report_that_was_too_old_when_seen(self):
        started = self.wait(row("10:01"), row("10:02", "down"), row("10:03"))
        self.assertEqual("10:03", started.updated_at)
