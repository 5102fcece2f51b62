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

"""Bytes and seconds for a person."""

from typing import Any


def describe(
    copied: int | None, total: int | None, seconds: float | None
) -> str:
    """Return how far copying is, as the end of a line.

    :param copied: bytes of total; None, like the others, if unknown
    :param seconds: until the rest is copied
    """
    text = ""
    if copied is not None and total:
        unit, size = _unit(int(total))
        text += f", {copied / size:.1f} of {total / size:.1f} {unit} copied"
    if seconds:
        text += f", about {duration(seconds)} left"
    return text


def of_backend(reported: dict[str, Any]) -> str:
    """Return the same of what a backend reports, unless all is in sync."""
    copied, total, seconds = (
        reported.get("replication_sync_" + key)
        for key in ("bytes", "bytes_total", "seconds_left")
    )
    return describe(copied, total, seconds) if seconds != 0 else ""


def duration(seconds: float) -> str:
    """Return seconds in the unit that suits them."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _unit(number: int) -> tuple[str, int]:
    """Return the largest unit that a number of bytes has one of."""
    exponent = min(max(number.bit_length() - 1, 10) // 10, 4)
    return "KMGT"[exponent - 1] + "iB", 1 << (10 * exponent)
