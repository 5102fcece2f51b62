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

import os
import signal
import sys
from unittest import mock

from cinder_lab import errors, guide, rehearsal
from tests.unit.lab import base


class FakeGuest:
    """Answers each command with the next of its answers."""

    def __init__(self, **answers):
        self.answers = answers
        self.typed = []

    def run(self, text, timeout=300):
        self.typed.append(text)
        answers = self.answers[text]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def command(text, *output):
    return guide.Command(text, guide.OPERATOR, output, "page.rst:7")


class RehearsalTest(base.LabTestCase):
    def setUp(self):
        super().setUp()
        self.now = 0.0
        clock = mock.patch.object(rehearsal, "time").start()
        self.addCleanup(mock.patch.stopall)
        clock.monotonic.side_effect = self.tick
        self.log = self.folder / "page.log"

    def tick(self):
        self.now += 100
        return self.now

    def rehearse(self, guest, *commands):
        rehearsal.run(guest, commands, self.log, mock.Mock())

    def test_in_order_and_each_once(self):
        guest = FakeGuest(one=["said\n"], two=[""])
        self.rehearse(guest, command("one"), command("two"))
        self.assertEqual(["one", "two"], guest.typed)
        self.assertEqual("$ one\nsaid\n$ two\n", self.log.read_text())

    def test_a_failure_ends_it(self):
        guest = FakeGuest(one=[errors.LabError("exit status 1")], two=[""])
        with self.assertRaisesRegex(errors.LabError, "page.rst:7: exit st"):
            self.rehearse(guest, command("one"), command("two"))
        self.assertEqual(["one"], guest.typed)

    def test_a_look_is_repeated(self):
        guest = FakeGuest(
            one=["a\n", errors.LabError("not yet"), "a\nb  \n"], two=[""]
        )
        self.rehearse(guest, command("one", "a", "b"), command("two"))
        self.assertEqual(["one", "one", "one", "two"], guest.typed)

    def test_what_the_guide_shows_never_comes(self):
        guest = FakeGuest(one=["a\n"])
        with self.assertRaisesRegex(errors.LabError, r"prints 'a', .*\['b'\]"):
            self.rehearse(guest, command("one", "b"))


RUN = "cinder-promote run h@a --to b --replicate-to c"

# Goes on where the last one was; ends as its first argument says. In each
# step it waits once to be killed.
RUNBOOK = """
import json, os, pathlib, sys, time
ending, folder, *_ = sys.argv[1:]
folder = pathlib.Path(folder)
for step in ("stop", "re_point", "start"):
    if (folder / step).exists():
        continue
    (folder / "pid").write_text(str(os.getpid()))
    again = (folder / f"begun-{step}").exists()
    (folder / f"begun-{step}").touch()
    print(json.dumps({"event": "step", "step": step, "state": "begun"}),
          flush=True)
    if not again:
        time.sleep(60)
    (folder / step).touch()
print(json.dumps({"event": "result", "done": ending == "well"}))
"""


class GuestWithRunbook:
    def __init__(self, folder, ending):
        self.folder = folder
        self.ending = ending
        self.kills = []

    def ssh_command(self):
        return [sys.executable, "-c", RUNBOOK, self.ending, str(self.folder)]

    def run(self, text, timeout=300):
        self.kills.append(text)
        os.kill(int((self.folder / "pid").read_text()), signal.SIGKILL)
        return ""


class KilledTest(base.LabTestCase):
    def rehearse(self, ending="well"):
        guest = GuestWithRunbook(self.folder, ending)
        log = self.folder / "page.log"
        try:
            rehearsal.run(guest, [command(RUN)], log, mock.Mock(), kill=True)
        finally:
            self.guest = guest
        return log.read_text()

    def test_killed_once_in_each_step_and_repeated(self):
        log = self.rehearse()
        self.assertEqual(
            ["pkill -KILL -f '[c]inder-promote run ' || true"] * 3,
            self.guest.kills,
        )
        self.assertEqual(2, log.count('"re_point"'))
        self.assertIn('"done": true', log)

    def test_one_that_does_not_end_well(self):
        with self.assertRaisesRegex(
            errors.LabError, "killed in stop, re_point, start, exit status 0"
        ):
            self.rehearse(ending="badly")

    def test_a_dry_run_is_not_killed(self):
        text = f"{RUN} --dry-run"
        guest = FakeGuest(**{text: ["plan\n"]})
        rehearsal.run(
            guest, [command(text)], self.folder / "log", mock.Mock(), kill=True
        )
        self.assertEqual([text], guest.typed)
