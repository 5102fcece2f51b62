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
import pathlib
import subprocess
from unittest import mock

from cinder_lab import errors, image, machine, paths, qemu, shape, uml
from tests.unit.lab import base

PORTS = {name: 10000 + n for n, name in enumerate(shape.GUEST_PORTS)}


class MachineTestCase(base.LabTestCase):
    def setUp(self):
        super().setUp()
        self.machine = machine.Machine(self.folder)
        self.image = image.Image(self.folder / "image")

    def run_as(self, name, pid_file):
        """Have a process of this name run in the machine's folder."""
        program = self.write(name, "#!/bin/sh\nread -r line\n", 0o755)
        process = subprocess.Popen(
            [program],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdin.close)
        self.write(pid_file, f"{process.pid}\n")
        return process


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

    def test_last_words_on_the_console(self):
        self.write("console.log", "one\n\x1b[0;32m  OK  \x1b[0m two\r\n\n")
        self.assertEqual("OK   two", self.machine.last_words())


class UseTestCase(MachineTestCase):
    """Which program runs the machine."""

    def test_the_one_that_runs_is_found_by_another_command(self):
        process = self.run_as("linux.uml", "uml.pid")
        self.write("run.json", json.dumps({"ports": PORTS}))
        again = machine.Machine(self.folder)
        self.assertEqual(process.pid, again.pid())
        self.assertEqual(PORTS["ssh"], again.port("ssh"))
        self.assertFalse(again.saves)
        self.assertTrue(again.stop())
        self.assertEqual(-9, process.wait(60))
        self.assertIsNone(again.pid())

    def test_a_guest_that_restarts(self):
        noted = {"ports": PORTS, "image": "/image", "accelerator": "uml"}
        self.machine.use("uml")
        self.write("run.json", json.dumps(noted | {"holds": "key"}))
        with mock.patch.object(uml.Uml, "start") as start:
            self.machine.restart()
            start.assert_called_once_with(
                image.Image(pathlib.Path("/image")), "uml", PORTS
            )
            self.run_as("linux.uml", "uml.pid")
            self.machine.restart()
            start.assert_called_once()
        self.assertEqual("key", self.machine.holds())

    def test_a_change_ends_what_runs(self):
        process = self.run_as("linux.uml", "uml.pid")
        again = machine.Machine(self.folder)
        again.use("uml")
        self.assertEqual(process.pid, again.pid())
        again.use("tcg")
        self.assertEqual(-9, process.wait(60))
        self.assertTrue(again.saves)

    def test_states_of_one_are_left_alone_by_the_other(self):
        kept = json.dumps({"cloud": "1", "ready": "2"})
        self.write("state.json", kept)
        self.machine.use("uml")
        self.assertEqual({}, self.machine.saved_states())
        self.machine.save("ready", "3")
        self.machine.forget_state("cloud")
        self.assertEqual({"ready": "3"}, self.machine.saved_states())
        self.machine.stop()
        self.assertEqual({}, self.machine.saved_states())
        self.machine.use("kvm")
        self.assertEqual(json.loads(kept), self.machine.saved_states())

    def test_states_tell_what_ran_the_machine(self):
        with mock.patch.object(qemu, "version", return_value="QEMU 1"):
            origins = {
                accelerator: self.origin(accelerator)
                for accelerator in ("kvm", "tcg", "uml")
            }
        self.assertEqual(3, len(set(origins.values())))
        with mock.patch.object(qemu, "version", return_value="QEMU 2"):
            self.assertNotEqual(origins["tcg"], self.origin("tcg"))

    def origin(self, accelerator):
        self.machine.use(accelerator)
        return self.machine.origin(self.image, accelerator)


class QemuCommandTestCase(MachineTestCase):
    def command(self, accelerator="tcg", saved=None):
        return qemu.Qemu(self.folder, shape.Shape()).command(
            self.image, accelerator, PORTS, saved
        )

    def test_reached_from_this_machine_only(self):
        (netdev,) = (a for a in self.command() if a.startswith("user,"))
        self.assertIn("restrict=on", netdev)
        forwards = [f for f in netdev.split(",") if f.startswith("hostfwd=")]
        self.assertEqual(len(shape.GUEST_PORTS), len(forwards))
        for forward in forwards:
            self.assertTrue(forward.startswith("hostfwd=tcp:127.0.0.1:"))

    def test_accelerators(self):
        self.assertIn("kvm", self.command("kvm"))
        self.assertNotIn("kvm", self.command("tcg"))

    def test_the_clock_is_read_inside_the_guest_under_tcg_only(self):
        self.assertIn("clocksource=tsc", " ".join(self.command("tcg")))
        self.assertNotIn("clocksource=tsc", " ".join(self.command("kvm")))

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


class UmlTestCase(MachineTestCase):
    def setUp(self):
        super().setUp()
        self.uml = uml.Uml(
            self.folder, shape.Shape(disks=("a",), root_size="2G")
        )

    def test_a_disk_for_the_system_and_one_for_each_group(self):
        command = uml.Uml(self.folder, shape.Shape()).command(
            self.image, "uml", PORTS
        )
        self.assertEqual(
            [
                "ubda=root.img",
                "ubdb=a.img",
                "ubdc=b.img",
                "ubdd=c.img",
            ],
            [word for word in command if word.startswith("ubd")],
        )

    def test_names_of_the_disks_in_the_guest(self):
        rules = (
            paths.LAB / "guest/etc/udev/rules.d/60-lab.rules"
        ).read_text()
        for disk, letter in zip(shape.DISKS, "bcd", strict=True):
            self.assertIn(
                f'KERNEL=="ubd{letter}", '
                f'SYMLINK+="disk/by-id/virtio-lab-{disk}"\n',
                rules,
            )

    def test_disks_are_new_each_time(self):
        self.write("image/root.img", "system")
        self.uml.make_disks(self.image)
        root, disk = (self.folder / f"{name}.img" for name in ("root", "a"))
        with root.open("r+") as system, disk.open("r+") as data:
            system.write("change")
            data.write("data")
        self.uml.make_disks(self.image)
        with root.open("rb") as system, disk.open("rb") as data:
            self.assertEqual(b"system", system.read(6))
            self.assertEqual(bytes(4), data.read(4))
        self.assertEqual(2 << 30, root.stat().st_size)
        self.assertEqual(6 << 30, disk.stat().st_size)
        self.assertEqual("system", self.image.root.read_text())

    def test_memory_that_does_not_fit_goes_into_the_folder(self):
        with mock.patch.object(uml, "SHARED_MEMORY", self.folder.parent):
            self.assertEqual(
                self.folder.parent, uml.memory_folder(self.folder, 1)
            )
            self.assertEqual(
                self.folder, uml.memory_folder(self.folder, 1 << 40)
            )
        with mock.patch.object(uml, "SHARED_MEMORY", self.folder / "none"):
            self.assertEqual(self.folder, uml.memory_folder(self.folder, 1))

    def test_program_that_can_not_be_run(self):
        program = self.write("bin/slirp4netns", "#!/bin/sh\nexit 1\n", 0o755)
        with (
            mock.patch.dict(os.environ, PATH=str(program.parent)),
            self.assertRaisesRegex(errors.LabError, "slirp4netns"),
        ):
            self.uml.start(self.image, "uml", PORTS)


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
