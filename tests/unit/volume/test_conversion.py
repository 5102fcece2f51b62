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

"""Plain volumes become replicated ones, and the other way round."""

from cinder import exception, objects
from cinder.db import api as db
from cinder.volume import volume_types
import fixtures

from cinder_promote.volume import copies, results
from tests.unit.volume import base, killing
from tests.unit.volume.base import B_TO_C, A, B, C

GIB = 1 << 30
THICK = {'lvm_type': 'default'}


class ConvertingTest(killing.Killing):

    def plain(self):
        """A driver with a plain volume that holds something."""
        driver = self.start(**self.options)
        volume = self.create(driver, replicated=False)
        self.host.groups[A].volumes[volume.name].data['x'] = 1
        return driver, volume

    def retype(self, driver, volume, new_type):
        """As the manager, for a volume without attachments."""
        volume = self.reload(volume)
        diff, __ = volume_types.volume_types_diff(
            self.context, volume.volume_type_id, new_type)
        result = driver.retype(
            self.context, volume,
            objects.VolumeType.get_by_id(self.context, new_type), diff,
            {'host': volume.host})
        done, update = result if isinstance(result, tuple) else (result, None)
        if done:
            # One statement, as the manager's.
            volume.update({'volume_type_id': new_type, **(update or {})})
            volume.save()
        return done

    def to_replicated(self, driver, volume):
        self.assertTrue(self.retype(driver, volume, self.replicated_type))

    def to_plain(self, driver, volume):
        self.assertTrue(self.retype(driver, volume, self.plain_type))

    def assert_replicated(self, driver, volume):
        self.until_enabled(driver, volume)
        self.host.write(self.front(volume), 'y', 2)
        for group in (A, B):
            self.assertEqual({'x': 1, 'y': 2}, self.data(group, volume))
        self.host.fail(A)
        self.fail_over(driver, 'lvm-b', self.reload(volume))
        self.assertEqual({'x': 1, 'y': 2},
                         self.host.read(self.front(volume)))

    def killed_and_done_again(self, make_plain):
        def finish(volume):
            driver = self.start(**self.options)
            self.assertEqual({'x': 1}, self.host.read(self.front(volume)))
            make_plain(driver, volume)
            self.assert_plain(volume)

        self.killed_everywhere(self.replicated, make_plain, finish)

    def assert_plain(self, volume, group=A, name=None):
        name = name or volume.name
        self.assertEqual({}, self.host.devices)
        for each in (A, B, C):
            pool = {each + '-pool'} & set(self.host.groups[each].volumes)
            self.assertEqual(pool | ({name} if each == group else set()),
                             set(self.host.groups[each].volumes))
        left = self.host.groups[group].volumes[name]
        self.assertEqual((set(), {'x': 1}, True),
                         (left.tags, left.data, left.active))


