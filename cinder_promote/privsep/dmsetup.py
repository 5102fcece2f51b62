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

"""Device-mapper operations on the devices of replicated volumes.

Each function is one request to the privileged daemon, so that a caller that
dies does not leave a device suspended between two requests.
"""

import re

import cinder_promote.privsep
from cinder_promote.privsep import command, discards, lvm, metadata

#: Devices of other owners are out of bounds.
OWN_NAME = re.compile(r'promote-[A-Za-z0-9_.+-]+\Z')
OWN_TABLE = re.compile(r'0 [0-9]+ (linear|raid raid1) [^\n]+\Z')


def _check(*names):
    for name in names:
        if not OWN_NAME.match(name):
            raise ValueError('%r is not a device of a replicated volume'
                             % name)


def _check_table(table):
    if not OWN_TABLE.match(table):
        raise ValueError('%r is not a table of a replicated volume' % table)


def _limit_discards(name, table):
    return discards.limit(name) if ' raid ' in table else (0, '', '')


def _create(name, table, timeout):
    result = command.run(
        ['dmsetup', 'create', name, '--table', table], timeout)
    if result[0] == 0:
        result = _limit_discards(name, table)
        if result[0] != 0:
            command.run(['dmsetup', 'remove', name], timeout)
    return result


def _load_and_resume(name, table, timeout):
    result = command.run(['dmsetup', 'load', name, '--table', table], timeout)
    if result[0] == 0:
        result = command.run(['dmsetup', 'resume', name], timeout)
    if result[0] == 0:
        result = _limit_discards(name, table)
    return result


def _suspend(name, timeout):
    return command.run(
        ['dmsetup', 'suspend', '--noflush', '--nolockfs', name], timeout)


def _back_out(name, timeout):
    """Let I/O go on over the table that was there before."""
    command.run(['dmsetup', 'clear', name], timeout)
    return command.run(['dmsetup', 'resume', name], timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def query(timeout):
    """What device-mapper holds.

    :returns: three results of ``command.run``: of ``dmsetup info`` (name,
        suspended, device number), ``dmsetup table`` and ``dmsetup status`` of
        the raid sets
    """
    return (
        command.run(['dmsetup', 'info', '--columns', '--noheadings',
                     '--separator', ' ', '-o', 'name,suspended,major,minor'],
                    timeout),
        command.run(['dmsetup', 'table'], timeout),
        command.run(['dmsetup', 'status', '--noflush', '--target', 'raid'],
                    timeout))


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def create(name, table, timeout):
    """Create a device with a table."""
    _check(name)
    _check_table(table)
    return _create(name, table, timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def remove(name, timeout):
    """Remove a device."""
    _check(name)
    return command.run(['dmsetup', 'remove', name], timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def limit_discards(name):
    """Limit how much of a mirror is discarded at once."""
    _check(name)
    return discards.limit(name)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def repair(name, timeout):
    """Begin to make the legs of a mirror equal."""
    _check(name)
    return command.run(['dmsetup', 'message', name, '0', 'repair'], timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def clear(name, start, length, priority, timeout):
    """Write zeros over a part of a device, past the page cache.

    :param start: in bytes, as is ``length``
    :param priority: an argument for ionice, or None
    """
    _check(name)
    return lvm.write_zeros('/dev/mapper/' + name, start, length, priority,
                           timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def resume(name, timeout):
    """Resume a device."""
    _check(name)
    return command.run(['dmsetup', 'resume', name], timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def discards_of(name, timeout):
    """How many bytes a device discards at least and at most, 0 if it can't.
    """
    _check(name)
    return command.run(['lsblk', '--bytes', '--nodeps', '--noheadings',
                        '--output', 'DISC-GRAN,DISC-MAX',
                        '/dev/mapper/' + name], timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def discard(name, start, length, timeout):
    """Discard a part of what is in a device, in bytes."""
    _check(name)
    return command.run(['blkdiscard', '--offset', '%d' % start,
                        '--length', '%d' % length, '/dev/mapper/' + name],
                       timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def back_out(name, timeout):
    """Resume a device over the table that it was suspended with."""
    _check(name)
    return _back_out(name, timeout)


def _replace_table(name, table, timeout):
    result = _suspend(name, timeout)
    if result[0] == 0:
        result = _load_and_resume(name, table, timeout)
    if result[0] != 0:
        _back_out(name, timeout)
    return result


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def replace_tables(tables, timeout):
    """Put other tables beneath devices that may be in use, all at once.

    A device that can't be suspended in time, for writes hang in it, keeps its
    table; the others do not wait for it.

    :param tables: pairs of a name and a table
    :returns: a result of ``command.run`` for each
    """
    for name, table in tables:
        _check(name)
        _check_table(table)
    return command.at_once(_replace_table, tables, timeout)


def _insert_mirror(front, mirror, mirror_table, front_table, derive, timeout):
    result = _suspend(front, timeout)
    if result[0] != 0:
        _back_out(front, timeout)
        return result
    result = (0, '', '')
    if derive:
        result = command.run(metadata.derive_command(*derive), timeout)
    if result[0] == 0:
        result = _create(mirror, mirror_table, timeout)
    if result[0] == 0:
        result = _load_and_resume(front, front_table, timeout)
    if result[0] != 0:
        _back_out(front, timeout)
        command.run(['dmsetup', 'remove', mirror], timeout)
    return result


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def insert_mirrors(requests, timeout):
    """Create mirrors and put them beneath devices in use, all at once.

    A device stands still while its mirror is created: a write in between
    would reach not all legs, or not the bitmap. On failure the device keeps
    its table and there is no mirror.

    :param requests: for each the device, the mirror, the mirror's table, the
        device's table, and the arguments of ``metadata.derive_command`` where
        the mirror's metadata are those of another one, else None
    :returns: a result of ``command.run`` for each
    """
    for front, mirror, mirror_table, front_table, __ in requests:
        _check(front, mirror)
        _check_table(mirror_table)
        _check_table(front_table)
    return command.at_once(_insert_mirror, requests, timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def write_superblocks(mirror, legs, size, tables, timeout):
    """Have the kernel write the superblocks of a mirror, without its data.

    The mirror is created with each table in turn and removed again, with
    legs of nothing but zeros: udev reads what it finds, and a leg that answers
    with an error would be dropped.

    :param legs: names for such devices, as the tables have them
    :param size: of each, in sectors
    """
    _check(mirror, *legs)
    for table in tables:
        _check_table(table)
    steps = [['create', leg, '--table', '0 %d zero' % size] for leg in legs]
    for table in tables:
        steps += [['create', mirror, '--table', table], ['remove', mirror]]
    steps += [['remove', leg] for leg in legs]
    for step in steps:
        result = command.run(['dmsetup', *step], timeout)
        if result[0] != 0:
            for name in (mirror, *legs):
                command.run(['dmsetup', 'remove', name], timeout)
            return result
    return 0, '', ''
