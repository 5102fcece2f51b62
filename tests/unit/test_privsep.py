#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""What the privileged daemon does, and what it refuses to do."""

import os
import pathlib
import sys
import tempfile
import time

import fixtures
from oslo_rootwrap import filters, wrapper
import testtools

import cinder_promote.privsep
from cinder_promote.privsep import command, discards, dmsetup, lvm

FILTERS = os.path.join(os.path.dirname(__file__), os.pardir, os.pardir,
                       'etc', 'cinder', 'rootwrap.d')


class TestCommand(testtools.TestCase):

    def test_output(self):
        self.assertEqual((3, 'out\n', 'err\n'), command.run(
            ['sh', '-c', 'cat; echo err >&2; exit 3'], 60, stdin='out\n'))

    def test_given_up(self):
        begin = time.monotonic()
        status, __, err = command.run(
            [sys.executable, '-c', 'import time; time.sleep(600)'], 0.2)
        self.assertEqual(command.TIMED_OUT, status)
        self.assertIn('gave up', err)
        # It ended by itself after 600 seconds, or was not waited for.
        self.assertLess(time.monotonic() - begin, 300)

    def test_children_are_given_up_too(self):
        status, __, __ = command.run(
            ['sh', '-c', 'sleep 600 & echo $!; wait'], 0.2)
        self.assertEqual(command.TIMED_OUT, status)

    def test_messages_are_not_translated(self):
        self.assertEqual('C\n', command.run(
            ['sh', '-c', 'echo $LC_ALL'], 60)[1])


class TestBounds(testtools.TestCase):
    """Root is lent for the devices of replicated volumes only."""

    def setUp(self):
        super().setUp()
        context = cinder_promote.privsep.sys_admin_pctxt
        context.set_client_mode(False)
        self.addCleanup(context.set_client_mode, True)

    def test_other_devices(self):
        for name in ('vg-root', 'promote-x y', 'promote-x\n', '--force'):
            self.assertRaises(ValueError, dmsetup.remove, name, 1)
            self.assertRaises(ValueError, dmsetup.resume, name, 1)
            self.assertRaises(ValueError, dmsetup.repair, name, 1)
            self.assertRaises(ValueError, dmsetup.replace_tables,
                              [(name, '0 8 linear /dev/x/y 0')], 1)
            self.assertRaises(ValueError, dmsetup.write_superblocks,
                              'promote-x', [name], 8, [], 1)

    def test_other_tables(self):
        for table in ('0 8 crypt x', '0 8 linear /dev/x 0\n0 8 error', ''):
            self.assertRaises(ValueError, dmsetup.create, 'promote-x', table,
                              1)
            self.assertRaises(ValueError, dmsetup.replace_tables,
                              [('promote-x', table)], 1)
            good = '0 8 linear /dev/x/y 0'
            for tables in ((table, good), (good, table)):
                self.assertRaises(
                    ValueError, dmsetup.insert_mirrors,
                    [('promote-x', 'promote-y', *tables, None)], 1)

    def test_names_that_are_options(self):
        for name in ('--config', '-y', 'a/b', '', 'a\n'):
            self.assertRaises(ValueError, lvm.remove, 'vg', [name], (), 1)
            self.assertRaises(ValueError, lvm.create, name, None, 'x', 1, (),
                              (), 1)
            self.assertRaises(ValueError, lvm.add_group_tags, name, (), (),
                              1)

    def test_clear_takes_block_devices_only(self):
        shared = tempfile.NamedTemporaryFile(dir='/dev/shm')
        self.addCleanup(shared.close)
        for name in (os.path.basename(shared.name), 'nothing'):
            status, __, error = lvm.clear('shm', name, 0, 1, None, 1)
            self.assertEqual(1, status)
            self.assertIn('is not a block device', error)

    def test_clear_takes_io_priorities_only(self):
        for priority in ('-p1', '-c3 dd', '-c3\n', 'dd'):
            self.assertRaises(ValueError, lvm.clear, 'vg', 'x', 0, 1,
                              priority, 1)


