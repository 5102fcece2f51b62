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

import dataclasses
import unittest

from cinder_promote_tempest.common import states

SERVICE = {
    "binary": "cinder-volume",
    "host": "h@a",
    "replication_status": "failed-over",
    "active_backend_id": "b",
    "status": "disabled",
    "disabled_reason": "frozen",
    "frozen": True,
    "state": "up",
    "updated_at": "2026-01-01T00:00:00.000000",
}
ROW = states.ServiceRow.from_api(SERVICE)


class RowsTest(unittest.TestCase):
    def test_from_api(self):
        self.assertEqual([], states.frozen_row("b").differences(ROW))

    def test_every_field_is_compared(self):
        other = {
            "replication_status": "disabled",
            "active_backend_id": "c",
            "disabled": False,
            "disabled_reason": None,
            "frozen": False,
        }
        for field, value in other.items():
            row = dataclasses.replace(ROW, **{field: value})
            (wrong,) = states.frozen_row("b").differences(row)
            self.assertIn(f"{field} is {value!r}, not", wrong)
            self.assertNotEqual(ROW, row)

    def test_the_heartbeat_is_no_part_of_the_row(self):
        row = dataclasses.replace(ROW, state="down", updated_at="later")
        self.assertEqual(ROW, row)
        self.assertEqual([], states.frozen_row("b").differences(row))

    def test_a_reset_row_has_null_and_not_an_empty_reason(self):
        row = dataclasses.replace(
            ROW,
            replication_status="disabled",
            active_backend_id=None,
            disabled=False,
            disabled_reason=None,
        )
        self.assertEqual([], states.RESET_ROW.differences(row))
        empty = dataclasses.replace(row, disabled_reason="")
        self.assertEqual(
            ["disabled_reason is '', not None"],
            states.RESET_ROW.differences(empty),
        )

    def test_a_thawed_row_may_have_either(self):
        for reason in (None, ""):
            row = states.ServiceRow(
                "disabled", None, False, reason, False, "up", "now"
            )
            self.assertEqual([], states.PROMOTED_ROW.differences(row))

    def test_an_empty_backend_id_is_not_null(self):
        row = states.ServiceRow("enabled", "", False, "", False, "up", "now")
        self.assertEqual(
            ["active_backend_id is '', not None"],
            states.PROTECTED_ROW.differences(row),
        )

    def test_expected_rows_have_the_fields_of_rows(self):
        fields = {
            field.name
            for field in dataclasses.fields(states.ServiceRow)
            if field.compare
        }
        self.assertEqual(
            fields,
            {field.name for field in dataclasses.fields(states.ExpectedRow)},
        )
