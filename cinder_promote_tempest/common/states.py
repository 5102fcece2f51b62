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

"""States of services and volumes, and the rows that each step must leave."""

import dataclasses

# replication_status of services and volumes
ENABLED = "enabled"
ENABLING = "enabling"
DISABLED = "disabled"
FAILING_OVER = "failing-over"
FAILED_OVER = "failed-over"
FAILOVER_ERROR = "failover-error"
NOT_CAPABLE = "not-capable"

# status of volumes and images
AVAILABLE = "available"
IN_USE = "in-use"
ERROR = "error"
ERROR_DELETING = "error_deleting"
IMAGE_ACTIVE = "active"
IMAGE_KILLED = "killed"

# status of servers
SERVER_ACTIVE = "ACTIVE"
SERVER_ERROR = "ERROR"
SERVER_SHELVED_OFFLOADED = "SHELVED_OFFLOADED"

# state of services
UP = "up"

FAILED_OVER_REASON = "failed-over"
FROZEN_REASON = "frozen"

# Cinder writes either where it clears disabled_reason.
NO_REASON = (None, "")


@dataclasses.dataclass(frozen=True)
class ServiceRow:
    """A cinder-volume service: its row, and what its heartbeat says.

    Two are equal when the rows are, whatever the heartbeat.
    """

    replication_status: str
    active_backend_id: str | None
    disabled: bool
    disabled_reason: str | None
    frozen: bool
    state: str = dataclasses.field(compare=False)
    updated_at: str | None = dataclasses.field(compare=False)

    @classmethod
    def from_api(cls, service):
        """Build a row from a service as the API lists it."""
        return cls(
            replication_status=service["replication_status"],
            active_backend_id=service["active_backend_id"],
            disabled=service["status"] == "disabled",
            disabled_reason=service["disabled_reason"],
            frozen=service["frozen"],
            state=service["state"],
            updated_at=service["updated_at"],
        )


@dataclasses.dataclass(frozen=True)
class ExpectedRow:
    """A whole row as a step must leave it.

    A tuple holds all the values that are right.
    """

    replication_status: str
    active_backend_id: str | None | tuple[str | None, ...]
    disabled: bool
    disabled_reason: tuple[str | None, ...]
    frozen: bool

    def differences(self, row):
        """Return what is wrong with a row, a text for each field."""
        wrong = []
        for field in dataclasses.fields(self):
            expected = getattr(self, field.name)
            actual = getattr(row, field.name)
            allowed = expected if isinstance(expected, tuple) else (expected,)
            if actual not in allowed:
                wrong.append(
                    f"{field.name} is {actual!r}, not "
                    + " or ".join(map(repr, allowed))
                )
        return wrong


def failed_over_row(backend_id):
    """The row after failover_host to a replication target."""
    return ExpectedRow(
        FAILED_OVER, backend_id, True, (FAILED_OVER_REASON,), False
    )


def frozen_row(backend_id):
    """The row after a host that is failed over was frozen."""
    return ExpectedRow(FAILED_OVER, backend_id, True, (FROZEN_REASON,), True)


# At the start, and after replication_enable.
PROTECTED_ROW = ExpectedRow(ENABLED, None, False, NO_REASON, False)
# After failover_host to the primary. Cinder writes either.
FAILED_BACK_ROW = ExpectedRow(ENABLED, (None, ""), False, NO_REASON, False)
# After reset_active_backend, and still so when the service has started.
RESET_ROW = ExpectedRow(DISABLED, None, False, (None,), True)
# After thaw.
PROMOTED_ROW = ExpectedRow(DISABLED, None, False, NO_REASON, False)