class TestDiscards(testtools.TestCase):
    """With a folder in the place of a device's limits."""

    def limited(self, longest, granularity=65536, of_disks=1 << 32):
        """What the limit is in the end.

        :param of_disks: what the kernel makes of a limit above it
        """
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (folder / 'discard_granularity').write_text('%d\n' % granularity)
        limit = folder / 'discard_max_bytes'
        limit.write_text('%d\n' % longest)
        written = pathlib.Path.write_text
        self.useFixture(fixtures.MonkeyPatch(
            'pathlib.Path.write_text', lambda path, text: written(
                path, str(min(int(text), of_disks)))))
        self.assertEqual((0, '', ''), discards.limit('m', lambda name: folder))
        return int(limit.read_text())

    def test_long(self):
        self.assertEqual(16 << 20, self.limited(1 << 34))

    def test_shorter_is_given_long_ones_neither(self):
        self.assertEqual(1 << 20, self.limited(1 << 34, of_disks=1 << 20))

    def test_none(self):
        self.assertEqual(0, self.limited(0))

    def test_no_whole_block_is_as_short(self):
        self.assertEqual(0, self.limited(1 << 34, granularity=1 << 25))

    def test_disks_take_no_whole_block(self):
        self.assertEqual(0, self.limited(1 << 34, of_disks=32768))

    def test_no_such_device(self):
        status, __, error = discards.limit('promote-mirror-volume-x-1')
        self.assertNotEqual(0, status)
        self.assertIn('promote-mirror-volume-x-1', error)


class TestConfined(testtools.TestCase):
    """A command that looks at some disks, by what the host's LVM goes by."""

    def setUp(self):
        super().setUp()
        self.files = self.useFixture(fixtures.TempDir()).path
        self.settings = ''
        self.commands = []
        context = cinder_promote.privsep.sys_admin_pctxt
        context.set_client_mode(False)
        self.addCleanup(context.set_client_mode, True)
        for target, replacement in (
                ('cinder_promote.privsep.command.run', self.run_command),
                ('cinder_promote.privsep.lvm.DEVICES_FILES', self.files)):
            self.useFixture(fixtures.MonkeyPatch(target, replacement))

    def run_command(self, argv, timeout, stdin=None):
        self.commands.append(argv)
        return 0, self.settings if 'lvmconfig' in argv else '', ''

    def use_devices_file(self, used=1):
        self.settings = ('use_devicesfile=%d\n'
                         'devicesfile="system.devices"\n' % used)
        with open(os.path.join(self.files, 'system.devices'), 'w') as listed:
            listed.write('VERSION=1.1.1\n'
                         'IDTYPE=devname IDNAME=/dev/vdx DEVNAME=/dev/vdx '
                         'PVID=8ckP\n')

    def assert_filtered(self):
        lvm.activate('vg', ['x'], ['/dev/vdx', '/dev/mapper/a.b'], 1)
        self.assertEqual(
            ['lvchange', '--yes', '-ay', '-K', '--config',
             'devices/filter=["a|^/dev/vdx$|","a|^/dev/mapper/a.b$|",'
             '"r|.*|"]', 'vg/x'], self.commands[-1])
        self.assertEqual(['/dev/vdx', '/dev/vdy'],
                         lvm.not_hidden(['/dev/vdx', '/dev/vdy'], 1))

    def test_no_devices_file(self):
        self.assert_filtered()
        os.rmdir(self.files)
        self.assert_filtered()

    def test_devices_file_is_not_there(self):
        self.use_devices_file()
        path = os.path.join(self.files, 'system.devices')
        os.rename(path, path + '-backup')
        self.assert_filtered()

    def test_devices_file_is_not_used(self):
        self.use_devices_file(0)
        self.assert_filtered()

    def test_devices_file(self):
        self.use_devices_file()
        lvm.activate('vg', ['x'], ['/dev/vdx', '/dev/vdy'], 1)
        self.assertEqual(['lvchange', '--yes', '-ay', '-K', '--devices',
                          '/dev/vdx,/dev/vdy', 'vg/x'], self.commands[-1])
        self.assertEqual(['/dev/vdx'],
                         lvm.not_hidden(['/dev/vdx', '/dev/vdy'], 1))

    def test_no_disks_named(self):
        lvm.activate('vg', ['x'], (), 1)
        self.assertEqual([['lvchange', '--yes', '-ay', '-K', 'vg/x']],
                         self.commands)


class TestRootwrap(testtools.TestCase):

    def _allowed(self, context):
        own, = [each for each in wrapper.load_filters([FILTERS])
                if isinstance(each, filters.RegExpFilter)]
        return own.match(
            ['privsep-helper', '--config-file', '/etc/cinder/cinder.conf',
             '--privsep_context', context, '--privsep_sock_path',
             '/tmp/tmpx/privsep.sock'])

    def test_the_daemon_may_be_started(self):
        self.assertTrue(
            self._allowed('cinder_promote.privsep.sys_admin_pctxt'))

    def test_nothing_else_may(self):
        self.assertFalse(self._allowed('os_brick.privileged.default'))
