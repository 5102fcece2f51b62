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

"""A guest that is this machine: its commands run here."""

import os
import pathlib
import shutil
import signal
import subprocess

from cinder_promote_tempest.common.probes import guest_writer


class LocalGuest:
    """Runs what a Guest runs, without root, in a directory.

    Volumes are files, and so is the RAM disk a directory.
    """

    def __init__(self, test, directory, programs=""):
        """Initialise.

        :param test: a TempestTestCase
        :param directory: an empty one
        :param programs: what stands before the search path of commands
        """
        self.directory = pathlib.Path(directory)
        self.ram = self.directory / "ram"
        self.ram.mkdir()
        self.deleted = False
        self.attached = []
        self.calls = []
        self._path = os.pathsep.join(
            filter(None, [str(programs), os.environ["PATH"]])
        )
        test.patch(
            "cinder_promote_tempest.common.probes.guest_writer.RAM_DISK",
            str(self.ram),
        )
        test.addCleanup(self.power_off)

    def __str__(self):
        return "this machine"

    def run(self, *command):
        return self._execute(command).decode()

    def read(self, *command):
        return self._execute(command)

    def put_file(self, path, text):
        path = pathlib.Path(path)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def attach(self, volume_id):
        self.calls.append("attach")
        self.attached.append(volume_id)
        return str(self.file_of(volume_id))

    def detach(self, volume_id):
        self.calls.append("detach")
        self.attached.remove(volume_id)

    def shelve(self):
        self.calls.append("shelve")
        self.power_off()

    def unshelve(self):
        self.calls.append("unshelve")

    def delete(self):
        self.deleted = True
        self.attached.clear()
        self.power_off()

    def file_of(self, volume_id):
        return self.directory / volume_id

    def writers(self):
        """Return the ids of the processes that were started."""
        return [
            int(path.read_text()) for path in self.ram.glob("writer-*/pid")
        ]

    def power_off(self):
        """End all processes, and forget what was in memory."""
        for process_id in self.writers():
            try:
                # Each leads a session of its own.
                os.killpg(process_id, signal.SIGKILL)
            except ProcessLookupError:
                continue
        shutil.rmtree(self.ram, ignore_errors=True)
        self.ram.mkdir(exist_ok=True)

    def _execute(self, command):
        done = subprocess.run(
            [str(word) for word in command],
            env={"PATH": self._path},
            capture_output=True,
            check=False,
            timeout=60,
        )
        if done.returncode:
            raise AssertionError(done.stderr.decode())
        return done.stdout


def short_writes(test, blocks=3):
    """Have a write be a few blocks only."""
    test.patch(
        f"{guest_writer.__name__}.BLOCKS_PER_WRITE",
        blocks,
    )
