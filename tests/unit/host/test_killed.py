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

"""What is left when the command is killed before any line it executes.

A killed process leaves what it has written so far, so the directory is
looked at before each line of one run; then the different states found are
brought about by real kills, one each.
"""

import os
import signal
import sys
from unittest import mock

from cinder_promote.host import journal, plan, replace, service, verbs
from tests.unit.host import base

_WATCHED = {module.__file__ for module in (journal, replace, verbs)}


def run_traced(call, before_line):
    """Run a call and call before_line(n) before its n-th watched line."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        if frame.f_code.co_filename not in _WATCHED:
            return None
        if event == "line":
            before_line(count)
            count += 1
        return trace

    usual = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(usual)


def run_and_kill(call, line):
    """Run a call in a child that is killed before its line of that number."""

    def kill(count):
        if count == line:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            run_traced(call, kill)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


class KilledTest(base.HostTestCase):
    def setUp(self):
        super().setUp()
        # Neither matters to a killed process, and both take time.
        for module, name in ((os, "fsync"), (service.Service, "state")):
            patch = mock.patch.object(module, name, return_value="inactive")
            patch.start()
            self.addCleanup(patch.stop)
        self.loaded = self.options()
        self.first = self.use_sample("debian.conf")
        self.conf.chmod(0o640)
        self.start = self.keep()
        self.re_point()
        self.second = self.conf.read_bytes()
        self.after_one = self.keep()
        self.re_point_again()
        self.third = self.conf.read_bytes()
        self.assertEqual(3, len({self.first, self.second, self.third}))

    def re_point(self):
        verbs.re_point(
            self.loaded,
            plan.Request("lvm-a", "lvm-b", replicate_to=["lvm-c"]),
        )

    def re_point_again(self):
        verbs.re_point(
            self.loaded,
            plan.Request(
                "lvm-a",
                "lvm-c",
                devices=["backend_id:lvm-a,volume_group:promote-a"],
            ),
        )

    def undo(self):
        verbs.undo(self.loaded)

    def keep(self):
        """Return content and mode of each file the command may write."""
        return {
            path.name: (path.read_bytes(), path.stat().st_mode & 0o7777)
            for path in self.dir.iterdir()
            if path not in (self.host_conf, self.state)
        }

    def restore(self, kept):
        for path in self.dir.iterdir():
            if path not in (self.host_conf, self.state):
                path.unlink()
        for name, (content, mode) in kept.items():
            path = self.dir / name
            path.write_bytes(content)
            path.chmod(mode)

    def states_left_by(self, call, begin):
        """Return the states a killed call can leave, each by a real kill."""
        found = []

        def look(line):
            kept = self.keep()
            if not found or kept != found[-1][1]:
                found.append((line, kept))

        self.restore(begin)
        run_traced(call, look)
        states = [kept for _, kept in found] + [self.keep()]
        self.assertGreater(found[-1][0], 40)
        for line, kept in found:
            self.restore(begin)
            self.assertTrue(run_and_kill(call, line))
            self.assertEqual(kept, self.keep())
        for state in states:
            self.assertEqual(0o640, state["cinder.conf"][1])
            names = {name for name in state if name.startswith(".")}
            self.assertLessEqual(names, {replace.TEMPORARY})
        return states

    def assert_conf(self, expected):
        self.assertEqual(expected, self.conf.read_bytes())

    def contents(self, states):
        return {state["cinder.conf"][0] for state in states}

    def test_re_point(self):
        states = self.states_left_by(self.re_point, self.start)
        self.assertEqual({self.first, self.second}, self.contents(states))
        for state in states:
            self.restore(state)
            verbs.show(self.loaded)
            self.re_point()
            self.assert_conf(self.second)
            self.undo()
            self.assert_conf(self.first)
            if state["cinder.conf"][0] == self.second:
                self.restore(state)
                for _ in range(2):
                    self.undo()
                    self.assert_conf(self.first)
                self.re_point()
                self.assert_conf(self.second)

    def test_second_re_point_leaves_the_first_to_be_undone(self):
        states = self.states_left_by(self.re_point_again, self.after_one)
        self.assertEqual({self.second, self.third}, self.contents(states))
        for state in states:
            self.restore(state)
            begun = state["cinder.conf"][0]
            for _ in range(2):
                self.undo()
                self.assert_conf(
                    self.first if begun == self.second else self.second
                )
            self.restore(state)
            self.re_point_again()
            self.assert_conf(self.third)

    def test_undo(self):
        states = self.states_left_by(self.undo, self.after_one)
        self.assertEqual({self.first, self.second}, self.contents(states))
        for state in states:
            self.restore(state)
            for _ in range(2):
                self.undo()
                self.assert_conf(self.first)
            self.restore(state)
            self.re_point()
            self.assert_conf(self.second)

    def test_undo_killed_after_a_killed_re_point(self):
        """Whatever two kills leave, undo takes back one re-point at most."""
        for begun in self.states_left_by(self.re_point_again, self.after_one):
            old = begun["cinder.conf"][0]
            goal = self.first if old == self.second else self.second
            for state in self.states_left_by(self.undo, begun):
                self.assertIn(state["cinder.conf"][0], (old, goal))
                self.restore(state)
                for _ in range(2):
                    self.undo()
                    self.assert_conf(goal)
