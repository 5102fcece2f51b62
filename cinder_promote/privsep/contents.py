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

"""What a copy holds, and copying it to another one."""

import contextlib
import fcntl
import re

import cinder_promote.privsep
from cinder_promote.privsep import blocks, command, lvm

SECTOR = 512
LOCKS = '/run'
#: Tag of a thin pool of whose metadata there may be a snapshot of this driver.
#: Not like those of copies, which are told by ``cinder-promote.``.
READING = 'cinder-promote-reading'

_BLOCK = re.compile(r'<superblock\b[^>]*\bdata_block_size="(\d+)"')
_MAPPING = re.compile(r'<single_mapping origin_block="(\d+)"|'
                      r'<range_mapping origin_begin="(\d+)" '
                      r'data_begin="\d+" length="(\d+)"')


def parse_mappings(text):
    """The parts of a thin volume that have data, from thin_dump's XML.

    :returns: pairs of numbers of bytes, where each begins and how long it is
    """
    block = int(_BLOCK.search(text).group(1)) * SECTOR
    parts = []
    for mapping in _MAPPING.finditer(text):
        single, first, number = mapping.groups()
        start = int(first if single is None else single) * block
        length = int(number or 1) * block
        if parts and sum(parts[-1]) == start:
            parts[-1] = (parts[-1][0], parts[-1][1] + length)
        else:
            parts.append((start, length))
    return parts


@contextlib.contextmanager
def _metadata_snapshot(vg, pool, devices, timeout):
    """Have the snapshot that a thin pool can make of its metadata.

    There is one of a pool at a time, and it outlives who made it, also a stop
    of the host. A tag of the pool tells one that this driver left, which is
    given back, from somebody else's, which is not.

    :returns: the ``command.run`` result of making it
    """
    device = lvm.device_name(vg, pool) + '-tpool'
    message = ['dmsetup', 'message', '/dev/mapper/' + device, '0']
    with open('%s/cinder-promote-%s.lock' % (LOCKS, device), 'a') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tags = lvm.report_tags(vg, pool, devices, timeout)[1]
        if READING in tags.strip().split(','):
            command.run([*message, 'release_metadata_snap'], timeout)
        made = lvm.change_tags(vg, [pool], [READING], [], devices, timeout)
        if made[0] == 0:
            made = command.run([*message, 'reserve_metadata_snap'], timeout)
        try:
            yield made
        finally:
            # What was given up may have been done, or be done later.
            may_be_there = made[0] == command.TIMED_OUT
            if made[0] == 0:
                may_be_there = command.run(
                    [*message, 'release_metadata_snap'], timeout)[0] != 0
            if not may_be_there:
                lvm.change_tags(vg, [pool], [], [READING], devices, timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def mappings(vg, pool, name, devices, timeout):
    """What thin_dump says of a thin volume that may be in use.

    :returns: a result of ``command.run`` with XML as output
    """
    report = lvm.report_thin_id(vg, name, devices, timeout)
    if report[0] != 0:
        return report
    number = report[1].strip()
    if not re.fullmatch('[0-9]+', number):
        return 1, '', '%s/%s is not a thin volume' % (vg, name)
    with _metadata_snapshot(vg, pool, devices, timeout) as made:
        if made[0] != 0:
            return made
        return command.run(
            ['thin_dump', '--metadata-snap', '--dev-id', number,
             '/dev/mapper/%s_tmeta' % lvm.device_name(vg, pool)], timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def copy(source_vg, target_vg, name, parts, nonzero, timeout):
    """Copy parts of a logical volume to that of the same name elsewhere.

    :param parts: pairs of numbers of bytes, where each begins and how long
        it is
    :param nonzero: whether the target reads as zeros where nothing was
        written, so that zeros need not be
    """
    lvm.check_names(source_vg, target_vg, name)
    return command.run(
        [*command.script(blocks), 'copy-nonzero' if nonzero else 'copy',
         '/dev/%s/%s' % (source_vg, name), '/dev/%s/%s' % (target_vg, name)],
        timeout, ''.join('%d %d\n' % tuple(part) for part in parts))
