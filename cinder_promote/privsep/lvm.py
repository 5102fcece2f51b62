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

"""LVM operations of the replicated LVM driver, each bounded in time.

``devices`` lists the physical volumes that a command may look at, so that it
does not touch, and so can't wait for, the disks of other volume groups. What
the host's own configuration hides from LVM stays hidden.
"""

import os
import re
import stat

import cinder_promote.privsep
from cinder_promote.privsep import command

NAME = re.compile(r'[A-Za-z0-9+_.][A-Za-z0-9+_.-]*\Z')
#: For each kind of object in a full report, what is asked of it.
COLUMNS = {'vg': 'vg_name,vg_size,vg_free,vg_tags',
           'pv': 'pv_name',
           'lv': 'lv_name,lv_size,lv_tags,data_percent,pool_lv,origin,'
                 'lv_health_status',
           'pvseg': 'pvseg_start',
           'seg': 'seg_start'}
#: Where LVM keeps the lists of disks that it may use, on hosts with such.
DEVICES_FILES = '/etc/lvm/devices'
#: What ionice may be told: a class, or a level within it.
IO_PRIORITY = re.compile(r'-[cn] ?[0-9a-z-]+\Z')


def check_names(*names):
    """Refuse what is not a name of a volume group or logical volume.

    :raises ValueError: it is something else
    """
    for name in names:
        if not NAME.match(name):
            raise ValueError('%r is not a name of LVM' % name)


def device_name(vg, name):
    """Name that LVM gives the device of a logical volume."""
    return '%s-%s' % (vg.replace('-', '--'), name.replace('-', '--'))


def parse_device_name(device):
    """Volume group and name of a logical volume from that of its device."""
    return tuple(word.replace('--', '-') for word in
                 re.fullmatch(r'((?:[^-]|--)+)-((?:[^-]|--)+)',
                              device).groups())


def _devices_file(timeout):
    """Path of the list of the disks that LVM may use, None without one."""
    if not os.path.isdir(DEVICES_FILES) or not os.listdir(DEVICES_FILES):
        return None
    settings = command.run(
        ['lvm', 'lvmconfig', '--typeconfig', 'full',
         'devices/use_devicesfile', 'devices/devicesfile'], timeout)[1]
    name = re.search(r'^devicesfile="(.+)"$', settings, re.MULTILINE)
    if not name or 'use_devicesfile=1' not in settings.split():
        return None
    path = os.path.join(DEVICES_FILES, name.group(1))
    return path if os.path.exists(path) else None


def _confined(devices, timeout):
    """Arguments that have LVM look at some disks only.

    --devices sets the host's global_filter aside, --config does not; with a
    devices file LVM goes by no filter at all.
    """
    if not devices:
        return []
    if _devices_file(timeout):
        return ['--devices', ','.join(devices)]
    # A dot is any character, so also one that means something to LVM.
    accepted = ['"a|^%s$|"' % re.sub(r'[^A-Za-z0-9/_-]', '.', device)
                for device in devices]
    return ['--config',
            'devices/filter=[%s,"r|.*|"]' % ','.join(accepted)]


def _paths(vg, names):
    check_names(vg, *names)
    return ['%s/%s' % (vg, name) for name in names]


def _tag_changes(add, delete):
    return ([word for tag in delete for word in ('--deltag', tag)] +
            [word for tag in add for word in ('--addtag', tag)])


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def not_hidden(devices, timeout):
    """Those of some disks that no devices file keeps LVM from using."""
    path = _devices_file(timeout)
    if path is None:
        return list(devices)
    with open(path) as devices_file:
        listed = {os.path.realpath(name) for name in
                  re.findall(r'\bDEVNAME=(\S+)', devices_file.read())}
    return [device for device in devices
            if os.path.realpath(device) in listed]


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def report(devices, timeout):
    """What LVM sees: each volume group with what is in it.

    :returns: a result of ``command.run`` with JSON as output
    """
    argv = ['lvm', 'fullreport', '--reportformat', 'json', '--units', 'b',
            '--nosuffix', *_confined(devices, timeout)]
    for kind, columns in COLUMNS.items():
        argv += ['--configreport', kind, '-o', columns]
    return command.run(argv, timeout)


def report_thin_id(vg, name, devices, timeout):
    """The number that a thin volume has in its pool, as text.

    :returns: a result of ``command.run``
    """
    return command.run(
        ['lvs', '--noheadings', '-o', 'thin_id', *_confined(devices, timeout),
         *_paths(vg, [name])], timeout)


