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

import os
import subprocess

from tests.unit.devstack import base

SECTORS = 4 * 2**21

# A loop device is a line "NAME FILE" of the file loops.
LOSETUP = """
case $1 in
    --find)
        name=/dev/loop$(cat {root}/loops 2>/dev/null | wc -l)
        echo "$name $3" >>{root}/loops
        echo "$name" ;;
    --associated) awk -v file="$2" '$2 == file {{ print $1 }}' {root}/loops ;;
    --detach)
        awk -v name="$2" '$1 != name' {root}/loops >{root}/loops.new
        mv {root}/loops.new {root}/loops ;;
esac 2>/dev/null
exit 0
"""
# A device-mapper device is a file dm/NAME with its table; beside it are
# NAME.new, a table that is loaded, and NAME.suspended.
DMSETUP = """
cd {root}/dm
verb=$1
for word in "$@"; do
    case $last in --table) table=$word ;; esac
    case $word in --* | -*) ;; *) [ "$last" = --table ] || name=$word ;; esac
    last=$word
done
case "$verb" in
    info)
        [ -e "$name" ] || exit 1
        case "$*" in
            *suspended*)
                [ -e "$name.suspended" ] && echo Suspended || echo Active ;;
        esac ;;
    create) name=$2; echo "$table" >"$name" ;;
    load) name=$2; echo "$table" >"$name.new" ;;
    suspend) touch "$name.suspended" ;;
    resume)
        rm -f "$name.suspended"
        [ ! -e "$name.new" ] || mv "$name.new" "$name" ;;
    table) cat "$name" ;;
    remove) [ ! -e "$name.busy" ] && rm -f "$name" ;;
esac
"""


