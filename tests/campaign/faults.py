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

"""Doing to a system what a plan says."""

import contextlib
import os
import sqlite3
import time

from cinder_promote.privsep import command
from tests.campaign import service
from tests.functional import blocks, disks

#: How many privileged commands operations have, for drawing one of them: some
#: whatever there is, and some for each volume. One that has fewer is killed
#: at its end.
COMMANDS = {'create': (21, 0), 'delete': (12, 0), 'extend': (17, 0),
            'snapshot': (14, 0), 'delete snapshot': (5, 0),
            'fail-over': (8, 7), 'failback': (9, 12), 'promotion': (13, 6),
            'protection': (4, 16)}
FILLER = 'filler'
#: Seconds that a disk hangs, and the database is away, at most.
LONGEST = 6


class PowerCut(BaseException):
    """The power has to be cut now."""


def inject(system, fault):
    """Inject a fault into a system in which nothing is the matter.

    :param system: ``system.System``
    :param fault: ``plan.Fault``
    :raises PowerCut: that is the fault
    """
    if fault.kind.startswith('killed in '):
        operation = fault.kind.removeprefix('killed in ')
        special = {'failback': _kill_failback, 'promotion': _kill_promotion,
                   'protection': _kill_protection}.get(operation)
        if special:
            special(system, fault)
        else:
            _kill(system, fault, operation)
    else:
        _OTHERS[fault.kind](system, fault)


def _command(system, fault, operation):
    some, each = COMMANDS[operation]
    return fault.command % (some + each * len(system.state['volumes']))


def _killed(function, *args, **options):
    """Call something in which the service is killed."""
    try:
        function(*args, **options)
    except service.Killed:
        return
    raise AssertionError('the service was not killed')


def _kill(system, fault, operation):
    number = fault.target if operation == 'fail-over' else fault.volume
    request, __ = system.prepare(operation, number)
    _killed(system.process.request, *request,
            kill=_command(system, fault, operation))


def _fail_over(system, fault, **options):
    letter = system.letter('target', fault.target)
    system.request_failover(letter, **options)
    return letter


def _kill_failback(system, fault):
    _fail_over(system, fault)
    kill = _command(system, fault, 'failback')
    if fault.moment < 0.3:
        # as the copying begins
        _killed(system.request_failover, None, kill=kill)
        return

    def ready():
        try:
            return system.process.request('readiness')
        except service.Failed:
            return False

    blocks.wait_until(ready, 'the primary is in sync', 180)
    _killed(system.request_failover, None, kill=kill)


def _kill_promotion(system, fault):
    system.re_point(_fail_over(system, fault))
    _killed(system.start_service, _command(system, fault, 'promotion'))


def _kill_protection(system, fault):
    system.re_point(_fail_over(system, fault))
    system.start_service()
    system.set_service(replication_status='enabled')
    _killed(system.process.request, 'fill',
            kill=_command(system, fault, 'protection'))


# Disks


def _hit(system, fault):
    return system.disks[system.letter(fault.role, fault.target)]


def _meanwhile(system, fault):
    """What an operator and a user do while a disk is away."""
    if fault.fails_over and fault.role == 'primary':
        _fail_over(system, fault)
    elif fault.operation not in ('nothing', 'fail-over'):
        _try(system, fault)


def _try(system, fault):
    """Have the service do something that may fail."""
    try:
        system.do(fault.operation, fault.volume)
    except service.Failed:
        # what there is of it is the operator's
        pass


def _disk_errors(system, fault):
    _hit(system, fault).fail()
    system.write_to_all()
    _meanwhile(system, fault)


def _disk_hangs(system, fault):
    disk = _hit(system, fault)
    disk.hang()
    time.sleep(fault.moment * LONGEST)
    if fault.fails_over and fault.role == 'primary':
        _fail_over(system, fault)
    if fault.kind.endswith('fails'):
        disk.fail()
    else:
        disk.repair()


def _lose(system, fault):
    """Lose a disk, and have everybody notice it."""
    disk = _hit(system, fault)
    disk.fail()
    system.write_to_all()
    if fault.role == 'primary':
        _fail_over(system, fault)
    system.write_to_all()
    return disk


