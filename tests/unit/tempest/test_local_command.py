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

import time

from tempest.lib import exceptions as lib_exceptions

from cinder_promote_tempest.common import exceptions, local_command
from tests.unit.tempest import base


class LocalCommandTest(base.TempestTestCase):
    def test_bytes_in_and_out(self):
        data = bytes(range(256)) * 4096
        self.assertEqual(
            data, local_command.run(["cat"], timeout=30, data=data)
        )

    def test_failure_tells_command_status_and_errors(self):
        with self.assertRaises(exceptions.CommandFailed) as caught:
            local_command.run(["sh", "-c", "echo no >&2; exit 3"], timeout=30)
        for part in ("exit 3", "exited with 3", ": no"):
            self.assertIn(part, str(caught.exception))

    def test_timeout(self):
        start = time.monotonic()
        with self.assertRaises(lib_exceptions.TimeoutException) as caught:
            local_command.run(["sleep", "60"], timeout=0.1)
        self.assertLess(time.monotonic() - start, 30)
        self.assertIn("sleep", str(caught.exception))
