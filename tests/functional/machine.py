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

"""What a test asks of the machine that tools/in-kernel boots."""

import os
import pathlib
import time

#: The one folder of the host that can be written to.
RESULTS = pathlib.Path('/run/results')
#: An empty database of Cinder in it.
DATABASE = 'cinder.sqlite'


def lines(name):
    """The lines of a file that outlives a power cut."""
    path = RESULTS / name
    return path.read_text().splitlines() if path.exists() else []


def append(name, line):
    """Add a line to a file that outlives a power cut."""
    with open(RESULTS / name, 'a') as stream:
        stream.write(line + '\n')
        stream.flush()
        os.fsync(stream.fileno())


def write(name, text):
    """Make a file that outlives a power cut, all of it or nothing."""
    append(name + '.new', text)
    os.rename(RESULTS / (name + '.new'), RESULTS / name)


def end(text, good):
    """Have tools/in-kernel show a text and end, with status 0 if all is good.
    """
    write('total', text)
    write('status', '0' if good else '1')


def cut_power():
    """Have the kernel killed and booted again; nothing comes after this."""
    write('cut-power', '')
    time.sleep(60)
    raise AssertionError('the power was not cut')
