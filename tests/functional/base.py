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

"""The real driver on real LVM, device-mapper and disks that can fail."""

import re
import threading

from cinder import utils
import cinder.privsep
from testtools import content

from cinder_promote.privsep import command
from cinder_promote.volume import devices
from tests.functional import blocks, disks, machine
from tests.unit.volume import base


class TestCase(base.DriverTestCase):
    """Has three disks, each with an empty volume group."""

    DATABASE = str(machine.RESULTS / machine.DATABASE)
    execute = staticmethod(utils.execute)

    def setUp(self):
        super().setUp()
        # What Cinder's own driver does as root is done right here, too.
        cinder.privsep.sys_admin_pctxt.set_client_mode(False)
        self.addCleanup(cinder.privsep.sys_admin_pctxt.set_client_mode, True)
        self.disks = self.attach_disks()
        # A command may wait for a disk, and a thread for a command.
        self.addCleanup(self.end_threads)
        self.addCleanup(disks.work, self.disks)
        self.addOnException(self._tell_devices)

    def attach_disks(self):
        """The disks by the backend's letter."""
        return disks.new()

    def _tell_devices(self, exc_info):
        for words in (['dmsetup', 'table'], ['dmsetup', 'status'], ['dmesg']):
            out = ''.join(command.run(words, 10)[1:])
            self.addDetail(' '.join(words),
                           content.text_content(out[-3000:]))

    # Doing

    def end_threads(self):
        """Wait for what the driver does in the background."""
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join(60)

    def writer(self, volume, log=None):
        """Somebody who writes to a volume until the test ends."""
        writer = blocks.Writer(self.path(volume), log)
        self.addCleanup(writer.kill)
        # it does not end while a disk hangs
        self.addCleanup(disks.work, self.disks)
        writer.start()
        writer.goes_on()
        return writer

    def used(self, *section):
        """A driver, and a volume with 256 MiB that somebody writes to."""
        driver = self.start(*section)
        volume = self.create(driver)
        self.look_until(driver, volume, 'enabled')
        disks.run('dd', 'if=/dev/urandom', 'of=' + self.path(volume),
                  'bs=1M', 'count=256', 'oflag=direct', 'status=none')
        self.clear_bits(volume)
        writer = self.writer(volume)
        writer.goes_on(100)
        return driver, volume, writer

    def clear_bits(self, volume):
        """Have the kernel do what it does some minutes after a write."""
        for verb in ('suspend', 'resume'):
            disks.run('dmsetup', verb, self.mirror(volume))

    def manager_fails_over(self, driver, volume, backend_id='lvm-b'):
        """As the manager, which also keeps a volume's status."""
        status = self.reload(volume).status
        updates = self.fail_over(driver, backend_id, self.reload(volume))
        volume = self.reload(volume)
        if volume.status == 'error':
            volume.previous_status = status
            volume.save()
        return updates[volume.id]

    def look_until(self, driver, volume, status, timeout=180):
        """Have the driver look until a volume has a replication status."""
        def reached():
            driver._replication.look()
            return self.reload(volume).replication_status == status
        blocks.wait_until(reached, '%s reads %s' % (volume.name, status),
                          timeout)

    def promote(self, section, volume):
        """A driver for a promoted backend that protects a volume again."""
        self.reset()
        driver = self.start(*section)
        self.assertEqual('disabled', self.service()['replication_status'])
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        self.look_until(driver, volume, 'enabled')
        return driver

    def reboot(self):
        """Leave nothing in the kernel, as a boot of the host does."""
        self.end_threads()
        disks.take_away()
        self.disks = disks.attach()

    # What is there

    def path(self, volume, group=None):
        """Path of what is exported for a volume, or of one of its copies."""
        return ('/dev/%s/%s' % (group, volume.name) if group
                else '/dev/mapper/' + self.front(volume))

    def beneath(self, device):
        """Names of the devices in a device's table, in no order."""
        deps = disks.run('dmsetup', 'deps', '-o', 'devname', device)
        return set(re.findall(r'\(([^)]+)\)', deps.partition(':')[2]))

    def mirror(self, volume):
        """Name of the mirror beneath a volume."""
        [name] = self.beneath(self.front(volume))
        self.assertIn('promote-mirror-' + volume.name, name)
        return name

    def mirrors(self):
        """Names of all mirrors."""
        return {name for name in disks.devices()
                if name.startswith('promote-mirror-')}

    def health(self, volume):
        """What the kernel says of a volume's mirror: of its legs, and what
        it does."""
        words = disks.run('dmsetup', 'status', self.mirror(volume)).split()
        self.assertEqual(['raid', 'raid1'], words[2:4])
        return words[5], words[7]

    def logical_volumes(self):
        """All logical volumes, as GROUP/NAME."""
        return set(disks.run('lvs', '--noheadings', '--separator', '/',
                             '-o', 'vg_name,lv_name').split())

    def written_to(self, group, volume):
        """Bytes written to a copy since it was activated."""
        number = disks.run('dmsetup', 'info', '--columns', '--noheadings',
                           '-o', 'minor', '/dev/%s/%s' % (group, volume.name))
        with open('/sys/block/dm-%s/stat' % number.strip()) as stat:
            return int(stat.read().split()[6]) * 512

    # Checks

    def assert_copies_equal(self, volume, *groups):
        """What is exported and the copies in some groups are the same."""
        paths = [self.path(volume), *(self.path(volume, group)
                                      for group in groups)]
        found = {path: blocks.digest(path) for path in paths}
        self.assertEqual(1, len(set(found.values())), found)

    def assert_served_from(self, volume, group):
        """What is exported has one copy, and the old mirror is removed."""
        self.assert_protected(volume, group)
        blocks.wait_until(lambda: len(self.mirrors()) == 1,
                          'the old mirror is removed')

    def assert_protected(self, volume, *groups):
        """What is exported is a mirror of these copies, which are in sync.

        It may have room for others.
        """
        self.assertEqual('A' * len(groups),
                         self.health(volume)[0].rstrip('-'))
        self.assertIn(self.beneath(self.mirror(volume)), [
            {_device(group, name) for group in groups
             for name in (volume.name, volume.name + slot)}
            for slot in devices.SLOTS])


class LoopDisks:
    """For tests of what discards do."""

    def attach_disks(self):
        """Disks that are files."""
        found = disks.new_loops()
        for disk in found.values():
            self.addCleanup(disk.detach)
        self.addCleanup(disks.take_away)
        return found


def _device(group, name):
    return '%s-%s' % (group.replace('-', '--'), name.replace('-', '--'))
