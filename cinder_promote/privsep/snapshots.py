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

"""Snapshots of all copies of a volume at one instant.

All of it is one request to the privileged daemon, so that a caller that dies
does not leave a device suspended.
"""

import re
import time

import cinder_promote.privsep
from cinder_promote.privsep import command, dmsetup, lvm

#: A mirror's state in its status: a character a leg, and what is going on.
MIRROR_STATE = re.compile(r'\d+ \d+ raid raid1 \d+ ([AaD-]+) \d+/\d+ (\S+)')
#: Exit status if a mirror's state is not what it was expected to be.
CHANGED = -2
NOT_TRIED = (1, '', 'not tried')


def _expect_state(mirror, expected, timeout):
    """Make sure that a mirror's legs are what the caller took them for."""
    result = command.run(['dmsetup', 'status', '--noflush', mirror], timeout)
    found = MIRROR_STATE.match(result[1])
    if result[0] == 0 and (not found or found.groups() != tuple(expected)):
        return CHANGED, '', 'mirror %s is %s now, expected %s' % (
            mirror, ' '.join(found.groups()) if found else 'gone',
            ' '.join(expected))
    return result


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def take(front, mirror, state, requests, timeout):
    """Make snapshots of a volume's copies while nothing is written.

    The volume stands still for as long as making them takes, but no longer
    than a command may take.

    :param front: the device that is suspended; its page cache is written
        first
    :param mirror: the one beneath it, None if there is one copy only
    :param state: what the mirror's status said of its legs and of what is
        going on, a list of two; if it says something else now, nothing is
        done
    :param requests: for each copy the arguments of ``lvm.snapshot_command``
        but for the timeout
    :returns: a result of ``command.run`` of suspending, one for each request,
        one of resuming, and for how many seconds the volume stood still
    """
    for device in filter(None, (front, mirror)):
        if not dmsetup.OWN_NAME.match(device):
            raise ValueError('%r is not a device of a replicated volume'
                             % device)
    # These ask LVM for its configuration, so not while nothing is written.
    commands = [lvm.snapshot_command(*arguments, timeout)
                for arguments in requests]
    made = [NOT_TRIED] * len(requests)
    began = time.monotonic()
    try:
        suspended = command.run(['dmsetup', 'suspend', front], timeout)
        if suspended[0] == 0 and mirror:
            suspended = _expect_state(mirror, state, timeout)
        if suspended[0] == 0:
            left = timeout - (time.monotonic() - began)
            made = command.at_once(
                command.run, [[each] for each in commands], max(left, 1))
    finally:
        resumed = command.run(['dmsetup', 'resume', front], timeout)
        seconds = time.monotonic() - began
    for (vg, origin, *__), result in zip(requests, made, strict=True):
        if result[0] != 0 and result is not NOT_TRIED:
            lvm.release(vg, origin, timeout)
    return suspended, made, resumed, seconds