def _disk_stale(system, fault):
    disk = _lose(system, fault)
    if fault.fails_over:
        # so that the service knows of the disk by tags only
        system.restart_service()
    if fault.operation not in ('nothing', 'fail-over'):
        _try(system, fault)
    system.write_to_all()
    disk.repair()


def _disk_replaced(system, fault):
    disk = _lose(system, fault)
    prefix = disk.group.replace('-', '--') + '-'

    def unused():
        return not any(
            name.startswith(prefix) and 'pool' not in name and
            disks.run('dmsetup', 'info', '-c', '--noheadings', '-o', 'open',
                      name).strip() != '0' for name in disks.devices())

    blocks.wait_until(unused, 'nobody uses the disk', 120)
    disk.replace()
    for known in system.state['snapshots'].values():
        if known['groups']:
            known['groups'] = [group for group in known['groups']
                               if group != disk.group]


def _pool_full(system, fault):
    group = _hit(system, fault).group
    pool = '%s/%s-pool' % (group, group)
    disks.run('lvcreate', '--yes', '-q', '-V', '4g', '-T', pool, '-n', FILLER)
    try:
        # until there is no room
        command.run(['dd', 'if=/dev/zero', 'of=/dev/%s/%s' % (group, FILLER),
                     'bs=1M', 'oflag=direct', 'status=none'], 300)
        _meanwhile(system, fault)
        time.sleep(fault.moment * LONGEST)
    finally:
        disks.run('lvremove', '--yes', '-q', '%s/%s' % (group, FILLER))


# The rest


def _power_cut(system, fault):
    if fault.operation == 'nothing':
        time.sleep(fault.moment)
    else:
        request, __ = system.prepare(fault.operation, fault.volume)
        system.process.begin(*request)
        time.sleep(fault.moment * 2)
    raise PowerCut()


@contextlib.contextmanager
def _locked(path):
    with contextlib.closing(sqlite3.connect(path, timeout=60)) as other:
        other.execute('BEGIN EXCLUSIVE')
        try:
            yield
        finally:
            other.rollback()


@contextlib.contextmanager
def _unreachable(path):
    folder = os.path.dirname(path)
    os.rename(folder, folder + '.away')
    try:
        yield
    finally:
        os.rename(folder + '.away', folder)


def _database_away(system, fault):
    request = None
    if fault.operation != 'nothing':
        number = (fault.target if fault.operation == 'fail-over'
                  else fault.volume)
        request, done = system.prepare(fault.operation, number)
    away = _locked if fault.kind.endswith('locked') else _unreachable
    with away(system.database.path):
        if fault.fails_over:
            # what has to be noted can not be
            _hit(system, fault).fail()
        if request:
            try:
                system.process.request(*request)
            except service.Failed:
                request = None
        time.sleep(fault.moment * LONGEST)
    if request:
        done()


def _wrong_configuration(system, fault):
    if not system.state['promoted']:
        system.re_point(_fail_over(system, fault))
        system.start_service()
        system.set_service(replication_status='enabled')
        blocks.wait_until(
            lambda: all(row.replication_status == 'enabled'
                        for row in system.volume_rows().values()),
            'the promoted backend is protected', 180)
    system.process.kill()
    right = system.state['serving']
    wrong = [letter for letter in disks.BACKENDS if letter != right]
    before = system.database.rows('volumes')
    system.state['serving'] = wrong[fault.target % len(wrong)]
    try:
        system.start_service()
    except service.Failed as error:
        system.assertIn('StaleCopy', str(error))
        system.assertIn('is in volume group promote-' + right, str(error))
    else:
        raise AssertionError('the driver started with volume group %s'
                             % system.serving)
    finally:
        system.state['serving'] = right
    system.assertEqual(before, system.database.rows('volumes'))


_OTHERS = {'disk errors': _disk_errors,
           'disk hangs, then answers': _disk_hangs,
           'disk hangs, then fails': _disk_hangs,
           'disk comes back stale': _disk_stale,
           'disk replaced': _disk_replaced,
           'pool full': _pool_full,
           'power cut': _power_cut,
           'database locked': _database_away,
           'database unreachable': _database_away,
           'wrong configuration': _wrong_configuration}
