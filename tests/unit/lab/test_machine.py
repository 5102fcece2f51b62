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
import os

from cinder_lab import errors, image, machine
from tests.unit.lab import base

PORTS = {name: 10000 + n for n, name in enumerate(machine.GUEST_PORTS)}


class MachineTestCase(base.LabTestCase):
    def setUp(self):
        super().setUp()
        self.machine = machine.Machine(self.folder)

    def command(self, accelerator="tcg", saved=None):
        return self.machine.command(
            image.Image(self.folder / "image"), accelerator, PORTS, saved
        )


class ProcessTestCase(MachineTestCase):
    def test_never_started(self):
        self.assertIsNone(self.machine.pid())

    def test_process_that_is_gone(self):
        self.write("qemu.pid", "4194399\n")
        self.assertIsNone(self.machine.pid())

    def test_process_id_taken_by_another_process(self):
        self.write("qemu.pid", f"{os.getpid()}\n")
        self.assertIsNone(self.machine.pid())

    def test_file_written_half(self):
        self.write("qemu.pid", "")
        self.assertIsNone(self.machine.pid())

    def test_stop_clears_up_after_a_machine_that_is_gone(self):
        self.write("qemu.pid", "4194399\n")
        self.write("run.json", "{}")
        self.assertFalse(self.machine.stop())
        self.assertFalse((self.folder / "qemu.pid").exists())
        self.assertFalse((self.folder / "run.json").exists())

    def test_port_of_a_machine_that_does_not_run(self):
        self.write("run.json", json.dumps({"ports": PORTS}))
        with self.assertRaisesRegex(errors.LabError, "not running"):
            self.machine.port("ssh")


class CommandTestCase(MachineTestCase):
    def test_reached_from_this_machine_only(self):
        (netdev,) = (a for a in self.command() if a.startswith("user,"))
        self.assertIn("restrict=on", netdev)
        forwards = [f for f in netdev.split(",") if f.startswith("hostfwd=")]
        self.assertEqual(len(machine.GUEST_PORTS), len(forwards))
        for forward in forwards:
            self.assertTrue(forward.startswith("hostfwd=tcp:127.0.0.1:"))

    def test_accelerators(self):
        self.assertIn("kvm", self.command("kvm"))
        self.assertNotIn("kvm", self.command("tcg"))

    def test_the_clock_is_read_inside_the_guest_under_tcg_only(self):
        self.assertIn("clocksource=tsc", " ".join(self.command("tcg")))
        self.assertNotIn("clocksource=tsc", " ".join(self.command("kvm")))

    def test_last_words_on_the_console(self):
        self.write("console.log", "one\n\x1b[0;32m  OK  \x1b[0m two\r\n\n")
        self.assertEqual("OK   two", self.machine.last_words())

    def test_boots_unless_told_to_go_on(self):
        self.assertNotIn("-loadvm", self.command())
        self.assertEqual(
            ["-loadvm", "ready"], self.command(saved="ready")[-2:]
        )

    def test_a_disk_for_the_system_and_one_for_each_group(self):
        serials = [
            argument.partition("serial=")[2]
            for argument in self.command()
            if "serial=" in argument
        ]
        self.assertEqual(["lab-root", "lab-a", "lab-b", "lab-c"], serials)


class SavedStatesTestCase(MachineTestCase):
    def test_none_at_first(self):
        self.assertEqual({}, self.machine.saved_states())

    def test_file_written_half_counts_as_none(self):
        self.write("state.json", '{"ready": ')
        self.assertEqual({}, self.machine.saved_states())

    def test_forgotten_one_is_gone_and_others_stay(self):
        self.write("state.json", json.dumps({"cloud": "1", "ready": "2"}))
        self.machine.forget_state("ready")
        self.assertEqual({"cloud": "1"}, self.machine.saved_states())

    def test_state_that_could_not_be_saved_is_not_used(self):
        self.write("state.json", json.dumps({"ready": "old"}))
        with self.assertRaises(errors.LabError):
            self.machine.save("ready", "new")
        self.assertEqual({}, self.machine.saved_states())
