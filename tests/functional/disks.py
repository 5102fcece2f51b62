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

"""The disks of the three backends, which can be made to fail or to hang.

As devstack/files/cinder-promote-disk makes them: between each disk and its
volume group lies a device-mapper layer.
"""

import contextlib
import glob
import os
import shutil
import time

from cinder_promote.privsep import command

#: The first sectors of a disk are not in its layer, so that LVM finds the
#: label of its physical volume in the layer only.
LEFT_OUT = 2048
BACKENDS = 'abc'


def clear(device, mebibytes):
    """Write zeros to the first part of a device.

    To discard all of it takes UML minutes, 4 KiB at a time.
    """
    run('dd', 'if=/dev/zero', 'of=' + device, 'bs=1M',
        'count=%d' % mebibytes, 'oflag=direct', 'status=none')


def run(*argv):
    """The output of a command that must work."""
    status, out, err = command.run(list(argv), 60)
    if status:
        raise AssertionError('%s: status %s, %s'
                             % (' '.join(argv), status, err))
    return out


class Disk:
    """A disk with its layer and volume group.

    :param letter: of the backend, such as 'a'
    :param device: path of the disk, if not UML's of that letter
    """

    def __init__(self, letter, device=None):
        self.device = device or '/dev/ubd' + letter
        self.layer = 'disk-lvm-' + letter
        self.group = 'promote-' + letter
        size = int(run('blockdev', '--getsz', self.device)) - LEFT_OUT
        self._tables = {
            'ok': '0 %d linear %s %d' % (size, self.device, LEFT_OUT),
            'failed': '0 %d error' % size}

    def attach(self):
        """Make the layer."""
        run('dmsetup', 'create', self.layer, '--table', self._tables['ok'])

    def make_group(self):
        """Make the volume group on an empty disk."""
        path = '/dev/mapper/' + self.layer
        run('pvcreate', '-q', path)
        run('vgcreate', '-q', self.group, path)

    def fail(self):
        """Every read and write fails from now on."""
        self._load('failed')

    def fail_after(self, command):
        """Run a shell command, and fail within a moment of its end."""
        run('dmsetup', 'load', self.layer, '--table', self._tables['failed'])
        run('sh', '-c', '%s && dmsetup resume --nolockfs --noflush %s'
            % (command, self.layer))

    def hang(self):
        """Reads and writes never come back, until fail or repair."""
        run('dmsetup', 'suspend', '--nolockfs', '--noflush', self.layer)

    def repair(self):
        """The disk works again, with what it held before."""
        self._load('ok')

    def replace(self):
        """Another disk is in its place, empty, with a group of the name."""
        self.repair()
        prefix = self.group.replace('-', '--') + '-'
        deadline = time.monotonic() + 60
        while left := [name for name in devices() if name.startswith(prefix)]:
            errors = [command.run(['dmsetup', 'remove', name], 10)[2]
                      for name in left]
            if time.monotonic() > deadline:
                raise AssertionError('in use: %s' % ' '.join(errors))
        shutil.rmtree('/dev/' + self.group)
        clear('/dev/mapper/' + self.layer, 8)
        self.make_group()

    def _load(self, table):
        self.hang()
        run('dmsetup', 'load', self.layer, '--table', self._tables[table])
        run('dmsetup', 'resume', self.layer)


class LoopDisk(Disk):
    """A disk in a file, which long discards are known to.

    UML's own disks discard less at once than a block of a thin pool.
    """

    def __init__(self, letter):
        self.file = '/run/tmp/disk-' + letter
        with open(self.file, 'wb') as file:
            file.truncate(1 << 31)
        self._loop = run('losetup', '--show', '--find',
                               self.file).strip()
        super().__init__(letter, self._loop)

    def detach(self):
        """Forget all of it."""
        run('losetup', '--detach', self._loop)
        os.unlink(self.file)


def devices():
    """The names of all device-mapper devices."""
    # `dmsetup info` fails when one goes away meanwhile.
    out = run('dmsetup', 'ls')
    return set() if out.startswith('No devices') else {
        line.split()[0] for line in out.splitlines()}


def work(attached):
    """Have all disks work that are there."""
    present = devices()
    for disk in attached.values():
        if disk.layer in present:
            disk.repair()


def take_away():
    """Remove every device-mapper device, whatever state it is in."""
    present = devices()
    for disk in map(Disk, BACKENDS):
        if disk.layer in present:
            # so that nothing waits for it
            disk.fail()
    deadline = time.monotonic() + 60
    force = []
    while present:
        # The ones that others use go in the next round.
        errors = [command.run(['dmsetup', 'remove', *force, name], 10)[2]
                  for name in present]
        before, present = present, devices()
        # What somebody waits for in vain gets errors in its place.
        force = ['--force'] if present == before else []
        if time.monotonic() > deadline:
            raise AssertionError('still there: %s: %s'
                                 % (' '.join(present), ' '.join(errors)))
    for path in glob.glob('/dev/promote-*'):
        shutil.rmtree(path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink('/run/lvm/hints')


def attach():
    """The disks with what they hold, by the backend's letter."""
    found = {letter: Disk(letter) for letter in BACKENDS}
    for disk in found.values():
        disk.attach()
    return found


def new_loops():
    """As ``new``, of files."""
    take_away()
    found = {letter: LoopDisk(letter) for letter in BACKENDS}
    for disk in found.values():
        disk.attach()
        disk.make_group()
    return found


def new():
    """Disks with an empty volume group each, by the backend's letter.

    As on most disks, what was there before is there until it is overwritten.
    """
    take_away()
    for letter in BACKENDS:
        # the label of the physical volume and its metadata
        clear(Disk(letter).device, 8)
    found = attach()
    for disk in found.values():
        disk.make_group()
    return found
