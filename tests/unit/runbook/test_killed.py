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

"""What is left when the runbook is killed, and what becomes of it.

The runbook changes something outside itself, or its record, in a few places
only. It is killed before each of them, which is after the one before it.
"""

import os
import signal
from unittest import mock

import ddt

from cinder_promote.cmd import promote
from cinder_promote.runbook import cloud, records, storage_host
from tests.unit.runbook import base

# As many places a run has: three for each of the seven steps that change
# something, two for the wait, and the first and the last record.
PLACES = 7 * 3 + 2 + 2
# Before this one reset_active_backend was not sent.
BEFORE_RESET = 1 + 3 * 3 + 1 + 1
# And these has an undo of all that can be undone: a record first and last,
# and stop, undo, start, thaw and disable.
UNDO_PLACES = 7


class Places:
    """Counts the places where something is changed, and kills at one.

    :param directory: with the records
    :param deadly: the number of that place, None for nowhere
    """

    def __init__(self, directory, deadly=None):
        self.directory = str(directory)
        self.deadly = deadly
        self.count = 0

    def patches(self):
        return [
            # Of the records, not of the storage host's files.
            self._patch(
                records.os,
                "rename",
                lambda old, *_: old.startswith(self.directory),
            ),
            self._patch(cloud.Cloud, "_put"),
            self._patch(cloud.requests, "reset_active_backend"),
            self._patch(cloud.requests, "replication_enable"),
            *(
                self._patch(storage_host.StorageHost, verb)
                for verb in ("stop", "start", "undo")
            ),
            self._patch(
                storage_host.StorageHost,
                "re_point",
                lambda *_, dry_run=False: not dry_run,
            ),
        ]

    def _patch(self, owner, name, counts=lambda *_, **__: True):
        usual = getattr(owner, name)

        def call(*arguments, **named):
            if counts(*arguments, **named):
                self.pass_one()
            return usual(*arguments, **named)

        return mock.patch.object(owner, name, call)

    def pass_one(self):
        if self.count == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


class KilledTestCase(base.RunbookTestCase):
    def count(self, *arguments):
        """Run to the end and return the number of places."""
        places = Places(self.state_directory)
        for patch in places.patches():
            patch.start()
            self.addCleanup(patch.stop)
        self.assert_done(*arguments)
        return places.count

    def kill(self, place, *arguments):
        """Run in a child, which is killed at a place."""

        def child():
            for patch in Places(self.state_directory, place).patches():
                patch.start()
            return promote.main(
                ["--config-file", str(self.runbook_conf), *arguments]
            )

        with open(os.devnull, "w") as nowhere:
            with mock.patch("sys.stdout", nowhere):
                status = base.fork(child)
        self.assertEqual(-signal.SIGKILL, os.waitstatus_to_exitcode(status))


@ddt.ddt
class KilledTest(KilledTestCase):
    def test_number_of_places(self):
        self.assertEqual(PLACES, self.count(*base.RUN))

    @ddt.data(*range(PLACES))
    def test_run_again(self, place):
        self.kill(place, *base.RUN)
        if place > 0:
            self.assert_done("status", base.HOST)
        self.assert_done(*base.RUN)
        self.assert_at_the_end()
        for change in ("freeze", "reset_active_backend", "thaw"):
            self.assertEqual(1, self.cinder.changes.count(change), change)

    @ddt.data(*range(1, BEFORE_RESET))
    def test_undo(self, place):
        self.kill(place, *base.RUN)
        self.assert_done("undo")
        self.assert_at_the_start()
        self.assertEqual("undone", self.record().state)

    @ddt.data(*range(BEFORE_RESET, PLACES))
    def test_undo_that_comes_too_late(self, place):
        self.kill(place, *base.RUN)
        row = self.cinder.row(base.HOST)
        record = self.record()
        self.assert_refused(
            "can't be undone, nothing was changed.* only current data", "undo"
        )
        self.assertEqual(row, self.cinder.row(base.HOST))
        self.assertEqual(base.GOAL, self.host.points_at("lvm-a"))
        self.assertEqual(record, self.record())


@ddt.ddt
class KilledUndoTest(KilledTestCase):
    """An undo of a run that was killed just before reset."""

    def setUp(self):
        super().setUp()
        self.kill(BEFORE_RESET - 1, *base.RUN)

    def test_number_of_places(self):
        self.assertEqual(UNDO_PLACES, self.count("undo"))

    @ddt.data(*range(UNDO_PLACES))
    def test_undo_again(self, place):
        self.kill(place, "undo")
        if place > 1:
            self.assert_refused("is being undone", "resume")
            self.assert_refused("is being undone", *base.RUN)
        self.assert_done("undo", base.HOST)
        self.assert_at_the_start()
        self.assert_done(*base.RUN)
        self.assert_at_the_end()
