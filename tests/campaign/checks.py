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

"""What must hold once a fault was overcome."""

import json
import re

from cinder_promote.privsep import lvm
from cinder_promote.volume import copies, devices
from tests.campaign import system as system_module
from tests.functional import blocks, disks

#: Seconds until what is done in the background is done.
TIMEOUT = 60
#: Seconds after which the service is restarted, which removes what is left of
#: something that was deleted while a disk was away.
PATIENCE = 15
_UUID = r'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
_TAG = re.compile(r'cinder-promote\.(generation=\d+|host=[\w.=+-]+|'
                  r'since=promote-[abc]/\d+)\Z')
_GROUP_TAG = re.compile(r'cinder-promote\.(target|source)=promote-[abc]\Z')


class View:
    """All device-mapper devices at some time, by few commands.

    ``beneath`` has the names of what is in a device's table by its name,
    ``raids`` the health of a mirror's legs and what it does.
    """

    def __init__(self):
        deps = disks.run('dmsetup', 'deps', '-o', 'devname')
        self.beneath = {
            line.partition(':')[0]: set(re.findall(r'\(([^)]+)\)', line))
            for line in deps.splitlines()}
        self.raids = {}
        for line in disks.run('dmsetup', 'status', '--noflush', '--target',
                              'raid').splitlines():
            words = line.split()
            self.raids[words[0].rstrip(':')] = words[6], words[8]

    def mirror(self, front):
        """Name of the mirror that a front lies on, None if it does not."""
        beneath = self.beneath.get(front, set()) & set(self.raids)
        return next(iter(beneath), None)


def _until_nothing(what, find, timeout=TIMEOUT):
    """Wait until there is nothing to be found.

    :param what: says in the error what it is
    :param find: returns sentences
    """
    found = []

    def nothing():
        try:
            found[:] = find()
        except AssertionError as error:
            # a device that went away while a command looked at it
            found[:] = [str(error)]
        return not found

    try:
        blocks.wait_until(nothing, what, timeout)
    except AssertionError as error:
        raise AssertionError('%s: %s' % (error, '; '.join(found))) from None


def check(system):
    """Make sure of all that must hold while nothing is the matter.

    :param system: ``system.System`` that has settled
    :raises AssertionError: something does not hold
    """
    for writer in system.attached().values():
        writer.goes_on(3)
    for volume in system.volume_rows().values():
        _check_data(system, volume, kept_groups(system))
    try:
        _until_nothing('nothing is left', lambda: left(system), PATIENCE)
    except AssertionError:
        system.restart_service()
        _until_nothing('nothing is left', lambda: left(system))
    _check_snapshots(system)


def kept_groups(system):
    """The volume groups whose copies are to be in sync."""
    return [system.serving, *map(system_module.group_of,
                                 system.target_letters())]


def unprotected(system):
    """Volumes whose mirrors are not what they are to be, as sentences."""
    try:
        view = View()
    except AssertionError as error:
        # a device that went away while a command looked at it
        return [str(error)]
    found = []
    kept = kept_groups(system)
    for volume in system.volume_rows().values():
        mirror = view.mirror(system.front(volume))
        if mirror is None:
            found.append('%s has no mirror' % volume.name)
        elif view.raids[mirror][0].rstrip('-') != 'A' * len(kept):
            found.append('%s is %s' % (mirror, view.raids[mirror][0]))
        elif view.beneath[mirror] not in [
                {device for group in kept for device in (
                    lvm.device_name(group, volume.name),
                    lvm.device_name(group, volume.name + slot))}
                for slot in devices.SLOTS]:
            found.append('%s lies on %s' % (
                mirror, ' '.join(sorted(view.beneath[mirror]))))
    return found


def _check_data(system, volume, kept):
    """Nothing that was acknowledged is missing, wherever it must be."""
    writer = system.writer_of(volume.id)
    paths = [system.path(volume, group) for group in (None, *kept)]
    for path in paths:
        writer.verify(path)
    if not system.state['volumes'][volume.id]['attached']:
        # the write that was not acknowledged is the same everywhere, too
        length = (writer.acknowledged + 8) * blocks.NOTE_SIZE
        blocks.wait_until(
            lambda: system.health(volume)[1] == 'idle' and 1 == len({
                blocks.read(path, length) for path in paths}),
            'the copies of %s are equal' % volume.name, TIMEOUT)


