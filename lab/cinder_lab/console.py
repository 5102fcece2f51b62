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

"""What the lab prints: steps with their times, and progress inside them."""

from collections.abc import Iterator
import contextlib
import dataclasses
import sys
import threading
import time


def duration(seconds: float) -> str:
    """Return a length of time as people say it: '7 s' or '3 min 05 s'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02d} s"


@dataclasses.dataclass
class Step:
    """One timed step.

    :ivar name: what it does.
    :ivar seconds: how long it took, or None while it runs.
    """

    name: str
    seconds: float | None = None
    failed: bool = False


class Console:
    """Prints lines with the time since the start; remembers the steps."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self.steps: list[Step] = []

    def elapsed(self) -> float:
        """Return the seconds since this console was made."""
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        """Print one line with the elapsed time before it."""
        whole = int(self.elapsed())
        with self._lock:
            print(
                f"[{whole // 60:3d}:{whole % 60:02d}] {text}",
                file=sys.stdout,
                flush=True,
            )

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time a step and say when it starts, ends or fails."""
        step = Step(name)
        self.steps.append(step)
        self.say(f"{name} ...")
        began = time.monotonic()
        try:
            yield step
        except BaseException:
            step.failed = True
            step.seconds = time.monotonic() - began
            self.say(f"{name}: FAILED after {duration(step.seconds)}")
            raise
        step.seconds = time.monotonic() - began
        self.say(f"{name}: done in {duration(step.seconds)}")
