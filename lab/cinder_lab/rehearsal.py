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

"""Type the command lines of the admin guide in the guest, in their order."""

from collections.abc import Iterable
import json
import pathlib
import subprocess
import time

from cinder_lab import console as console_module
from cinder_lab import errors, guide
from cinder_lab import guest as guest_module

COMMAND_TIMEOUT = 1800
"""Seconds that one command may take; the runbook is one."""

OUTPUT_TIMEOUT = 600
"""Seconds until a command that looks prints what the guide shows."""

_RUNBOOK = "cinder-promote run "

_PROMPTS = {guide.OPERATOR: "$", guide.STORAGE_HOST: "#"}


def run(
    guest: guest_module.Guest,
    commands: Iterable[guide.Command],
    log: pathlib.Path,
    console: console_module.Console,
    kill: bool = False,
) -> None:
    """Type some command lines, each when the one before has done its work.

    :param log: what they print is added to it.
    :param kill: kill the runbook in each of its steps, and repeat it.
    :raises LabError: if one fails, or does not print what the guide shows.
    """
    with log.open("a") as transcript:
        for command in commands:
            line = f"{_PROMPTS[command.place]} {command.text}"
            console.say(f"  {line}")
            transcript.write(f"{line}\n")
            transcript.flush()
            try:
                if kill and _does_steps(command):
                    said = _type_and_kill(guest, command.text, console)
                else:
                    said = _type(guest, command)
            except errors.LabError as error:
                raise errors.LabError(
                    f"{command.source}: {error}", log
                ) from error
            transcript.write(said)


def _type(guest: guest_module.Guest, command: guide.Command) -> str:
    if not command.output:
        return guest.run(command.text, timeout=COMMAND_TIMEOUT)
    deadline = time.monotonic() + OUTPUT_TIMEOUT
    wanted = list(command.output)
    while True:
        try:
            said = guest.run(command.text)
        except errors.LabError as error:
            # what is looked at may not be there yet
            said = str(error)
        if [line.rstrip() for line in said.splitlines()] == wanted:
            return said
        if time.monotonic() > deadline:
            raise errors.LabError(
                f"{command.text}: after {OUTPUT_TIMEOUT} s it prints "
                f"{said.strip()!r}, the guide shows {wanted}"
            )


def _does_steps(command: guide.Command) -> bool:
    return (
        command.text.startswith(_RUNBOOK) and "--dry-run" not in command.text
    )


def _type_and_kill(
    guest: guest_module.Guest, text: str, console: console_module.Console
) -> str:
    """Kill a run once in each of its steps; it has to end well all the same.

    :returns: the events of all the runs, a line each.
    :raises LabError: if one fails, or nothing was there to be killed.
    """
    killed: list[str] = []
    said: list[str] = []
    while True:
        victim, lines, status = _one_run(guest, f"{text} --json", killed)
        said += lines
        if victim is None:
            break
        console.say(f"  killed in step {victim}, and again")
        killed.append(victim)
    result = json.loads(said[-1])
    if status != 0 or not result.get("done") or not killed:
        raise errors.LabError(
            f"{text}: killed in {', '.join(killed) or 'no step'}, exit "
            f"status {status}: {said[-1].strip()}"
        )
    return "".join(said)


def _one_run(
    guest: guest_module.Guest, text: str, spared: list[str]
) -> tuple[str | None, list[str], int]:
    """Run it and kill it in the first step that is not to be spared.

    :returns: that step, what was printed, and the exit status.
    """
    lines = []
    victim = None
    process = subprocess.Popen(
        [*guest.ssh_command(), text],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if not line.endswith("\n"):  # what a killed one leaves
            break
        event = json.loads(line)
        if (
            victim is None
            and event.get("state") == "begun"
            and event["step"] not in spared
        ):
            victim = event["step"]
            # the brackets keep it from being found itself
            guest.run(f"pkill -KILL -f '[{text[0]}]{_RUNBOOK[1:]}' || true")
    return victim, lines, process.wait()