def _check_snapshots(system):
    """Snapshots hold what was acknowledged when they were taken."""
    __, found = report()
    rows = system.snapshot_rows()
    for snapshot_id, known in system.state['snapshots'].items():
        name = '_' + rows[snapshot_id].name
        groups = sorted(
            group for group, volumes in found.items()
            if copies.generation_of(volumes.get(name, ())))
        if known['groups'] is None:
            known['groups'] = groups
            system.assertIn(system.serving, groups)
        system.assertLessEqual(set(known['groups']), set(groups))
        for group in groups:
            path = '%s/%s' % (group, name)
            disks.run('lvchange', '--yes', '-ay', '-K', path)
            try:
                if known['count']:
                    system.writer_of(known['volume']).verify(
                        '/dev/' + path, known['count'])
            finally:
                disks.run('lvchange', '--yes', '-an', path)


def report():
    """Tags by the names of all volume groups, and of what is in them.

    :returns: two dictionaries, the second one of dictionaries
    """
    text = disks.run('lvm', 'fullreport', '--reportformat', 'json',
                     '--configreport', 'vg', '-o', 'vg_name,vg_tags',
                     '--configreport', 'lv', '-o', 'lv_name,lv_tags',
                     '--configreport', 'pv', '-o', 'pv_name',
                     '--configreport', 'pvseg', '-o', 'pvseg_start',
                     '--configreport', 'seg', '-o', 'seg_start')
    groups, volumes = {}, {}
    for each in json.loads(text)['report']:
        for group in each.get('vg', ()):
            groups[group['vg_name']] = _tags(group['vg_tags'])
            volumes[group['vg_name']] = {
                volume['lv_name']: _tags(volume['lv_tags'])
                for volume in each['lv']}
    return groups, volumes


def _tags(text):
    return [tag for tag in text.split(',') if tag]


def left(system):
    """What is there and should not be, as sentences."""
    volumes = system.volume_rows()
    snapshots = system.snapshot_rows()
    found = [*_left_devices(system, volumes, snapshots)]
    groups, tags = report()
    for group, present in tags.items():
        for name, those in present.items():
            belongs = _belongs(name, volumes, snapshots) or (
                name == group + '-pool')
            if not belongs:
                found.append('logical volume %s/%s' % (group, name))
            elif name.startswith(group):
                found += ['tag %s of %s' % (tag, name) for tag in those]
            else:
                found += ['tag %s of %s/%s' % (tag, group, name)
                          for tag in those if not _TAG.match(tag)]
    for group, those in groups.items():
        found += ['tag %s of %s' % (tag, group) for tag in those
                  if not _GROUP_TAG.match(tag)]
    found += _wrong_generations(system, volumes, tags)
    for line in disks.run('dmsetup', 'status', '--noflush', '--target',
                          'thin-pool').splitlines():
        words = line.split()
        if words[7:8] != ['-']:
            found.append('a metadata snapshot of a pool: ' + line)
    return found


def _belongs(name, volumes, snapshots):
    """Whether a logical volume is one of a volume or a snapshot."""
    match = re.fullmatch(r'volume-(%s)(\.meta2?)?' % _UUID, name)
    if match:
        return match.group(1) in volumes
    match = re.fullmatch(r'_snapshot-(%s)' % _UUID, name)
    return bool(match and match.group(1) in snapshots)


def _left_devices(system, volumes, snapshots):
    mirrors = dict.fromkeys(volumes, 0)
    for device in disks.devices():
        if device.startswith('disk-lvm-'):
            continue
        front = re.fullmatch(r'promote-volume-(%s)' % _UUID, device)
        mirror = re.fullmatch(r'promote-mirror-volume-(%s)-\d+' % _UUID,
                              device)
        logical = re.fullmatch(r'promote--[abc]-(.*)', device)
        known = front or mirror
        if known and known.group(1) in volumes:
            if mirror:
                mirrors[known.group(1)] += 1
        elif not logical or not (
                re.fullmatch(r'promote--[abc]--pool(-tpool|_tmeta|_tdata)?',
                             logical.group(1)) or
                _belongs(logical.group(1).replace('--', '-'), volumes,
                         snapshots)):
            yield 'device ' + device
    for volume_id, number in mirrors.items():
        if number != 1:
            yield 'volume %s has %d mirrors' % (volume_id, number)


def _wrong_generations(system, volumes, tags):
    """Copies in sync have the newest generation, and no others have it."""
    kept = kept_groups(system)
    for volume in volumes.values():
        current = json.loads(volume.replication_driver_data)
        if current['volume_group'] != system.serving:
            yield '%s is said to be in %s' % (volume.name,
                                              current['volume_group'])
        for group, present in tags.items():
            generation = copies.generation_of(present.get(volume.name, ()))
            if (generation == current['generation']) != (group in kept):
                yield 'the copy of %s in %s has generation %d, not %d' % (
                    volume.name, group, generation, current['generation'])
            for tag in copies.since_tags(present.get(volume.name, ())):
                if group in kept and any(copies.since_tags([tag], other)
                                         for other in kept):
                    yield '%s/%s has tag %s' % (group, volume.name, tag)