class DiskCommandTestCase(base.DevstackTestCase):
    """The command, with a kernel that is made of files."""

    def setUp(self):
        super().setUp()
        self.mapper = self.root / "dm"
        self.mapper.mkdir()
        self.table = self.root / "disks"
        self.table.write_text("# a comment\n")
        (self.root / "sys/7:0/holders").mkdir(parents=True)
        self.program("losetup", LOSETUP.format(root=self.root))
        self.program("dmsetup", DMSETUP.format(root=self.root))
        self.program("blockdev", f"echo {SECTORS}")
        self.program("lsblk", "echo ' 7:0 '")
        self.program("blkid", "exit 2")
        for name in (
            "udevadm",
            "pvcreate",
            "vgcreate",
            "vgchange",
            "blkdiscard",
        ):
            self.program(name)
        text = (base.PLUGIN / "files/cinder-promote-disk").read_text()
        for old, new in (
            ("PATH=/usr/local/sbin", f"PATH={self.root}/bin:/usr/local/sbin"),
            ("/etc/cinder-promote/disks", str(self.table)),
            ("/run/", f"{self.root}/"),
            ("/etc/lvm/", f"{self.root}/lvm/"),
            ("/dev/mapper/", f"{self.mapper}/"),
            ("/sys/dev/block/", f"{self.root}/sys/"),
        ):
            self.assertIn(old, text)
            text = text.replace(old, new)
        self.script = self.root / "cinder-promote-disk"
        self.script.write_text(text)
        self.script.chmod(0o755)

    def run_disk(self, *words, status=0, request=None):
        """Run the command and return what it has to say."""
        environment = {"PATH": os.environ["PATH"]}
        if request is not None:
            environment["SSH_ORIGINAL_COMMAND"] = request
        done = subprocess.run(
            [self.script, *words],
            env=environment,
            cwd=self.root,
            capture_output=True,
            text=True,
        )
        self.assertEqual(status, done.returncode, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def add(self, name, can_fail=True):
        """Put a disk into the table and start it."""
        file = self.root / f"{name}.img"
        file.touch()
        with self.table.open("a") as table:
            table.write(f"{name} promote-{name} {file} {can_fail}\n")
        self.run_disk("start")
        return file

    def add_holders(self, *names):
        """Put devices one above the other over the first loop device."""
        below = "7:0"
        for number, name in enumerate(names):
            holder = self.root / f"sys/{below}/holders/dm-{number}"
            (holder / "dm").mkdir(parents=True)
            (holder / "dm/name").write_text(f"{name}\n")
            (holder / "dev").write_text(f"253:{number}\n")
            below = f"253:{number}"
            (self.root / f"sys/{below}/holders").mkdir(parents=True)
            (self.mapper / name).touch()

    def layer(self, name):
        return (self.mapper / f"disk-{name}").read_text().strip()

    def told(self, *programs):
        return [line for line in self.logged() if line.startswith(programs)]


class StartTest(DiskCommandTestCase):
    def test_a_layer_leaves_the_label_of_lvm_out_of_the_disk_below(self):
        self.add("lvm-a")
        self.assertEqual(
            f"0 {SECTORS - 2048} linear /dev/loop0 2048", self.layer("lvm-a")
        )
        layer = self.mapper / "disk-lvm-a"
        self.assertEqual(
            [
                f"pvcreate -ff -y -q {layer}",
                f"vgcreate -q promote-lvm-a {layer}",
            ],
            self.told("pvcreate", "vgcreate"),
        )

    def test_a_disk_without_a_layer(self):
        self.add("lvm-a", can_fail=False)
        self.assertEqual([], list(self.mapper.iterdir()))
        self.assertIn("vgcreate -q promote-lvm-a /dev/loop0", self.logged())

    def test_after_a_reboot_its_group_is_used(self):
        self.add("lvm-a")
        (self.root / "loops").unlink()
        (self.mapper / "disk-lvm-a").unlink()
        self.log.unlink()
        self.program("blkid", "exit 0")
        self.run_disk("start")
        self.assertEqual([], self.told("pvcreate", "vgcreate"))
        self.assertIn("vgchange -q --activate y promote-lvm-a", self.logged())
        self.assertTrue(self.layer("lvm-a"))

    def test_what_can_not_be_read_is_not_taken_for_empty(self):
        self.program("blkid", "exit 8")
        self.add("lvm-a")
        self.assertEqual([], self.told("pvcreate"))

    def test_one_that_is_there_is_left_alone(self):
        self.add("lvm-a")
        self.run_disk("fail", "lvm-a")
        self.add("lvm-b")
        self.assertEqual("failed\n", self.run_disk("status", "lvm-a"))
        self.assertEqual("ok\n", self.run_disk("status", "lvm-b"))
        self.assertEqual(1, len(self.told("vgcreate -q promote-lvm-a")))

    def test_a_device_of_the_machine_is_waited_for(self):
        self.program("udevadm", "exit 1")
        self.table.write_text("lvm-a promote-a /dev/no-such-disk True\n")
        self.run_disk("start", status=1)
        self.assertEqual(
            ["udevadm wait --timeout=60 /dev/no-such-disk"],
            self.told("udevadm", "losetup --find", "dmsetup create"),
        )

    def test_its_file_is_gone(self):
        self.add("lvm-a").unlink()
        (self.root / "loops").unlink()
        (self.mapper / "disk-lvm-a").unlink()
        self.assertIn("the disk of lvm-a", self.run_disk("start", status=1))

    def test_list(self):
        self.add("lvm-b")
        self.add("lvm-a")
        self.assertEqual("lvm-b\nlvm-a\n", self.run_disk("list"))

    def test_no_table(self):
        self.table.unlink()
        self.assertEqual("", self.run_disk("list"))
        self.assertEqual("", self.run_disk("start"))


class FaultsTest(DiskCommandTestCase):
    def test_fail_and_repair(self):
        self.add("lvm-a")
        works = self.layer("lvm-a")
        self.run_disk("fail", "lvm-a")
        self.assertEqual(f"0 {SECTORS - 2048} error", self.layer("lvm-a"))
        self.assertEqual("failed\n", self.run_disk("status", "lvm-a"))
        self.run_disk("repair", "lvm-a")
        self.assertEqual(works, self.layer("lvm-a"))
        self.assertEqual("ok\n", self.run_disk("status", "lvm-a"))

    def test_hang_fail_and_repair(self):
        self.add("lvm-a")
        self.run_disk("hang", "lvm-a")
        self.assertEqual("hung\n", self.run_disk("status", "lvm-a"))
        self.run_disk("fail", "lvm-a")
        self.assertEqual("failed\n", self.run_disk("status", "lvm-a"))
        self.run_disk("hang", "lvm-a")
        self.run_disk("repair", "lvm-a")
        self.assertEqual("ok\n", self.run_disk("status", "lvm-a"))

    def test_nothing_is_flushed_to_a_disk_that_may_hang(self):
        self.add("lvm-a")
        self.run_disk("fail", "lvm-a")
        self.assertEqual(
            ["dmsetup suspend --nolockfs --noflush disk-lvm-a"],
            self.told("dmsetup suspend"),
        )

    def test_without_a_layer_it_can_not_fail(self):
        self.add("lvm-a", can_fail=False)
        self.assertEqual("ok\n", self.run_disk("status", "lvm-a"))
        for verb in ("fail", "hang", "repair"):
            with self.subTest(verb):
                self.assertIn(
                    "no layer", self.run_disk(verb, "lvm-a", status=1)
                )

    def test_absent(self):
        self.add("lvm-a")
        (self.mapper / "disk-lvm-a").unlink()
        self.assertEqual("absent\n", self.run_disk("status", "lvm-a"))
        self.assertIn("absent", self.run_disk("fail", "lvm-a", status=1))


class ReplaceTest(DiskCommandTestCase):
    def test_a_failed_disk_works_again_empty(self):
        self.add("lvm-a")
        self.run_disk("fail", "lvm-a")
        self.add_holders("promote--lvm--a-volume", "promote-volume-1")
        self.log.unlink()
        self.run_disk("replace", "lvm-a")
        self.assertEqual("ok\n", self.run_disk("status", "lvm-a"))
        layer = self.mapper / "disk-lvm-a"
        self.assertEqual(
            [
                # what is above goes first
                "dmsetup remove --force --retry promote-volume-1",
                "dmsetup remove --force --retry promote--lvm--a-volume",
                f"blkdiscard -f {layer}",
                f"pvcreate -ff -y -q {layer}",
                f"vgcreate -q promote-lvm-a {layer}",
            ],
            self.told("dmsetup remove", "blkdiscard", "pvcreate", "vgcreate"),
        )

    def test_one_that_can_not_discard_is_written_with_zeros(self):
        self.add("lvm-a")
        self.program("blkdiscard", '[ "$2" = -z ]')
        self.run_disk("replace", "lvm-a")
        self.assertEqual(2, len(self.told("blkdiscard")))

    def test_one_that_can_not_be_wiped(self):
        self.add("lvm-a")
        self.program("blkdiscard", "exit 1")
        self.log.unlink()
        self.assertIn("wiped", self.run_disk("replace", "lvm-a", status=1))
        self.assertEqual([], self.told("pvcreate"))

    def test_in_use(self):
        self.add("lvm-a")
        self.add_holders("promote-volume-1")
        (self.mapper / "promote-volume-1.busy").touch()
        self.log.unlink()
        self.assertIn(
            "promote-volume-1 is in use",
            self.run_disk("replace", "lvm-a", status=1),
        )
        self.assertEqual([], self.told("blkdiscard", "pvcreate"))


class RemoveTest(DiskCommandTestCase):
    def test_nothing_is_left(self):
        other = self.add("lvm-b")
        file = self.add("lvm-a")
        for name in ("backup/promote-lvm-a", "archive/promote-lvm-a_00001.vg"):
            path = self.root / "lvm" / name
            path.parent.mkdir(parents=True)
            path.touch()
        kept = self.root / "lvm/archive/promote-lvm-a-b_00001.vg"
        kept.touch()
        self.run_disk("hang", "lvm-a")
        self.add_holders("disk-lvm-a", "promote--lvm--a-volume")
        (self.mapper / "disk-lvm-a").write_text("0 1 linear x 0\n")
        self.run_disk("remove", "lvm-a")
        self.assertEqual("lvm-b\n", self.run_disk("list"))
        self.assertFalse(file.exists())
        self.assertTrue(other.exists())
        self.assertEqual(
            ["disk-lvm-b"], [path.name for path in self.mapper.iterdir()]
        )
        self.assertNotIn("lvm-a", (self.root / "loops").read_text())
        self.assertEqual(
            [kept],
            [each for each in self.root.glob("lvm/*/*") if each.is_file()],
        )

    def test_what_is_half_there(self):
        file = self.add("lvm-a")
        (self.root / "loops").unlink()
        (self.mapper / "disk-lvm-a").unlink()
        self.run_disk("remove", "lvm-a")
        self.assertFalse(file.exists())
        self.assertEqual("", self.run_disk("list"))

    def test_in_use(self):
        file = self.add("lvm-a")
        self.add_holders("promote-volume-1")
        (self.mapper / "promote-volume-1.busy").touch()
        self.assertIn("in use", self.run_disk("remove", "lvm-a", status=1))
        self.assertTrue(file.exists())
        self.assertEqual("lvm-a\n", self.run_disk("list"))


class UsageTest(DiskCommandTestCase):
    def test_wrong_words_touch_nothing(self):
        self.add("lvm-a")
        self.log.unlink()
        for words in (
            [],
            ["fail"],
            ["burn", "lvm-a"],
            ["fail", "lvm-a", "lvm-a"],
            ["start", "lvm-a"],
            ["ssh", "lvm-a"],
        ):
            with self.subTest(words=words):
                self.assertIn("usage", self.run_disk(*words, status=2))
        self.assertEqual([], self.logged())

    def test_unknown_backend(self):
        self.add("lvm-a")
        self.log.unlink()
        for name in ("lvm-b", "lvm", "#", "lvm.a", ".*"):
            with self.subTest(name):
                self.assertIn(
                    f"no disk of a backend {name}",
                    self.run_disk("fail", name, status=1),
                )
        self.assertEqual([], self.logged())


class SshTest(DiskCommandTestCase):
    def test_what_may_be_asked_for(self):
        self.add("lvm-a")
        self.run_disk("ssh", request="fail lvm-a")
        self.assertEqual(
            "failed\n", self.run_disk("ssh", request=" status  lvm-a ")
        )
        self.run_disk("ssh", request="replace lvm-a")
        self.assertEqual("ok\n", self.run_disk("status", "lvm-a"))

    def test_anything_else_is_refused(self):
        self.add("lvm-a")
        self.log.unlink()
        for request in (
            None,
            "",
            "fail",
            "start",
            "list",
            "ssh",
            "remove lvm-a",
            "fail lvm-a lvm-a",
            "fail lvm-a; id",
            "sh -c",
            "--help lvm-a",
        ):
            with self.subTest(request):
                self.assertIn(
                    "refused", self.run_disk("ssh", status=2, request=request)
                )
        self.assertEqual([], self.logged())

    def test_words_are_words_and_nothing_else(self):
        self.add("lvm-a")
        (self.root / "lvm-a").touch()
        for request in ("fail *", "fail $(id)", "fail lvm-?", "fail `id`"):
            with self.subTest(request):
                self.assertIn(
                    f"no disk of a backend {request.partition(' ')[2]}",
                    self.run_disk("ssh", status=1, request=request),
                )
        self.assertEqual("ok\n", self.run_disk("status", "lvm-a"))
