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

"""What a campaign remembers across power cuts."""

import contextlib
import json
import os
import shutil
import sqlite3
import tempfile

from tests.functional import disks, machine

#: The disk of no backend. It has a file system that outlives power cuts.
DEVICE = '/dev/ubdd'
FOLDER = '/run/campaign'
_FORMATTED = 'formatted'
_FILE = os.path.join(FOLDER, 'state.json')


def mount():
    """Make the folder that outlives power cuts, empty in the first boot."""
    if not machine.lines(_FORMATTED):
        disks.run('mkfs.ext4', '-q', '-F', DEVICE)
        machine.write(_FORMATTED, 'yes')
    os.makedirs(FOLDER, exist_ok=True)
    # The host keeps what it was given when this kernel is killed.
    disks.run('mount', '-t', 'ext4', '-o', 'nobarrier', DEVICE, FOLDER)
    os.environ['TMPDIR'] = tempfile.tempdir = FOLDER


def load():
    """What was saved last, None in the first boot."""
    if not os.path.exists(_FILE):
        return None
    with open(_FILE) as stream:
        return json.load(stream)


def save(state):
    """Save what can be written as JSON, all of it or nothing."""
    with open(_FILE + '.new', 'w') as stream:
        json.dump(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.rename(_FILE + '.new', _FILE)
    os.sync()


def take_database(path):
    """Move a database out of the way, as it is after a power cut.

    :returns: the new path
    """
    with contextlib.closing(sqlite3.connect(path)) as database:
        # has SQLite take back what was not committed
        database.execute('SELECT count(*) FROM volumes').fetchone()
    kept = os.path.join(FOLDER, 'before.sqlite')
    shutil.copy(path, kept)
    shutil.rmtree(os.path.dirname(path))
    return kept