class TestRetype(ConvertingTest):

    def test_to_replicated(self):
        driver, volume = self.plain()
        self.to_replicated(driver, volume)
        row = self.reload(volume)
        self.assertEqual('enabling', row.replication_status)
        self.assertEqual(self.replicated_type, row.volume_type_id)
        self.assertEqual({'x': 1}, self.host.read(self.front(volume)))
        self.assert_replicated(driver, volume)

    def test_to_replicated_while_held(self):
        driver = self.start()
        self.set_service(replication_status='disabled')
        driver, volume = self.plain()
        self.to_replicated(driver, volume)
        self.assertEqual('disabled', self.reload(volume).replication_status)
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        self.assert_replicated(driver, volume)

    def test_to_plain(self):
        driver, volume = self.replicated()
        self.to_plain(driver, volume)
        row = self.reload(volume)
        self.assertEqual(('disabled', None), (
            row.replication_status, row.replication_extended_status))
        self.assert_plain(volume)
        driver._replication.look()
        self.assert_plain(volume)
        driver = self.start()
        self.assertFalse(driver._is_replicated(self.reload(volume)))
        self.assert_plain(volume)
        driver.delete_volume(self.reload(volume))
        self.assertNotIn(volume.name, self.host.groups[A].volumes)

    def test_there_and_back(self):
        driver, volume = self.replicated()
        self.to_plain(driver, volume)
        self.to_replicated(driver, volume)
        self.assert_replicated(driver, volume)

    def test_to_plain_on_the_promoted_host(self):
        driver, volume = self.replicated()
        self.host.fail(A)
        self.fail_over(driver, 'lvm-b', volume)
        self.reset()
        driver = self.start(*B_TO_C)
        self.to_plain(driver, volume)
        self.host.repair(A)
        self.start(*B_TO_C)
        self.assert_plain(volume, B)

    def test_to_plain_without_the_target(self):
        driver, volume = self.replicated()
        self.host.fail(B)
        self.to_plain(driver, volume)
        self.host.repair(B)
        self.start()
        self.assert_plain(volume)

    def test_copy_that_comes_back_after_both_ways(self):
        driver, volume = self.replicated()
        self.host.fail(B)
        self.to_plain(driver, volume)
        self.to_replicated(driver, volume)
        self.host.write(self.front(volume), 'new', 1)
        self.host.repair(B)
        self.host.cut_power()
        driver = self.start()
        self.assertEqual({'x': 1, 'new': 1},
                         self.host.read(self.front(volume)))
        self.until_enabled(driver, volume)
        self.assertEqual({'x': 1, 'new': 1}, self.data(B, volume))

    def test_to_plain_while_a_target_hangs(self):
        driver, volume = self.replicated()
        self.host.hang(B)
        self.assertRaises(results.CommandFailed, self.to_plain, driver,
                          volume)
        self.host.repair(B)
        driver._groups._hung.clear()
        driver = self.start()
        self.assert_replicated(driver, volume)

    def test_to_plain_while_a_target_is_filled(self):
        driver, volume = self.plain()
        self.to_replicated(driver, volume)
        driver._replication.look()
        self.to_plain(driver, volume)
        self.assert_plain(volume)

    def test_to_plain_when_the_primary_is_lost(self):
        driver, volume = self.replicated()
        self.host.fail(A)
        self.host.write(self.front(volume), 'y', 2)
        driver._replication.look()
        self.host.repair(A)
        error = self.assertRaises(results.CommandFailed, self.to_plain,
                                  driver, volume)
        self.assertIn('no current copy', str(error))
        self.assertEqual({'x': 1, 'y': 2},
                         self.host.read(self.front(volume)))

    def test_to_plain_when_the_mirror_dropped_the_primary(self):
        driver, volume = self.replicated()
        self.host.fail(A)
        self.host.write(self.front(volume), 'y', 2)
        self.host.repair(A)
        error = self.assertRaises(results.CommandFailed, self.to_plain,
                                  driver, volume)
        self.assertIn('not in sync', str(error))
        self.assertEqual({'x': 1, 'y': 2},
                         self.host.read(self.front(volume)))

    def test_attached(self):
        for (driver, volume), new_type in (
                (self.plain(), self.replicated_type),
                (self.replicated(), self.plain_type)):
            db.volume_attach(self.context, {'volume_id': volume.id})
            before = len(self.host.commands)
            self.assertFalse(self.retype(driver, volume, new_type))
            self.assertEqual(before, len(self.host.commands))

    def test_with_snapshots(self):
        driver, volume = self.replicated()
        objects.Snapshot(self.context, volume_id=volume.id, volume_size=1,
                         status='available').create()
        self.assertFalse(self.retype(driver, volume, self.plain_type))

    def test_in_use_without_an_attachment(self):
        driver, volume = self.plain()
        self.host.groups[A].volumes[volume.name].opened = True
        error = self.assertRaises(results.CommandFailed, self.to_replicated,
                                  driver, volume)
        self.assertIn('in use', str(error))
        self.host.groups[A].volumes[volume.name].opened = False
        self.assert_plain(volume)

    def test_front_in_use(self):
        driver, volume = self.replicated()
        with self.refusing('remove', 'promote-volume-'):
            self.assertRaises(results.CommandFailed, self.to_plain, driver,
                              volume)
        self.assert_replicated(driver, volume)

    def test_larger_than_the_volume(self):
        driver, volume = self.plain()
        self.host.groups[A].volumes[volume.name].size += 4 << 20
        error = self.assertRaises(results.CommandFailed, self.to_replicated,
                                  driver, volume)
        self.assertIn('more than', str(error))
        self.assert_plain(volume)

    def test_between_types_alike(self):
        other = db.volume_type_create(self.context, {
            'name': 'other', 'extra_specs': {
                'replication_enabled': '<is> True', 'x': 'y'}})['id']
        driver, volume = self.replicated()
        self.assertTrue(self.retype(driver, volume, other))
        self.assert_replicated(driver, volume)

    def refusing(self, *words):
        run = self.host.run

        def refuse(argv, timeout, stdin=None):
            if all(word in ' '.join(argv) for word in words):
                return 5, '', 'refused'
            return run(argv, timeout, stdin)

        return fixtures.MonkeyPatch('cinder_promote.privsep.command.run',
                                    refuse)

    def test_a_command_fails_on_the_way_to_replicated(self):
        for words in (('lvcreate', '.meta'), ('lvchange', '--addtag'),
                      ('lvchange', '-ay'), ('dd',), ('dmsetup', 'create')):
            self.anew()
            driver, volume = self.plain()
            before = dict(self.reload(volume))
            with self.refusing(*words):
                self.assertRaises(results.CommandFailed, self.to_replicated,
                                  driver, volume)
            self.assert_plain(volume)
            row = self.reload(volume)
            for key in ('replication_status', 'replication_driver_data'):
                self.assertEqual(before[key], row[key])
            self.to_replicated(driver, volume)
            self.assert_replicated(driver, volume)

    def test_a_command_fails_on_the_way_to_plain(self):
        for words in (('lvchange', '--deltag', 'generation=2', 'host='),
                      ('lvchange', '--addtag', 'generation=2'),
                      ('lvremove', A)):
            self.anew()
            driver, volume = self.replicated()
            with self.refusing(*words):
                self.assertRaises(results.CommandFailed, self.to_plain,
                                  driver, volume)
            self.assertEqual({'x': 1}, self.host.read(self.front(volume)))
            self.until_enabled(driver, volume)
            self.to_plain(driver, volume)
            self.assert_plain(volume)

    def test_killed_on_the_way_to_replicated(self):
        def finish(volume):
            driver = self.start(**self.options)
            self.to_replicated(driver, volume)
            self.assert_replicated(driver, volume)

        self.killed_everywhere(self.plain, self.to_replicated, finish)

    def test_killed_on_the_way_to_replicated_and_not_again(self):
        def finish(volume):
            driver = self.start(**self.options)
            if driver._is_replicated(self.reload(volume)):
                self.assert_replicated(driver, volume)
                driver.delete_volume(self.reload(volume))
                return
            self.host.cut_power()
            self.host.groups[A].volumes[volume.name].active = True
            self.assert_plain(volume)

        self.killed_everywhere(self.plain, self.to_replicated, finish)

    def test_killed_on_the_way_to_plain(self):
        self.killed_and_done_again(self.to_plain)

    def test_killed_on_the_way_to_plain_and_not_again(self):
        def finish(volume):
            self.assert_replicated(self.start(**self.options), volume)

        self.killed_everywhere(self.replicated, self.to_plain, finish)


