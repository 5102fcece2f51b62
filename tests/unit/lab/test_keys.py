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

from cinder_lab import keys
from tests.unit.lab import base


class TextTestCase(base.LabTestCase):
    def test_where_parts_end_counts(self):
        self.assertNotEqual(keys.of_text("ab", "c"), keys.of_text("a", "bc"))

    def test_same_parts_same_key(self):
        self.assertEqual(keys.of_text("a", "b"), keys.of_text("a", "b"))


class FilesTestCase(base.LabTestCase):
    def setUp(self):
        super().setUp()
        self.write("one/a.py", "a")
        self.write("one/deep/b.py", "b")
        self.write("two", "2")
        self.before = self.key()

    def key(self):
        return keys.of_files(self.folder, ["two", "one", "missing"])

    def test_order_of_names_does_not_count(self):
        self.assertEqual(
            self.before, keys.of_files(self.folder, ["missing", "one", "two"])
        )

    def test_content_counts(self):
        self.write("one/deep/b.py", "c")
        self.assertNotEqual(self.before, self.key())

    def test_name_counts(self):
        (self.folder / "one/a.py").rename(self.folder / "one/z.py")
        self.assertNotEqual(self.before, self.key())

    def test_added_file_counts(self):
        self.write("one/new.py")
        self.assertNotEqual(self.before, self.key())

    def test_execute_permission_counts(self):
        (self.folder / "two").chmod(0o755)
        self.assertNotEqual(self.before, self.key())

    def test_absent_name_that_appears_counts(self):
        self.write("missing", "now")
        self.assertNotEqual(self.before, self.key())

    def test_time_does_not_count(self):
        self.write("two", "2")
        self.assertEqual(self.before, self.key())

    def test_leftovers_do_not_count(self):
        self.write("one/__pycache__/a.cpython-311.pyc", "x")
        self.write("one/a.py~", "x")
        self.assertEqual(self.before, self.key())
