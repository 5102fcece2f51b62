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

from tests.unit.host import base

ADDED = "backend_id:lvm-a,volume_group:promote-a"


class UndoTest(base.HostTestCase):
    def setUp(self):
        super().setUp()
        self.before = self.use_sample("debian.conf")

    def promote(self):
        self.run_json(
            "re-point", "lvm-a", "--to", "lvm-b", "--replicate-to", "lvm-c"
        )

    def test_every_byte_is_back(self):
        self.promote()
        self.assertNotEqual(self.before, self.conf.read_bytes())
        done = self.run_json("undo")
        self.assertEqual((True, "lvm-a"), (done["changed"], done["backend"]))
        self.assertEqual(self.before, self.conf.read_bytes())

    def test_owner_mode_and_backup_stay(self):
        self.promote()
        self.conf.chmod(0o604)
        self.run_json("undo")
        self.assertEqual(0o604, self.conf.stat().st_mode & 0o777)
        (backup,) = self.dir.glob("*.before-re-point-*")
        self.assertEqual(self.before, backup.read_bytes())

    def test_again_is_no_error_and_changes_nothing(self):
        self.promote()
        self.run_json("undo")
        self.set_state("active")
        before = self.snapshot()
        self.assertFalse(self.run_json("undo", "lvm-a")["changed"])
        self.assertEqual(before, self.snapshot())

    def test_only_the_last_one_is_undone(self):
        self.promote()
        first = self.conf.read_bytes()
        self.run_json(
            "re-point", "lvm-a", "--to", "lvm-c",
            "--replication-device", ADDED,
        )  # fmt: skip
        self.run_json("undo")
        self.assertEqual(first, self.conf.read_bytes())
        self.assertFalse(self.run_json("undo")["changed"])
        self.assertEqual(first, self.conf.read_bytes())

    def test_taken_back_by_hand_counts_as_undone(self):
        self.promote()
        first = self.conf.read_bytes()
        self.run_json(
            "re-point", "lvm-a", "--to", "lvm-c",
            "--replication-device", ADDED,
        )  # fmt: skip
        self.conf.write_bytes(first)
        self.assertFalse(self.run_json("undo")["changed"])
        self.assertEqual(first, self.conf.read_bytes())

    def test_re_point_undo_re_point_undo(self):
        for _ in range(2):
            self.promote()
            self.run_json("undo")
            self.assertEqual(self.before, self.conf.read_bytes())

    def test_refused_when_the_file_was_edited_since(self):
        self.promote()
        with self.conf.open("a") as stream:
            stream.write("# by hand\n")
        complaint = self.assert_refused(
            "was changed after lvm-a was re-pointed; the file of before is",
            "undo",
        )
        backup = complaint.split()[-1].rstrip(".")
        with open(backup, "rb") as stream:
            self.assertEqual(self.before, stream.read())
        shown = self.run_json("show")["undo"]
        self.assertFalse(shown["available"])
        self.assertIn(backup, shown["message"])

    def test_refused_while_the_service_runs(self):
        self.promote()
        self.set_state("active")
        self.assert_refused("is active; stop it first", "undo")

    def test_refused_for_another_backend(self):
        self.promote()
        self.assert_refused(
            "The last re-point was of lvm-a, not of lvm-b", "undo", "lvm-b"
        )

    def test_refused_when_nothing_was_re_pointed(self):
        self.assert_refused("^Nothing was re-pointed in .*cinder.conf", "undo")

    def test_refused_when_the_backup_is_gone_or_changed(self):
        self.promote()
        (backup,) = self.dir.glob("*.before-re-point-*")
        backup.write_text("[DEFAULT]\n")
        self.assert_refused("is not the copy that was kept before", "undo")
        backup.unlink()
        self.assert_refused("can't be read: No such file", "undo")