class TestThickRetype(ConvertingTest):

    options = THICK

    def test_both_ways(self):
        driver, volume = self.plain()
        self.to_replicated(driver, volume)
        self.until_enabled(driver, volume)
        self.to_plain(driver, volume)
        self.assert_plain(volume)
        self.assertEqual({}, self.host.groups[B].remains)
        self.to_replicated(driver, volume)
        self.assert_replicated(driver, volume)

    def test_extension_that_was_not_finished(self):
        driver, volume = self.replicated()
        with fixtures.MockPatchObject(driver._replication, '_extend_front',
                                      side_effect=results.CommandFailed):
            self.assertRaises(results.CommandFailed, driver.extend_volume,
                              self.reload(volume), 2)
        error = self.assertRaises(results.CommandFailed, self.to_plain,
                                  driver, volume)
        self.assertIn('extend it again', str(error))


class TestManage(ConvertingTest):

    def existing(self, size=GIB):
        driver = self.start(**self.options)
        self.host.run(['lvcreate', '-T', '-n', 'theirs', '-V', '%db' % size,
                       A + '/' + A + '-pool'], 1)
        self.host.groups[A].volumes['theirs'].data['x'] = 1
        return driver, self.new_volume(size=0, status='managing')

    def manage(self, driver, volume):
        """As the manager's flow."""
        volume = self.reload(volume)
        reference = {'source-name': 'theirs'}
        size = driver.manage_existing_get_size(volume, reference)
        update = driver.manage_existing(volume, reference)
        volume.update({**(update or {}), 'size': size, 'status': 'available'})
        volume.save()

    def unmanage(self, driver, volume):
        volume = self.reload(volume)
        driver.unmanage(volume)
        volume.destroy()

    def test_manage(self):
        driver, volume = self.existing()
        self.manage(driver, volume)
        self.assertNotIn('theirs', self.host.groups[A].volumes)
        self.assertEqual((1, 'enabling'), (
            self.reload(volume).size, self.reload(volume).replication_status))
        self.assert_replicated(driver, volume)

    def test_manage_what_is_not_whole_gib(self):
        driver, volume = self.existing(GIB + (4 << 20))
        self.manage(driver, volume)
        self.assertEqual(2, self.reload(volume).size)
        self.assertEqual(2 * GIB, self.front_size(volume))
        self.until_enabled(driver, volume)
        self.assertEqual(2 * GIB, self.copy_size(B, volume))

    def test_manage_what_is_thick_and_not_whole_gib(self):
        driver = self.start(**THICK)
        self.host.run(['lvcreate', '-n', 'theirs', '-L',
                       '%db' % (GIB + (4 << 20)), A], 1)
        self.host.groups[A].volumes['theirs'].data['x'] = 1
        volume = self.new_volume(size=0, status='managing')
        self.manage(driver, volume)
        self.assertEqual({'x': 1}, self.host.read(self.front(volume)))
        self.assertEqual(2 * GIB, self.front_size(volume))

    def test_manage_fails(self):
        driver, volume = self.existing()
        driver._replication._groups.adopt = lambda *args: 1 / 0
        self.assertRaises(ZeroDivisionError, self.manage, driver, volume)
        self.assert_plain(volume, name='theirs')
        self.assertIsNone(self.reload(volume).replication_driver_data)

    def test_manage_what_is_in_use(self):
        driver, volume = self.existing()
        self.host.groups[A].volumes['theirs'].opened = True
        error = self.assertRaises(exception.ManageExistingInvalidReference,
                                  self.manage, driver, volume)
        self.assertIn('in use', str(error))
        self.assertIn('theirs', self.host.groups[A].volumes)

    def test_a_copy_is_not_managed(self):
        driver, volume = self.replicated()
        for name in (volume.name, volume.name + '.meta'):
            self.assertRaises(
                exception.ManageExistingInvalidReference,
                driver.manage_existing_get_size, self.new_volume(),
                {'source-name': name})
        self.assertNotIn(volume.name, [
            each['name'] for each in driver.vg.get_volumes()])

    def test_unmanage(self):
        driver, volume = self.replicated()
        self.unmanage(driver, volume)
        self.assert_plain(volume)
        self.start()
        self.assert_plain(volume)

    def test_unmanage_without_the_target(self):
        driver, volume = self.replicated()
        self.host.fail(B)
        self.unmanage(driver, volume)
        self.host.repair(B)
        self.start()
        self.assert_plain(volume)

    def test_unmanage_and_manage(self):
        driver, volume = self.replicated()
        self.unmanage(driver, volume)
        self.host.run(['lvrename', A, volume.name, 'theirs'], 1)
        volume = self.new_volume(size=0, status='managing')
        self.manage(driver, volume)
        self.assert_replicated(driver, volume)

    def test_unmanage_what_was_never_made(self):
        driver = self.start()
        volume = self.new_volume(status='error',
                                 replication_driver_data=None)
        before = len(self.host.commands)
        driver.unmanage(volume)
        self.assertEqual(before, len(self.host.commands))

    def test_killed_while_it_is_managed(self):
        def finish(volume):
            self.start(**self.options)
            found = self.host.groups[A].volumes
            held = [found[name] for name in ('theirs', volume.name)
                    if name in found]
            self.assertEqual([{'x': 1}], [each.data for each in held])
            if 'theirs' in found:
                return
            # What an administrator does with it.
            row = self.reload(volume)
            row.status = 'error'
            row.save()
            driver = self.start(**self.options)
            self.unmanage(driver, volume)
            found[volume.name].active = True
            self.assert_plain(volume)

        self.killed_everywhere(self.existing, self.manage, finish)

    def test_killed_while_it_is_unmanaged(self):
        self.killed_and_done_again(self.unmanage)


class TestGenerations(base.TestCase):

    def test_plain_since(self):
        text = copies.plain_since(7)
        self.assertIsNone(copies.Current.from_driver_data(text))
        self.assertEqual(7, copies.generation_before(text))
        for other in (None, '', 'x', '{}', '[]', '{"plain_since": null}'):
            self.assertEqual(0, copies.generation_before(other))
