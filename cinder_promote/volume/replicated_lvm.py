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

"""An LVM driver that replicates, fails over and can be promoted.

A volume whose type has ``replication_enabled='<is> True'`` has a copy in the
backend's volume group and in that of each ``replication_device``, and what is
exported is a device over the mirror of them. Other volumes are those of
Cinder's LVM driver.
"""

from cinder import exception, interface, utils
from cinder.volume import configuration
from cinder.volume.drivers import lvm as cinder_lvm
from oslo_config import cfg
from oslo_log import log as logging
from oslo_service import loopingcall

from cinder_promote import progress_file
from cinder_promote.volume import (
    changes,
    copies,
    devices,
    group_view,
    groups,
    options,
    records,
    replication,
    snapshot_operations,
    snapshots,
    targets,
)

LOG = logging.getLogger(__name__)
Status = records.Status

#: What stands for the primary as the target of a fail-over, as in Cinder's
#: volume manager.
FAILBACK = 'default'

cfg.CONF.register_opts(options.volume_opts,
                       group=configuration.SHARED_CONF_GROUP)


@interface.volumedriver
class ReplicatedLVMVolumeDriver(snapshot_operations.SnapshotOperations,
                                changes.VolumeChanges,
                                cinder_lvm.LVMVolumeDriver):
    """LVM with volumes that survive the loss of their volume group."""

    VERSION = '1.0.0'

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(options.volume_opts)
        self._section = self.configuration.config_group
        # What the section says; the option itself follows a fail-over.
        self._primary = self.configuration.volume_group
        self._targets = []
        self._active = None
        self._held = False
        self._primary_lost = False
        self._groups = None
        self._mapper = None
        self._replication = None
        self._snapshots = None
        self._look = None
        self._tells = True

    @classmethod
    def get_driver_options(cls):
        """The options that the driver reads, for Cinder's generators."""
        return (super().get_driver_options() + options.volume_opts +
                cls._get_oslo_driver_opts('replication_device'))

    # Start

    def do_setup(self, context):
        """Read the configuration and the service row.

        :raises InvalidConfiguration: the section can't be right
        """
        super().do_setup(context)
        if self.configuration.lvm_mirrors:
            raise targets.InvalidConfiguration(
                'lvm_mirrors', self._section,
                'it can not be used together with replication')
        self._targets = targets.parse(
            self._section, self._primary,
            self.configuration.safe_get('replication_device'))
        service = records.get_service(self.host)
        active_id = service.active_backend_id if service else None
        self._active = None
        if active_id:
            self._active = self._target(active_id)
            if self._active is None:
                raise targets.InvalidConfiguration(
                    'replication_device', self._section,
                    'the host is failed over to %s but no target has that '
                    'backend_id; reset_active_backend comes first if the '
                    'section was re-pointed' % active_id)
        # A row that was not 'enabled' before was put to 'disabled' by the
        # promotion, or by starting without targets: an administrator decides
        # when protection begins.
        self._held = (service is not None and
                      service.replication_status == Status.DISABLED)
        timeout = self.configuration.replication_command_timeout
        self._groups = groups.VolumeGroups(
            self.host, timeout,
            groups.Clearing.from_options(self.configuration))
        self._mapper = devices.DeviceMapper(timeout)
        self._replication = replication.Replication(
            self.host, self._groups, self._mapper,
            lambda: self.configuration.replication_copy_rate << 20)
        self._snapshots = snapshots.Snapshots(
            self._groups, self._mapper, self._replication)

    def check_for_setup_error(self):
        """Check the volume groups, then bring the volumes up.

        :raises InvalidConfiguration: a volume group does not exist
        :raises StaleCopy: the section points at an old copy of a volume
        """
        primary = self._primary
        self._replication.resume()
        found = self._groups.scan()
        serving = self._active.volume_group if self._active else primary
        self._check_groups(found, primary, serving)
        self.configuration.lvm_type = self._lvm_type(found.get(serving))
        self._groups.use_thin(self.configuration.lvm_type == 'thin')
        copies_in = [target.volume_group for target in self._targets
                     if target is not self._active]
        if self._primary_lost:
            self._replication.start_without_primary(primary, copies_in)
        else:
            self._replication.start(
                serving, copies_in,
                fills=bool(self._active) or self._protecting,
                home=primary if self._active else None)
        if self._active:
            records.confirm_failover(self.host)
        self._serve_from(serving)
        self._prepare_groups(found, serving)
        self._snapshots.sweep()
        if self._look is None:
            self._look = loopingcall.FixedIntervalLoopingCall(
                self._replication_look)
            self._look.start(
                interval=self.configuration.replication_check_interval,
                stop_on_exception=False)

    def _check_groups(self, found, primary, serving):
        """Tell a lost disk from a wrong name.

        A volume group that was in use before is remembered by a tag of its
        partner.
        """
        self._primary_lost = False
        if serving not in found:
            tag = copies.partner_tag('source', primary)
            if self._active or not any(
                    tag in found[target.volume_group].tags
                    for target in self._targets
                    if target.volume_group in found):
                raise targets.InvalidConfiguration(
                    'replication_device' if self._active else 'volume_group',
                    self._section,
                    'volume group %s does not exist' % serving)
            LOG.error('Volume group %s of [%s] is lost. Its volumes need a '
                      'fail-over.', primary, self._section)
            self._primary_lost = True
        for target in self._targets:
            if target.volume_group in found:
                continue
            tags = {copies.partner_tag(role, target.volume_group)
                    for role in ('target', 'source')}
            # Once failed over, or in need of it, another target does not
            # matter, and its group need not remember this one.
            if not (self._active or self._primary_lost or
                    tags & found[serving].tags):
                raise targets.InvalidConfiguration(
                    'replication_device', self._section,
                    'volume group %s of target %s does not exist'
                    % (target.volume_group, target.backend_id))
            LOG.error('Volume group %s of target %s is lost.',
                      target.volume_group, target.backend_id)

    def _lvm_type(self, group):
        if self.configuration.lvm_type != 'auto':
            return self.configuration.lvm_type
        thin = (group is None or not group.volumes or
                groups.pool_name(group.name) in group.volumes)
        return 'thin' if thin else 'default'

    def _serve_from(self, volume_group):
        """Point what Cinder's driver does at a volume group."""
        self.configuration.volume_group = volume_group
        self._sparse_copy_volume = self.configuration.lvm_type == 'thin'
        lvm_conf = self.configuration.lvm_conf_file
        self.vg = group_view.GroupView(
            self._groups, volume_group, utils.get_root_helper(),
            self._execute, self.configuration.lvm_type,
            lvm_conf=None if lvm_conf.lower() == 'none' else lvm_conf,
            suppress_fd_warn=self.configuration.lvm_suppress_fd_warnings)

    def _prepare_groups(self, found, serving):
        """Create the pools, and remember who belongs to whom.

        A target that is known and can't be written to now stops nothing.
        """
        if serving not in found:
            return
        if self.configuration.lvm_type == 'thin':
            self._groups.ensure_pool(found, serving)
        if not self._protecting:
            return
        for target in self._targets:
            if target.volume_group not in found:
                continue
            try:
                self._groups.prepare_target(found, serving,
                                            target.volume_group)
            except exception.VolumeBackendAPIException:
                tag = copies.partner_tag('target', target.volume_group)
                if tag not in found[serving].tags:
                    raise
                LOG.exception('Volume group %s of target %s can not be '
                              'prepared.', target.volume_group,
                              target.backend_id)

    # State

    @property
    def _protecting(self):
        return bool(self._targets and not self._held and not self._active and
                    not self._primary_lost)

    def _target(self, backend_id):
        for target in self._targets:
            if target.backend_id == backend_id:
                return target
        return None

    def _is_replicated(self, volume):
        return bool(copies.Current.from_driver_data(
            volume.replication_driver_data) or volume.is_replicated())

    def _follow_service_row(self):
        """Begin to protect once an administrator enabled it."""
        if not self._held or self._active:
            return
        service = records.get_service(self.host)
        if service and service.replication_status == Status.ENABLED:
            LOG.info('Replication of %s is enabled; protecting it with %s.',
                     self.host, ', '.join(target.backend_id
                                          for target in self._targets))
            self._held = False
            try:
                self._prepare_groups(self._groups.scan(),
                                     self.configuration.volume_group)
            except Exception:
                # the next statistics try again
                self._held = True
                raise
            self._replication.protect()

    def _replication_look(self):
        try:
            self._replication.look()
        except Exception:
            LOG.exception('Looking at the mirrors of %s failed.', self.host)
        self._tell_progress()

    def _tell_progress(self):
        """Leave on the host what its commands tell of this process's work."""
        name = progress_file.path(cfg.CONF.state_path, self._section)
        progress = self._replication.progress()
        volumes, in_sync, percent = self._replication.summary()
        try:
            if progress.pending:
                progress_file.write(
                    name, volumes=volumes, volumes_in_sync=in_sync,
                    percent=percent, bytes=progress.copied,
                    bytes_total=progress.total,
                    seconds_left=progress.seconds,
                    interval=self.configuration.replication_check_interval)
            else:
                progress_file.remove(name)
            self._tells = True
        except OSError as error:
            if self._tells:
                LOG.warning('cinder-promote-host can not tell how far copying '
                            'is: %s', error)
            self._tells = False

    def _update_volume_stats(self):
        self._follow_service_row()
        super()._update_volume_stats()
        enabled = bool(self._targets and not self._held and not self._active)
        volumes, in_sync, percent = self._replication.summary()
        progress = self._replication.progress()
        state = {
            'replication_enabled': enabled,
            'replication_type': ['sync'],
            'replication_count': len(self._targets),
            'replication_targets': [target.backend_id
                                    for target in self._targets],
            'replication_volumes': volumes,
            'replication_volumes_in_sync': in_sync,
            'replication_sync_percent': percent,
            'replication_sync_bytes': progress.copied,
            'replication_sync_bytes_total': progress.total,
            'replication_sync_seconds_left': progress.seconds,
        }
        self._stats.update(state)
        for pool in self._stats['pools']:
            pool.update(state)
            pool['total_volumes'] += volumes
            if self._primary_lost:
                pool['backend_state'] = 'down'

    # Volumes

    def create_volume(self, volume):
        """Create a volume, with its copies if its type is replicated."""
        if not volume.is_replicated():
            super().create_volume(volume)
            # A row that was made from a replicated volume's, to migrate it.
            return ({'replication_driver_data': None}
                    if volume.replication_driver_data else None)
        return self._create_replicated(volume)

    def _create_replicated(self, volume, make_copies=None):
        record = self._replication.create(volume, make_copies)
        return {'replication_status': record.status,
                'replication_driver_data': record.current.to_driver_data()}

    def delete_volume(self, volume):
        """Delete a volume with all its copies.

        One that is not replicated can be deleted also when its volume group
        is lost, or is not the one that is served any more.
        """
        if self._is_plain(volume):
            if (self._active or self._primary_lost or
                    self._volume_not_present(volume.name)):
                return self._delete_left_volume(volume)
            return super().delete_volume(volume)
        self._snapshots.check_none_depends(volume.name,
                                           self.configuration.volume_group)
        self._replication.delete(volume.name)
        return None

    def _is_plain(self, volume):
        """Whether a volume that is to be deleted has no copies.

        Once a plain volume was migrated to a replicated type, its old row has
        that type.
        """
        return not self._is_replicated(volume) or (
            records.of_volume(volume) is None and
            not self._volume_not_present(volume.name))

    def _delete_left_volume(self, volume):
        """Delete a volume that stayed behind as others were failed over.

        Where a volume was migrated, its old row may have the name of what
        another row has now; that is not to be removed.
        """
        found = self._groups.scan()
        serving = self.configuration.volume_group
        if not records.shares_its_name(volume):
            for group in dict.fromkeys(
                    [self._primary, *self._groups.sources(found, serving)]):
                left = group in found and found[group].volumes.get(volume.name)
                if left and not copies.is_copy(left.tags):
                    return self._groups.remove_copy(found, group, volume.name)
        LOG.warning('Volume %s is not in a volume group that can be seen.',
                    volume.name)
        return None

    def local_path(self, volume, vg=None):
        """The path of a volume's device on this host."""
        if vg is None and self._is_mirror(volume):
            return devices.front_path(volume['name'])
        return super().local_path(volume, vg)

    def _is_mirror(self, volume):
        """Whether something is a replicated volume, for snapshots are not."""
        return hasattr(volume, 'is_replicated') and self._is_replicated(volume)

    # Exports

    def ensure_export(self, context, volume):
        """Export a volume again after a start."""
        if not self._is_replicated(volume):
            return super().ensure_export(context, volume)
        if self._primary_lost:
            LOG.warning('Volume %s is left as it is until the backend is '
                        'failed over.', volume.name)
            return None
        return self.target_driver.ensure_export(
            context, volume, devices.front_path(volume.name))

    def create_export(self, context, volume, connector, vg=None):
        """Export a volume."""
        if not self._is_replicated(volume):
            return super().create_export(context, volume, connector, vg)
        export = self.target_driver.create_export(
            context, volume, devices.front_path(volume.name))
        return {'provider_location': export['location'],
                'provider_auth': export['auth']}

    # Replication

    def failover_host(self, context, volumes, secondary_id=None, groups=None):
        """Serve the volumes from a replication target from now on.

        Or, for the backend_id 'default', from the primary again.

        :raises InvalidReplicationTarget: there is no such target, or it is
            not one that can be failed over to
        :raises UnableToFailOver: the target can't be used
        """
        back = secondary_id == FAILBACK
        target = self._home() if back else self._failover_target(secondary_id)
        outcome = self._replication.fail_over(
            target, [other.volume_group for other in self._targets
                     if other is not target],
            None if back else self._primary,
            [volume.name for volume in volumes],
            commit=lambda: records.commit_failover(
                self.host, None if back else target.backend_id))
        self._active = None if back else target
        self._primary_lost = False
        self._serve_from(target.volume_group)
        updates = []
        for volume in volumes:
            record, reason = outcome[volume.name]
            if reason:
                LOG.error('Volume %s could not be failed over to %s: %s.',
                          volume.name, target.backend_id, reason)
                update = {'status': 'error',
                          'replication_status': Status.FAILOVER_ERROR,
                          'replication_extended_status': reason[:255]}
                if record:
                    update['replication_driver_data'] = (
                        record.current.to_driver_data())
            else:
                update = {'replication_status': record.status,
                          'replication_driver_data':
                              record.current.to_driver_data(),
                          'replication_extended_status': None}
                if back and volume.status == 'error' and (
                        volume.previous_status in records.USABLE):
                    update['status'] = volume.previous_status
            updates.append({'volume_id': volume.id, 'updates': update})
        return target.backend_id, updates, []

    def _home(self):
        """The primary, which has to be in sync to be failed back to.

        Copying to it begins once failing back was asked for, not before: its
        disk may be one that holds up whoever writes to it.
        """
        if not self._active:
            raise exception.InvalidReplicationTarget(
                reason='the host is not failed over')
        try:
            total, ready = self._replication.bring_back()
        except exception.VolumeBackendAPIException as error:
            raise exception.InvalidReplicationTarget(
                reason=str(error)) from error
        if ready < total:
            raise exception.InvalidReplicationTarget(
                reason='%d of %d volumes are in sync with volume group %s; '
                'the others are being copied to it, so ask again once '
                'replication_volumes_in_sync of the backend counts them all'
                % (ready, total, self._primary))
        return targets.Target(FAILBACK, self._primary)

    def _failover_target(self, backend_id):
        if not self._targets:
            raise exception.InvalidReplicationTarget(
                reason='section [%s] has no replication_device'
                % self._section)
        target = self._target(backend_id) if backend_id else next(
            (target for target in self._targets
             if target is not self._active), self._active)
        if target is self._active and target:
            raise exception.InvalidReplicationTarget(
                reason='the host is failed over to %s already'
                % target.backend_id)
        if target is None:
            raise exception.InvalidReplicationTarget(
                reason='%s is no backend_id of section [%s]; there are %s'
                % (backend_id, self._section,
                   ', '.join(each.backend_id for each in self._targets)))
        return target
