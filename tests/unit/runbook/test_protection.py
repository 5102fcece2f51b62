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
from unittest import mock

from cinder_promote.runbook import cloud, protection

HOST = "node1@lvm-a"


def volume(number, status):
    return cloud.Volume(
        id=str(number),
        name="",
        host=HOST,
        size=1,
        status="available",
        replicated=True,
        replication_status=status,
        attachments=0,
    )


class LookTest(unittest.TestCase):
    def look(self, *statuses, **reported):
        api = mock.create_autospec(cloud.Cloud, instance=True)
        api.capabilities.return_value = {HOST: reported}
        api.volumes.return_value = [
            volume(*each) for each in enumerate(statuses)
        ]
        return protection.look(api, HOST, {HOST})

    def test_percent_is_the_backend_s(self):
        seen = self.look(
            "enabled",
            "enabling",
            replication_volumes=2,
            replication_sync_percent=87.5,
            replication_sync_bytes=3,
            replication_sync_bytes_total=4,
            replication_sync_seconds_left=5,
        )
        self.assertEqual(
            (1, 2, 87.5), (seen.in_sync, seen.total, seen.percent)
        )
        self.assertEqual(
            (3, 4, 5), (seen.copied, seen.to_copy, seen.seconds_left)
        )

    def test_volumes_are_ahead_of_what_the_backend_reported(self):
        seen = self.look(
            "enabled",
            replication_volumes=1,
            replication_sync_percent=0.0,
            replication_sync_bytes=3,
            replication_sync_bytes_total=4,
            replication_sync_seconds_left=5,
        )
        self.assertEqual(
            (None,) * 3, (seen.copied, seen.to_copy, seen.seconds_left)
        )
        self.assertEqual(
            (1, 1, 100.0), (seen.in_sync, seen.total, seen.percent)
        )

    def test_percent_of_volumes_where_the_backend_does_not_tell(self):
        seen = self.look("enabled", "enabling")
        self.assertEqual(50.0, seen.percent)
        self.assertEqual(
            (None,) * 3, (seen.copied, seen.to_copy, seen.seconds_left)
        )
