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

import pathlib
import tempfile

from tempest.lib import exceptions as lib_exceptions

from cinder_promote_tempest.common import exceptions, faults
from tests.unit.tempest import base


class FailedBackendTest(base.TempestTestCase):
    def setUp(self):
        super().setUp()
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.log = pathlib.Path(made.name) / "log"

    def configure(self, fail=None, repair=None):
        def log(what):
            return f"sh -c 'echo {what} $0 >>{self.log}' {{backend_id}}"

        self.fake_conf(
            "cinder_promote_tempest.common.faults",
            fail_backend_command=log("fail") if fail is None else fail,
            repair_backend_command=log("repair") if repair is None else repair,
            fault_timeout=30,
        )

    def logged(self):
        return self.log.read_text().splitlines() if self.log.exists() else []

    def test_fails_then_repairs(self):
        self.configure()
        with faults.failed_backend("lvm-b"):
            self.assertEqual(["fail lvm-b"], self.logged())
        self.assertEqual(["fail lvm-b", "repair lvm-b"], self.logged())

    def test_repairs_after_an_error(self):
        self.configure()
        with self.assertRaises(KeyError):
            with faults.failed_backend("lvm-b"):
                raise KeyError
        self.assertEqual(["fail lvm-b", "repair lvm-b"], self.logged())

    def test_repairs_what_was_only_half_broken(self):
        self.configure(fail="false")
        with self.assertRaises(exceptions.CommandFailed):
            with faults.failed_backend("lvm-b"):
                self.fail("not reached")
        self.assertEqual(["repair lvm-b"], self.logged())

    def test_breaks_nothing_that_cannot_be_repaired(self):
        self.configure(repair="")
        with self.assertRaises(lib_exceptions.InvalidConfiguration) as caught:
            with faults.failed_backend("lvm-b"):
                self.fail("not reached")
        self.assertIn("repair_backend_command", str(caught.exception))
        self.assertEqual([], self.logged())

    def test_no_shell(self):
        self.configure()
        with faults.failed_backend("b; echo pwned"):
            pass
        self.assertEqual("fail b; echo pwned", self.logged()[0])
