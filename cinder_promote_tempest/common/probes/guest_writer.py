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

"""A writer that goes on all the time inside a guest."""

import gzip
import pathlib
import uuid

from oslo_log import log as logging

from cinder_promote_tempest.common import exceptions, waiters
from cinder_promote_tempest.common.probes import numbered_blocks

LOG = logging.getLogger(__name__)

# How many are acknowledged before a write counts as done.
BLOCKS_PER_WRITE = 16
# 256 MiB, for which it needs nearly two hours at least.
MAX_BLOCKS = 65536
# What is there is lost when the guest is shelved, and only then.
RAM_DISK = "/dev/shm"  # noqa: S108

_SCRIPT = pathlib.Path(__file__).with_name("writer.sh")
_MESSAGE_LIMIT = 5


class GuestWriter:
    """Writes numbered blocks in a guest, from start to stop.

    A number counts as acknowledged once the guest has noted it, which it
    does when the block is on stable storage. The last number is known here
    as well while the writer is stopped, so a guest may be shelved then.
    """

    def __init__(self, guest, *, interval, timeout):
        """Initialise.

        :param guest: a Guest
        :param interval: seconds between two looks at what was written
        :param timeout: seconds that a few blocks, or the end, may take
        """
        self._guest = guest
        self._limits = {"interval": interval, "timeout": timeout}
        self._seed = uuid.uuid4().hex
        self._state = f"{RAM_DISK}/writer-{self._seed}"
        self._script = f"{self._state}/writer.sh"
        self._target = None
        self._acknowledged = 0
        # (the last number before, label) for each write
        self._labels = []

    def start(self, target):
        """Go on writing, behind what was written before.

        :param target: path of a device or file in the guest
        """
        self._guest.put_file(self._script, _without_comments(_SCRIPT))
        self._run(
            "start", target, self._seed, self._acknowledged + 1, MAX_BLOCKS
        )
        self._target = target

    def write(self, label):
        """Wait until a few more blocks have been written.

        :param label: says in messages when they were written
        :raises UnexpectedState: the writer has ended
        """
        before = self._look()
        self._labels.append((before, label))
        waiters.wait_until(
            self._look,
            lambda number: number >= before + BLOCKS_PER_WRITE,
            f"{BLOCKS_PER_WRITE} blocks more than {before} are written to "
            f"{self._target} of {self._guest} ({label})",
            **self._limits,
        )

    def verify(self):
        """Read every acknowledged block.

        :raises WrongData: says which blocks are wrong, when they were
            written, and what is there instead
        :raises UnexpectedState: the writer has ended
        """
        count = self._look()
        data = gzip.decompress(
            self._guest.read(
                "sh", self._script, "read", self._state, self._target, count
            )
        )
        wrong = numbered_blocks.find_wrong(data, self._seed, count)
        LOG.info("%s blocks on %s: %s wrong", count, self._target, len(wrong))
        if wrong:
            raise exceptions.WrongData(
                f"{len(wrong)} of {count} blocks that were acknowledged on "
                f"{self._target} of {self._guest} are wrong: "
                + "; ".join(
                    f"block {number}, written {self._when(number)!r}: {what}"
                    for number, what in wrong[:_MESSAGE_LIMIT]
                )
            )

    def stop(self):
        """Stop writing, once the present block is written."""
        self._run("stop")
        waiters.wait_until(
            self._status,
            lambda status: not status[1],
            f"nothing is written to {self._target} of {self._guest}",
            **self._limits,
        )
        self._target = None

    def _look(self):
        """Return the last acknowledged number of a writer that works."""
        number, running, message = self._status()
        if not running:
            raise exceptions.UnexpectedState(
                f"Writing to {self._target} of {self._guest} ended after "
                f"block {number}: {message or 'it was killed'}"
            )
        return number

    def _status(self):
        number, state, *message = self._run("status").splitlines()
        self._acknowledged = int(number)
        return int(number), state == "running", " ".join(message).strip()

    def _when(self, number):
        labels = [label for before, label in self._labels if before < number]
        return labels[-1] if labels else "at first"

    def _run(self, verb, *arguments):
        return self._guest.run(
            "sh", self._script, verb, self._state, *arguments
        )


def _without_comments(path):
    """Return a script as short as it can be: guests limit commands."""
    return "".join(
        line
        for line in path.read_text().splitlines(keepends=True)
        if not line.lstrip().startswith("#") and line.strip()
    )
