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

"""The replication targets that a backend's section names."""

import dataclasses

from cinder import exception

KEYS = ('backend_id', 'volume_group')


@dataclasses.dataclass(frozen=True)
class Target:
    """A volume group that a backend replicates to."""

    backend_id: str
    volume_group: str


def parse(section, volume_group, devices):
    """Read the values of ``replication_device``.

    :param section: the backend's section of cinder.conf, for messages
    :param volume_group: the volume group that the section points at
    :param devices: the values, each a dictionary
    :returns: list of ``Target``, in the order of the configuration
    :raises InvalidConfigurationValue: a value can't be right
    """
    targets = []
    for device in devices or ():
        target = _parse_one(section, volume_group, device)
        for other in targets:
            for key in KEYS:
                if getattr(other, key) == getattr(target, key):
                    raise _invalid(
                        section, 'two targets have the %s %s'
                        % (key, getattr(target, key)))
        targets.append(target)
    return targets


def _parse_one(section, volume_group, device):
    for key in KEYS:
        if not device.get(key):
            raise _invalid(section, '%s is missing in %s'
                           % (key, _text(device)))
    unknown = sorted(set(device) - set(KEYS))
    if unknown:
        raise _invalid(section, 'unknown key %s in %s'
                       % (unknown[0], _text(device)))
    if device['backend_id'] == 'default':
        raise _invalid(section, 'the backend_id default is reserved for '
                                'failing back')
    if device['volume_group'] == volume_group:
        raise _invalid(section, 'target %s is the backend itself: '
                                'volume_group is %s too'
                       % (device['backend_id'], volume_group))
    return Target(device['backend_id'], device['volume_group'])


def _text(device):
    return ','.join('%s:%s' % item for item in device.items())


def _invalid(section, reason):
    return InvalidConfiguration('replication_device', section, reason)


class InvalidConfiguration(exception.CinderException):
    """A section of cinder.conf is wrong; the sentence names the option."""

    def __init__(self, option, section, reason):
        super().__init__('Option %s in section [%s] is wrong: %s.'
                         % (option, section, reason))
