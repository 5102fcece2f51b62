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

"""Replicated volumes in generic groups, which Cinder's manager keeps."""

from unittest import mock

from cinder import objects
from cinder.db import api as db
from cinder.objects import fields
import fixtures

from tests.unit.volume import base


class TestGenericGroups(base.TestCase):
    """The driver has no groups of its own, so that the manager has."""

    def setUp(self):
        super().setUp()
        # Imported late: Cinder's objects must be registered before.
        from cinder.volume import manager
        self.driver = self.start()
        self.driver.set_initialized()
        self.manager = object.__new__(manager.VolumeManager)
        self.manager.driver = self.driver
        self.manager.db = db
        self.manager.host = base.HOST
        self.manager.cluster = None
        self.manager.stats = {'allocated_capacity_gb': 0}
        for name in ('_notify_about_group_usage',
                     '_notify_about_group_snapshot_usage',
                     '_set_resource_host', '_check_is_our_resource',
                     'publish_service_capabilities', 'driver_delete_volume'):
            self.useFixture(fixtures.MockPatchObject(self.manager, name))
        self.manager.driver_delete_volume.side_effect = (
            self.driver.delete_volume)
        self.useFixture(fixtures.MockPatchObject(
            self.driver.target_driver, 'remove_export'))
        for quotas in ('QUOTAS', 'GROUP_QUOTAS'):
            self.useFixture(fixtures.MockPatch(
                'cinder.volume.manager.' + quotas))
        group_type = db.group_type_create(
            self.context, {'name': 'generic', 'group_specs': {}})
        self.group = objects.Group(
            self.context, name='group', host=base.HOST, status='creating',
            group_type_id=group_type['id'], user_id='user',
            project_id=base.base.PROJECT_ID)
        self.group.create()
        self.volumes = [self.create(self.driver) for _ in range(2)]

    def test_way_of_a_group(self):
        self.manager.create_group(self.context, self.group)
        self.assertEqual(fields.GroupStatus.AVAILABLE, self.group.status)
        self.manager.update_group(
            self.context, self.group,
            add_volumes=','.join(volume.id for volume in self.volumes))
        self.assertEqual(
            {volume.id for volume in self.volumes},
            {volume.id for volume in objects.VolumeList
             .get_all_by_generic_group(self.context, self.group.id)})
        self.manager.update_group(self.context, self.group,
                                  remove_volumes=self.volumes[1].id)
        first, second = self.volumes
        self.host.write(self.front(first), 'x', 1)
        self.fail_over(self.driver, 'lvm-b', *map(self.reload, self.volumes))
        self.assertEqual({'x': 1}, self.host.read(self.front(first)))
        self.manager.delete_group(self.context, self.group)
        self.assertNotIn(self.front(first), self.host.devices)
        for group in self.host.groups.values():
            self.assertNotIn(first.name, group.volumes)
        self.assertIn(self.front(second), self.host.devices)

    def test_group_snapshot_is_one_of_each_volume(self):
        self.manager.create_group(self.context, self.group)
        snapshots = [mock.Mock(id=volume.id, volume=volume)
                     for volume in self.volumes]
        taken = self.useFixture(fixtures.MockPatchObject(
            self.driver, 'create_snapshot', return_value=None)).mock
        model, __ = self.manager._create_group_snapshot_generic(
            self.context, mock.Mock(), snapshots)
        self.assertEqual('available', model['status'])
        self.assertEqual([mock.call(snapshot) for snapshot in snapshots],
                         taken.call_args_list)
        self.assertRaises(NotImplementedError,
                          self.driver.create_group_snapshot, self.context,
                          mock.Mock(), snapshots)
