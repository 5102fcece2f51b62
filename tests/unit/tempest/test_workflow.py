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

import contextlib

from tempest.lib import exceptions as lib_exceptions

from cinder_promote_tempest.common import exceptions, states
from tests.unit.tempest import base, fake_cloud


class WorkflowTestCase(base.TempestTestCase):
    def setUp(self):
        super().setUp()
        self.clock = self.fake_clock()
        self.cloud = fake_cloud.FakeCloud()
        self.workflow = self.cloud.workflow()

    def promote(self):
        self.workflow.fail_over("lvm-b")
        self.workflow.freeze()
        with self.workflow.stopped():
            self.workflow.re_point("lvm-b", "lvm-c")
            self.workflow.reset_active_backend()
        self.workflow.thaw()
        self.workflow.replication_enable()
        self.workflow.fail_over("lvm-c")


class StepsTest(WorkflowTestCase):
    def test_rows_after_each_step(self):
        assert_row = self.workflow.assert_row
        assert_row(states.PROTECTED_ROW)
        self.workflow.fail_over("lvm-b")
        assert_row(states.failed_over_row("lvm-b"))
        self.workflow.freeze()
        assert_row(states.frozen_row("lvm-b"))
        with self.workflow.stopped():
            self.workflow.re_point("lvm-b", "lvm-c")
            self.workflow.reset_active_backend()
            assert_row(states.RESET_ROW)
        assert_row(states.RESET_ROW)
        self.workflow.thaw()
        assert_row(states.PROMOTED_ROW)
        self.workflow.replication_enable()
        assert_row(states.PROTECTED_ROW)
        self.assertEqual(("lvm-b", "lvm-c"), self.cloud.conf)

    def test_wrong_row_is_told(self):
        self.cloud.row["frozen"] = True
        with self.assertRaises(exceptions.UnexpectedState) as caught:
            self.workflow.assert_row(states.PROTECTED_ROW)
        self.assertIn("frozen is True, not False", str(caught.exception))
        self.assertIn("h@lvm-a", str(caught.exception))

    def test_fail_over_waits_for_its_end(self):
        self.workflow.fail_over("lvm-b")
        self.assertEqual("failed-over", self.cloud.row["replication_status"])

    def test_fail_over_that_never_ends(self):
        self.cloud.failover_host = lambda **_: self.cloud.row.update(
            replication_status="failing-over"
        )
        with self.assertRaises(lib_exceptions.TimeoutException) as caught:
            self.workflow.fail_over("lvm-b")
        self.assertIn("failing-over", str(caught.exception))

    def test_fail_back_is_asked_for_until_it_is_done(self):
        self.workflow.fail_over("lvm-b")
        self.cloud.failbacks_refused = 3
        self.workflow.fail_back(600)
        self.assertEqual(0, self.cloud.failbacks_refused)
        self.workflow.assert_row(states.FAILED_BACK_ROW)

    def test_fail_back_that_is_refused_for_ever(self):
        self.workflow.fail_over("lvm-b")
        self.cloud.failbacks_refused = 10**6
        with self.assertRaises(lib_exceptions.TimeoutException) as caught:
            self.workflow.fail_back(600)
        self.assertIn("fails back", str(caught.exception))

    def test_service_is_waited_for_after_it_was_stopped(self):
        with self.workflow.stopped():
            self.assertFalse(self.cloud.running)
        self.assertTrue(self.cloud.running)
        self.assertEqual(2, self.cloud.reports)

    def test_service_whose_driver_refuses_is_noticed(self):
        self.cloud.driver_refuses = True
        with self.assertRaises(lib_exceptions.TimeoutException):
            with self.workflow.stopped():
                pass

    def test_error_while_stopped_is_the_one_that_is_raised(self):
        self.cloud.driver_refuses = True
        with self.assertRaises(KeyError):
            with self.workflow.stopped():
                raise KeyError
        self.assertTrue(self.cloud.running)

    def test_only_one_re_pointing(self):
        with self.workflow.stopped():
            self.workflow.re_point("lvm-b", "lvm-c")
            with self.assertRaises(exceptions.UnexpectedState):
                self.workflow.re_point("lvm-c", "lvm-a")

    def test_thaw_if_frozen(self):
        self.workflow.thaw_if_frozen()
        self.assertEqual([], self.cloud.steps)
        self.cloud.row["frozen"] = True
        self.workflow.thaw_if_frozen()
        self.assertEqual(["thaw_host"], self.cloud.steps)


class PutBackTest(WorkflowTestCase):
    def test_nothing_to_do(self):
        self.workflow.put_back()
        self.assertEqual([], self.cloud.steps)

    def test_after_the_whole_way(self):
        self.promote()
        self.cloud.steps.clear()
        self.workflow.put_back()
        self.assertEqual(
            [
                "freeze_host",
                "stop",
                "undo",
                "reset_active_backend",
                "start",
                "thaw_host",
                "replication_enable",
            ],
            self.cloud.steps,
        )
        self.assertTrue(self.cloud.at_the_start())

    def test_the_way_can_be_gone_again(self):
        for _ in range(2):
            self.promote()
            self.workflow.put_back()
            self.assertTrue(self.cloud.at_the_start())

    def test_from_wherever_the_way_broke_off(self):
        """Each step fails once, the second fail-over too."""
        self.promote()
        steps = list(self.cloud.steps)
        self.assertEqual(2, steps.count("failover_host"))
        for broken in range(len(steps)):
            with self.subTest(step=steps[broken], number=broken):
                self.setUp()
                self.cloud._step = self.breaks_at(broken)
                with self.assertRaises(lib_exceptions.ServerFault):
                    self.promote()
                self.workflow.put_back()
                self.assertTrue(self.cloud.at_the_start(), self.cloud.row)

    def breaks_at(self, number):
        steps = self.cloud.steps

        def step(name):
            steps.append(name)
            if len(steps) == number + 1:
                raise lib_exceptions.ServerFault(f"{name} is broken")

        return step

    def test_while_failing_over(self):
        self.cloud.failover_host(fake_cloud.HOST, "lvm-b")
        self.workflow.put_back()
        self.assertTrue(self.cloud.at_the_start())

    def test_after_a_fail_over_that_failed(self):
        self.cloud.row.update(
            replication_status="failover-error", status="disabled"
        )
        self.workflow.put_back()
        self.assertTrue(self.cloud.at_the_start())

    def test_service_that_does_not_answer_to_freeze(self):
        self.workflow.fail_over("lvm-b")
        self.cloud.running = False
        self.workflow.put_back()
        self.assertTrue(self.cloud.at_the_start())

    def test_service_is_restarted_after_its_storage_was_replaced(self):
        self.patch(
            "cinder_promote_tempest.common.faults.failed_backend",
            lambda backend_id: contextlib.nullcontext(),
        )
        with self.workflow.failed_backend("lvm-a"):
            pass
        self.workflow.put_back()
        self.assertEqual(["stop", "start"], self.cloud.steps)
        self.cloud.steps.clear()
        self.workflow.put_back()
        self.assertEqual([], self.cloud.steps)

    def test_a_host_that_cannot_be_put_back_is_told(self):
        self.workflow.fail_over("lvm-b")
        self.cloud.replication_enable = lambda host: None
        with self.assertRaises(lib_exceptions.TimeoutException) as caught:
            self.workflow.put_back()
        self.assertIn(repr(self.workflow.show_row()), str(caught.exception))