def report_tags(vg, name, devices, timeout):
    """The tags of a logical volume, as text.

    :returns: a result of ``command.run``
    """
    return command.run(
        ['lvs', '--noheadings', '-o', 'lv_tags', *_confined(devices, timeout),
         *_paths(vg, [name])], timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def create(vg, pool, name, size, tags, devices, timeout):
    """Create a logical volume of a size in bytes, thin if a pool is given."""
    check_names(vg, name)
    argv = ['lvcreate', '--yes', *_confined(devices, timeout),
            *_tag_changes(tags, ()), '-n', name]
    if pool:
        check_names(pool)
        argv += ['-T', '-V', '%db' % size, '%s/%s' % (vg, pool)]
    else:
        argv += ['-Wy', '-Zy', '-L', '%db' % size, vg]
    return command.run(argv, timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def create_pool(vg, pool, devices, timeout):
    """Create a thin pool of nearly all that is free in a group."""
    check_names(vg, pool)
    return command.run(['lvcreate', '--yes', *_confined(devices, timeout),
                        '-T', '-l', '95%FREE', '%s/%s' % (vg, pool)], timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def release(vg, name, timeout):
    """Let I/O go on in a logical volume that a failed command suspended.

    This does not touch its disk, as LVM would.
    """
    check_names(vg, name)
    device = device_name(vg, name)
    for each in (device + '-real', device):
        state = command.run(['dmsetup', 'info', '--columns', '--noheadings',
                             '-o', 'suspended', each], timeout)
        if state[1].strip() == 'Suspended':
            command.run(['dmsetup', 'clear', each], timeout)
            command.run(['dmsetup', 'resume', each], timeout)


def snapshot_command(vg, origin, name, thin, tags, devices, timeout):
    """The command that makes a snapshot, which is not active if thin.

    A thick one has room for everything that can be overwritten.
    """
    check_names(name)
    argv = ['lvcreate', '--yes', *_confined(devices, timeout),
            *_tag_changes(tags, ()), '-n', name]
    argv += ['-kn', '-an'] if thin else ['-l', '100%ORIGIN']
    return [*argv, '-s', *_paths(vg, [origin])]


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def create_snapshot(vg, origin, name, thin, tags, devices, timeout):
    """Make a snapshot of what nobody writes to, or of one copy only."""
    return command.run(
        snapshot_command(vg, origin, name, thin, tags, devices, timeout),
        timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def split_snapshot(vg, origin, name, devices, timeout):
    """Make a thick snapshot a volume of what it kept.

    It costs its origin's writes nothing any more, and can be cleared.
    """
    result = command.run(['lvconvert', '--yes', '--splitsnapshot',
                          *_confined(devices, timeout), *_paths(vg, [name])],
                         timeout)
    if result[0] != 0:
        release(vg, origin, timeout)
    return result


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def remove(vg, names, devices, timeout):
    """Remove logical volumes of one group."""
    return command.run(['lvremove', '--yes', *_confined(devices, timeout),
                        *_paths(vg, names)], timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def activate(vg, names, devices, timeout):
    """Activate logical volumes of one group."""
    return command.run(['lvchange', '--yes', '-ay', '-K',
                        *_confined(devices, timeout), *_paths(vg, names)],
                       timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def revive_pool(vg, pool, names, devices, timeout):
    """Have a thin pool work again that gave up, for its disk failed.

    The kernel reads its metadata again once it was inactive, and so were its
    volumes, which those are again then that are not to be skipped.

    :param names: of its volumes
    :returns: a result of ``command.run``, an error if one is in use
    """
    confined = _confined(devices, timeout)
    for step in (names, [pool]):
        result = command.run(['lvchange', '-an', *confined,
                              *_paths(vg, step)], timeout)
        if result[0] != 0:
            break
    again = command.run(['lvchange', '-ay', *confined,
                         *_paths(vg, names or [pool])], timeout)
    return again if result[0] == 0 else result


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def change_tags(vg, names, add, delete, devices, timeout):
    """Change tags of logical volumes of one group, each at one instant."""
    return command.run(['lvchange', *_confined(devices, timeout),
                        *_tag_changes(add, delete), *_paths(vg, names)],
                       timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def extend(vg, name, size, devices, timeout):
    """Extend a logical volume to a size in bytes."""
    return command.run(['lvextend', *_confined(devices, timeout),
                        '-L', '%db' % size, *_paths(vg, [name])], timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def is_open(vg, name, devices, timeout):
    """Whether something uses a logical volume.

    :returns: a result of ``command.run``, its output 'open' or nothing
    """
    return command.run(['lvs', '--noheadings', *_confined(devices, timeout),
                        '-o', 'lv_device_open', *_paths(vg, [name])], timeout)


def _flush(vg, names, timeout):
    return command.run(
        ['sync', *('/dev/' + path for path in _paths(vg, names))], timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def flush(requests, timeout):
    """Have disks write down what logical volumes have acknowledged.

    :param requests: pairs of a volume group and names of logical volumes
    :returns: a result of ``command.run`` for each
    """
    return command.at_once(_flush, requests, timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def add_group_tags(vg, tags, devices, timeout):
    """Add tags to a volume group."""
    check_names(vg)
    return command.run(['vgchange', *_confined(devices, timeout),
                        *_tag_changes(tags, ()), vg], timeout)


def _is_block_device(path):
    try:
        return stat.S_ISBLK(os.stat(path).st_mode)
    except OSError:
        return False


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def clear(vg, name, start, length, priority, timeout):
    """Write zeros over a part of a logical volume, past the page cache.

    :param start: in bytes, as is ``length``
    :param priority: an argument for ionice, or None
    """
    check_names(vg, name)
    return write_zeros('/dev/%s/%s' % (vg, name), start, length, priority,
                       timeout)


def write_zeros(path, start, length, priority, timeout):
    """Write zeros over a part of a device, for callers with privileges."""
    if priority and not IO_PRIORITY.match(priority):
        raise ValueError('%r is not an I/O priority of ionice' % priority)
    if not _is_block_device(path):
        return 1, '', '%s is not a block device' % path
    return command.run(
        [*(['ionice', priority] if priority else []),
         'dd', 'if=/dev/zero', 'of=' + path, 'bs=1M', 'seek=%d' % start,
         'count=%d' % length, 'iflag=count_bytes',
         'oflag=direct,seek_bytes', 'conv=nocreat,notrunc,fdatasync',
         'status=none'], timeout)
