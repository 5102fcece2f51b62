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

"""What the driver is measured against, made of the same disks without it."""

import contextlib
import time

from tests.functional import blocks, disks

#: As ``cinder_promote.volume.devices`` has it.
REGION_SECTORS = 1024
METADATA = '4m'
PORT = 7788


@contextlib.contextmanager
def logical_volume(group, name, *words):
    """A logical volume for a while.

    :param words: how large, and of what, as lvcreate has it
    :returns: its path
    """
    path = '/dev/%s/%s' % (group, name)
    disks.run('lvcreate', '--yes', '-q', '-n', name, *words, group)
    try:
        yield path
    finally:
        disks.run('lvremove', '--yes', '-q', path)


def thin(group, name, size):
    """A thin volume for a while.

    :param size: as lvcreate has it
    """
    return logical_volume(group, name, '-V', size, '--thinpool',
                          group + '-pool')


@contextlib.contextmanager
def raid(groups, size, *parameters):
    """A mirror as device-mapper makes it, of thin volumes.

    :param groups: the two volume groups of its legs
    :param parameters: of the table, beside the size of a region
    :returns: its path
    """
    name = 'bench-raid'
    with contextlib.ExitStack() as stack:
        legs = []
        for group in groups:
            metadata = stack.enter_context(
                logical_volume(group, 'raid.meta', '-L', METADATA))
            disks.clear(metadata, 4)
            legs += [metadata, stack.enter_context(thin(group, 'raid', size))]
        sectors = disks.run('blockdev', '--getsz', legs[1]).strip()
        words = [*parameters, 'region_size', str(REGION_SECTORS)]
        disks.run('dmsetup', 'create', name, '--table', ' '.join([
            '0', sectors, 'raid raid1', str(len(words) + 1), '0', *words,
            '2', *legs]))
        stack.callback(disks.run, 'dmsetup', 'remove', name)
        yield '/dev/mapper/' + name


def rebuilt(path):
    """Wait until a mirror's second leg is filled."""
    def done():
        words = disks.run('dmsetup', 'status', path).split()
        return words[5] == 'AA' and words[7] == 'idle'
    blocks.wait_until(done, '%s is in sync' % path, 1800)


class Drbd:
    """Two DRBD devices on thin volumes, each of which is the other's peer.

    :param paths: of the two volumes
    """

    def __init__(self, paths):
        self.paths = paths

    def start(self):
        """Have them connected and in sync, and the first one writable."""
        for number, path in enumerate(self.paths):
            resource, minor = 'bench%d' % number, str(number)
            disks.run('drbdmeta', '--force', minor, 'v08', path, 'internal',
                      'create-md')
            disks.run('drbdsetup', 'new-resource', resource)
            disks.run('drbdsetup', 'new-minor', resource, minor, '0')
            disks.run('drbdsetup', 'attach', minor, path, path, 'internal',
                      '--c-plan-ahead=0', '--resync-rate=4194304k')
        for number in (0, 1):
            disks.run('drbdsetup', 'connect', 'bench%d' % number,
                      'ipv4:127.0.0.1:%d' % (PORT + number),
                      'ipv4:127.0.0.1:%d' % (PORT + 1 - number),
                      '--protocol=C', '--max-buffers=8000')
        blocks.wait_until(lambda: self._says('cs:Connected'),
                          'the DRBD devices are connected')
        disks.run('drbdsetup', 'new-current-uuid', '--clear-bitmap', '0')
        disks.run('drbdsetup', 'primary', '0')
        self.synced()

    @property
    def path(self):
        return '/dev/drbd0'

    def _says(self, words):
        with open('/proc/drbd') as told:
            return told.read().count(words) == 2

    def synced(self):
        """Wait until each has all that the other has."""
        blocks.wait_until(lambda: self._says('ds:UpToDate/UpToDate'),
                          'the DRBD devices are in sync', 600)

    def resync(self):
        """Have the second one filled from the first; return the seconds."""
        begun = time.monotonic()
        disks.run('drbdsetup', 'invalidate', '1')
        blocks.wait_until(lambda: not self._says('ds:UpToDate/UpToDate'),
                          'the resync begins')
        self.synced()
        return time.monotonic() - begun

    def stop(self):
        """Forget both."""
        for number in (0, 1):
            disks.run('drbdsetup', 'down', 'bench%d' % number)


@contextlib.contextmanager
def drbd(groups, size):
    """``Drbd`` with protocol C on a thin volume in each of two groups."""
    with thin(groups[0], 'drbd', size) as one, \
            thin(groups[1], 'drbd', size) as other:
        pair = Drbd((one, other))
        try:
            pair.start()
            yield pair
        finally:
            pair.stop()
