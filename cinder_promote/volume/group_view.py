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

"""A volume group for Cinder's LVM driver, looked at within bounds."""

import os

from cinder.brick.local_dev import lvm
from os_brick import executor
from oslo_utils import units

from cinder_promote.volume import copies
from cinder_promote.volume import groups as groups_module


class GroupView(lvm.LVM):
    """Cinder's LVM object, made without asking LVM anything.

    Cinder's own looks at all disks as it is made and for every report, and
    waits as long as one of them hangs.

    :param groups: ``groups.VolumeGroups``, asked instead
    :param volume_group: the group's name
    :param options: keyword arguments as for ``lvm.LVM``
    """

    def __init__(self, groups, volume_group, root_helper, execute,
                 lvm_type, lvm_conf=None, suppress_fd_warn=False):
        executor.Executor.__init__(self, execute=execute,
                                   root_helper=root_helper)
        self._groups = groups
        self.vg_name = volume_group
        self.pv_list = []
        self.vg_size = 0.0
        self.vg_free_space = 0.0
        self.vg_lv_count = 0
        self.vg_uuid = None
        self.vg_thin_pool = (groups_module.pool_name(volume_group)
                             if lvm_type == 'thin' else None)
        self.vg_thin_pool_size = 0.0
        self.vg_thin_pool_free_space = 0.0
        self.vg_provisioned_capacity = 0.0
        self._supports_snapshot_lv_activation = None
        self._supports_lvchange_ignoreskipactivation = None
        prefix = ['env', 'LC_ALL=C']
        if lvm_conf and os.path.isfile(lvm_conf):
            prefix.append('LVM_SYSTEM_DIR=' + os.path.dirname(lvm_conf))
        if suppress_fd_warn:
            prefix.append('LVM_SUPPRESS_FD_WARNINGS=1')
        lvm.LVM.LVM_CMD_PREFIX = prefix

    def _volumes(self):
        group = self._groups.scan().get(self.vg_name)
        return group, dict(group.volumes) if group else {}

    def update_volume_group_info(self):
        """Refresh the sizes; a group that is lost has none."""
        group, volumes = self._volumes()
        pool = volumes.pop(self.vg_thin_pool, None)
        self.vg_size = group.size / units.Gi if group else 0.0
        self.vg_free_space = group.free / units.Gi if group else 0.0
        self.vg_lv_count = len(volumes)
        self.vg_thin_pool_size = pool.size / units.Gi if pool else 0.0
        self.vg_thin_pool_free_space = (
            self.vg_thin_pool_size * (100 - pool.data_percent) / 100
            if pool else 0.0)
        self.vg_provisioned_capacity = sum(
            volume.size for volume in volumes.values()) / units.Gi

    def get_volumes(self, lv_name=None):
        """The logical volumes, or the one of a name, sizes in GiB.

        Copies of replicated volumes are not among them: Cinder's driver is
        not to delete, rename or offer one leg of a mirror.
        """
        return [{'vg': self.vg_name, 'name': volume.name,
                 'size': '%.2f' % (volume.size / units.Gi)}
                for volume in self._volumes()[1].values()
                if lv_name in (None, volume.name) and
                not copies.is_copy(volume.tags)]
