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

import unittest

from cinder_promote import amounts


class DescribeTest(unittest.TestCase):
    def test_bytes(self):
        for copied, total, text in (
            (0, 512, ", 0.0 of 0.5 KiB copied"),
            (512, 1 << 20, ", 0.0 of 1.0 MiB copied"),
            (3 << 29, 1023 << 30, ", 1.5 of 1023.0 GiB copied"),
            (3 << 39, 5000 << 40, ", 1.5 of 5000.0 TiB copied"),
        ):
            self.assertEqual(text, amounts.describe(copied, total, None))

    def test_unknown(self):
        for told in ((None, None, None), (0, 0, 0), (None, 7, None)):
            self.assertEqual("", amounts.describe(*told))

    def test_seconds(self):
        for seconds, text in (
            (1, "1 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7199, "120 min"),
            (9000, "2.5 h"),
        ):
            self.assertEqual(
                f", about {text} left", amounts.describe(None, None, seconds)
            )

    def test_of_backend(self):
        reported = {
            "replication_sync_bytes": 1 << 30,
            "replication_sync_bytes_total": 4 << 30,
            "replication_sync_seconds_left": 60,
        }
        self.assertEqual(
            ", 1.0 of 4.0 GiB copied, about 60 s left",
            amounts.of_backend(reported),
        )
        reported["replication_sync_seconds_left"] = None
        self.assertEqual(
            ", 1.0 of 4.0 GiB copied", amounts.of_backend(reported)
        )
        # all is in sync
        reported["replication_sync_seconds_left"] = 0
        self.assertEqual("", amounts.of_backend(reported))
        self.assertEqual("", amounts.of_backend({}))
