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

from tests.unit.devstack import base

LOAD = "load_plugin; run_phase stack pre-install;"
MAKE = LOAD + (
    "install_promote_disk_command;"
    "for be in $(promote_lvm_backends); do"
    "  init_cinder_backend_promote_lvm $be; done;"
)
# The command, as far as these tests go: it knows the table and tells the rest.
COMMAND = """
set -e
[ "$1" != list ] || {{ [ ! -e {table} ] || awk '{{ print $1 }}' {table}; }}
[ "$1" != start ] || [ ! -e {folder}/no-start ]
[ "$1" != remove ] || {{
    [ ! -e {folder}/busy-$2 ] || exit 1
    sed -i "/^$2 /d" {table}
}}
"""


class DisksTestCase(base.DevstackTestCase):
    def setUp(self):
        super().setUp()
        self.table = self.etc / "cinder-promote/disks"
        self.command = self.root / "bin/cinder-promote-disk"
        self.unit = self.etc / "systemd/system/cinder-promote-disks.service"

    def stand_in(self):
        """Return a script that puts a stand-in for the command."""
        self.program(
            "stand-in",
            COMMAND.format(table=self.table, folder=self.root),
        )
        return f"cp {self.root}/bin/stand-in {self.command};"

    def make(self, more="", **settings):
        script = MAKE.replace(
            "install_promote_disk_command;",
            f"install_promote_disk_command; {self.stand_in()}",
        )
        return self.bash(script + more, **settings)

    def told(self, word):
        """Return how the command was run with a verb."""
        return [
            line.partition(" ")[2]
            for line in self.logged()
            if line.startswith(f"stand-in {word}")
        ]


class CreateTest(DisksTestCase):
    def test_a_file_and_a_line_for_each_backend(self):
        self.make(CINDER_PROMOTE_DISK_SIZE="3G")
        expected = []
        for name in base.BACKENDS:
            file = self.data / f"promote-{name}-backing-file"
            self.assertEqual(3 * 2**30, file.stat().st_size)
            self.assertLess(file.stat().st_blocks, 100)
            expected.append(f"{name} promote-{name} {file} True")
        self.assertEqual(expected, self.table.read_text().splitlines())

    def test_each_is_started_after_it_is_in_the_table(self):
        self.make()
        self.assertEqual(["start"] * 3, self.told("start"))

    def test_disks_that_can_not_fail(self):
        self.make(CINDER_PROMOTE_DISKS_CAN_FAIL="no")
        for line in self.table.read_text().splitlines():
            self.assertTrue(line.endswith(" False"), line)

    def test_the_filter_of_an_earlier_stack_does_not_hide_them(self):
        self.make()
        log = self.logged()
        self.assertLess(
            log.index("clean_lvm_filter"),
            log.index("stand-in start"),
        )

    def test_disks_of_an_earlier_stack_are_replaced(self):
        self.make()
        old = self.data / "promote-lvm-a-backing-file"
        old.write_text("old")
        self.make()
        self.assertEqual(
            [f"remove {name}" for name in base.BACKENDS], self.told("remove")
        )
        self.assertEqual(3, len(self.table.read_text().splitlines()))
        self.assertNotEqual(b"old", old.open("rb").read(3))

    def test_a_disk_in_use_is_not_replaced(self):
        self.make()
        (self.root / "busy-lvm-a").touch()
        script = LOAD + "init_cinder_backend_promote_lvm lvm-a"
        self.assert_dies("disk of lvm-a can't be .*; run unstack.sh", script)

    def test_a_disk_that_does_not_start_stops_the_stack(self):
        (self.root / "no-start").touch()
        script = LOAD + (
            f"install_promote_disk_command; {self.stand_in()}"
            "init_cinder_backend_promote_lvm lvm-a; echo went on"
        )
        done = self.bash(script, check=False)
        self.assertNotEqual(0, done.returncode)
        self.assertEqual("", done.stdout)


