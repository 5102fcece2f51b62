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

import json
from unittest import mock

from cinder_lab import accel, errors
from tests.unit.lab import base


class ChooseTestCase(base.LabTestCase):
    def setUp(self):
        super().setUp()
        self.verdict = self.folder / "verdict.json"
        self.device = self.write("kvm")
        self.trial = mock.Mock(return_value=True)

    def choose(self, qemu="QEMU 1", **environment):
        return accel.choose(
            self.verdict, lambda: qemu, self.trial, environment, self.device
        )

    def test_kvm_when_the_trial_comes_up(self):
        self.assertEqual("kvm", self.choose())

    def test_tcg_when_the_trial_fails(self):
        self.trial.return_value = False
        self.assertEqual("tcg", self.choose())

    def test_the_device_alone_is_not_trusted(self):
        self.trial.return_value = False
        self.choose()
        self.trial.assert_called_once_with()

    def test_tcg_without_a_trial_when_there_is_no_device(self):
        self.device.unlink()
        self.assertEqual("tcg", self.choose())
        self.trial.assert_not_called()
        self.assertFalse(self.verdict.exists())

    def test_both_verdicts_are_kept(self):
        for works in (True, False):
            with self.subTest(works=works):
                self.verdict.unlink(missing_ok=True)
                self.trial.reset_mock()
                self.trial.return_value = works
                self.assertEqual(self.choose(), self.choose())
                self.trial.assert_called_once_with()

    def test_another_qemu_is_tried_again(self):
        self.choose("QEMU 1")
        self.choose("QEMU 2")
        self.assertEqual(2, self.trial.call_count)

    def test_another_kernel_is_tried_again(self):
        self.choose()
        with mock.patch("platform.release", return_value="9.9"):
            self.choose()
        self.assertEqual(2, self.trial.call_count)

    def test_unreadable_verdict_is_tried_again(self):
        for text in ("", "[]", json.dumps({"works": True})):
            with self.subTest(text=text):
                self.trial.reset_mock()
                self.verdict.write_text(text)
                self.assertEqual("kvm", self.choose())
                self.trial.assert_called_once_with()

    def test_environment_overrides(self):
        self.assertEqual("tcg", self.choose(LAB_ACCEL="tcg"))
        self.assertEqual("kvm", self.choose(LAB_ACCEL="kvm"))
        self.assertEqual("uml", self.choose(LAB_ACCEL="uml"))
        self.trial.assert_not_called()

    def test_environment_with_something_else(self):
        with self.assertRaisesRegex(errors.LabError, "LAB_ACCEL.*hvf"):
            self.choose(LAB_ACCEL="hvf")


class ReachedInitTestCase(base.LabTestCase):
    def reached(self, text):
        return accel._reached_init(self.write("log", text))

    def test_the_command_line_alone_is_not_enough(self):
        self.assertFalse(
            self.reached(
                "Command line: rdinit=/lab-trial\n"
                "Kernel command line: rdinit=/lab-trial\nCPU: 1\n"
            )
        )

    def test_init_is_looked_for(self):
        self.assertTrue(
            self.reached(
                "Kernel command line: rdinit=/lab-trial\n"
                "check access for rdinit=/lab-trial failed: -2, ignoring\n"
            )
        )

    def test_nothing_came_out(self):
        self.assertFalse(self.reached(""))
