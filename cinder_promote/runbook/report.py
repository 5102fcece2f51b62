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

"""Tell what a run does: to a person, or to a program."""

from collections.abc import Sequence
import dataclasses
import json
from typing import Any, Protocol, TextIO

from rich import console as rich_console
from rich import markup, progress

from cinder_promote import amounts
from cinder_promote.runbook import protection

OK = "ok"
WARNING = "warning"
BLOCKING = "blocking"


@dataclasses.dataclass(frozen=True)
class Check:
    """A condition that was looked at, and how serious what was found is."""

    name: str
    level: str
    text: str


class Reporter(Protocol):
    """What a run tells, in the order in which it happens."""

    def check(self, check: Check) -> None:
        """A condition was looked at before anything is touched."""

    def begun(
        self, number: str, name: str, title: str, commands: Sequence[str]
    ) -> None:
        """A step is being carried out.

        :param number: as in "2 of 8"
        """

    def finished(self, name: str, found: bool) -> None:
        """A step is finished.

        :param found: it had been carried out before
        """

    def note(self, text: str) -> None:
        """Something that the operator should know."""

    def progress(self, seen: protection.Sync) -> None:
        """How far the new target is."""

    def result(
        self, text: str, data: dict[str, Any], done: bool = True
    ) -> None:
        """What became of it all."""

    def close(self) -> None:
        """Nothing more is told."""


class TextReporter:
    """Tells a person: with a bar on a terminal, in plain lines elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._console = rich_console.Console(
            file=stream, highlight=False, soft_wrap=True
        )
        self._bar: progress.Progress | None = None
        self._last = ""

    def check(self, check: Check) -> None:
        style = {OK: "green", WARNING: "yellow", BLOCKING: "red"}[check.level]
        self._print(f"{check.level:9}", check.text, style)

    def begun(
        self, number: str, name: str, title: str, commands: Sequence[str]
    ) -> None:
        self._print(f"[{number}] {name}:", title, "bold")
        for command in commands:
            self._print("    $", command)

    def finished(self, name: str, found: bool) -> None:
        self.close()
        self._print("    ", "was so already" if found else "done")

    def note(self, text: str) -> None:
        self._print("note     ", text, "yellow")

    def progress(self, seen: protection.Sync) -> None:
        text = (
            f"{seen.in_sync} of {seen.total} volumes in sync, "
            f"{seen.percent:.1f} %"
        ) + amounts.describe(seen.copied, seen.to_copy, seen.seconds_left)
        if not self._console.is_terminal:
            if text != self._last:
                self._print("    ", text)
            self._last = text
            return
        if self._bar is None:
            self._bar = progress.Progress(
                progress.TextColumn("    {task.description}"),
                progress.BarColumn(),
                progress.TimeElapsedColumn(),
                console=self._console,
            )
            self._bar.add_task("", total=100)
            self._bar.start()
        (task,) = self._bar.task_ids
        self._bar.update(task, completed=seen.percent, description=text)

    def result(
        self, text: str, data: dict[str, Any], done: bool = True
    ) -> None:
        self._console.print(text, markup=False)

    def close(self) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _print(self, label: str, text: str, style: str = "") -> None:
        label = markup.escape(label)
        if style:
            label = f"[{style}]{label}[/]"
        self._console.print(f"{label} {markup.escape(text)}")


class JSONReporter:
    """Tells a program: one JSON object in each line, told by its event."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def check(self, check: Check) -> None:
        self._print("check", **dataclasses.asdict(check))

    def begun(
        self, number: str, name: str, title: str, commands: Sequence[str]
    ) -> None:
        self._print(
            "step", step=name, state="begun", title=title, commands=commands
        )

    def finished(self, name: str, found: bool) -> None:
        self._print("step", step=name, state="finished", found=found)

    def note(self, text: str) -> None:
        self._print("note", text=text)

    def progress(self, seen: protection.Sync) -> None:
        self._print(
            "progress",
            in_sync=seen.in_sync,
            volumes=seen.total,
            percent=seen.percent,
            bytes=seen.copied,
            bytes_total=seen.to_copy,
            seconds_left=seen.seconds_left,
        )

    def result(
        self, text: str, data: dict[str, Any], done: bool = True
    ) -> None:
        self._print("result", done=done, text=text, **data)

    def close(self) -> None:
        pass

    def _print(self, event: str, **data: Any) -> None:
        print(
            json.dumps({"event": event, **data}), file=self._stream, flush=True
        )