class UnitTest(DisksTestCase):
    def test_it_is_filled_in(self):
        self.make()
        text = self.unit.read_text()
        self.assertNotRegex(text, "%[A-Z]")
        self.assertIn(f"\nExecStart={self.command} start\n", text)
        self.assertIn(f"\nRequiresMountsFor={self.data}\n", text)
        self.assertRegex(text, r"(?m)^Before=.*\bdevstack@c-vol\.service\b")

    def test_it_brings_the_disks_back_after_a_reboot(self):
        self.make("enable_promote_disks")
        self.assertIn(
            "systemctl enable --now cinder-promote-disks.service",
            self.logged(),
        )

    def test_the_command_is_installed(self):
        self.bash(LOAD + "install_promote_disk_command")
        source = base.PLUGIN / "files/cinder-promote-disk"
        self.assertEqual(source.read_text(), self.command.read_text())
        self.assertEqual(0o755, self.command.stat().st_mode & 0o777)


class FilterTest(DisksTestCase):
    """The filter that DevStack writes at the end of stack.sh."""

    line = '        global_filter = [ "a|loop3|", "r|.*|" ]  # from devstack\n'
    text = "devices {\n        # global_filter = [ ]\n" + line + "}\n"

    def accept(self, **settings):
        conf = self.etc / "lvm/lvm.conf"
        conf.parent.mkdir()
        conf.write_text(self.text)
        self.bash(LOAD + "accept_promote_disks_after_reboot", **settings)
        return conf.read_text()

    def test_loop_devices_may_have_other_numbers_after_a_reboot(self):
        changed = self.accept(CINDER_PROMOTE_DISKS_CAN_FAIL="False")
        self.assertEqual(
            self.text.replace(
                '"a|loop3|"', '"a|^/dev/loop[0-9]+$|", "a|loop3|"'
            ),
            changed,
        )

    def test_it_is_still_taken_out_by_devstack(self):
        changed = self.accept(CINDER_PROMOTE_DISKS_CAN_FAIL="False")
        [line] = [line for line in changed.splitlines() if "[0-9]" in line]
        self.assertTrue(line.endswith("# from devstack"))

    def test_layers_keep_their_names(self):
        self.assertEqual(self.text, self.accept())


class RemoveTest(DisksTestCase):
    def files(self):
        return {path for path in self.etc.rglob("*") if path.is_file()} | {
            self.command
        } & set(self.command.parent.iterdir())

    def test_nothing_is_left(self):
        before = self.files()
        self.make("enable_promote_disks")
        self.assertGreater(len(self.files()), len(before))
        self.bash(
            LOAD + "for be in $(promote_lvm_backends); do"
            "  cleanup_cinder_backend_promote_lvm $be; done",
            program="unstack.sh",
        )
        self.assertEqual(before, self.files())
        self.assertFalse(self.table.parent.exists())
        self.assertIn(
            "systemctl disable --now cinder-promote-disks.service",
            self.logged(),
        )

    def test_backends_that_local_conf_no_longer_names(self):
        self.make()
        self.bash(
            LOAD + "cleanup_cinder_backend_promote_lvm lvm-a",
            program="unstack.sh",
            CINDER_ENABLED_BACKENDS="promote_lvm:lvm-a,promote_lvm:new",
        )
        self.assertEqual(
            [f"remove {name}" for name in base.BACKENDS], self.told("remove")
        )

    def test_clean_without_any_setting(self):
        self.make()
        self.bash(
            LOAD + "run_phase clean",
            program="clean.sh",
            CINDER_ENABLED_BACKENDS="lvm:lvmdriver-1",
        )
        self.assertFalse(self.table.exists())

    def test_a_disk_in_use_is_named_and_the_others_go(self):
        self.make()
        (self.root / "busy-lvm-b").touch()
        done = self.bash(
            LOAD + "remove_promote_disks", program="unstack.sh", check=False
        )
        self.assertNotEqual(0, done.returncode)
        self.assertRegex(done.stderr, "could not be removed: lvm-b;")
        self.assertEqual(
            ["lvm-b"],
            [line.split()[0] for line in self.table.open()],
        )
        self.assertTrue(self.command.exists())
        self.assertTrue(self.unit.exists())
