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

"""Which copy of a volume is current.

Every copy (a logical volume in one volume group, called a leg while it is
part of a mirror) carries a generation as an LVM tag. A copy is complete as of
its generation; 0 marks one that is still being filled. Whenever the copies
part ways, at fail-over, at promotion, when a leg is lost, those that go on
get a higher generation first, so of two copies with different generations the
lower is out of date. The database remembers the last generation and where it
is, for the case that the disk with the newest copy is not to be seen.
"""

import dataclasses
import json
import re

from cinder import exception

TAG_PREFIX = 'cinder-promote.'
INCOMPLETE = 0
_SINCE = TAG_PREFIX + 'since='
#: Tag of a snapshot that was taken while its mirror was being made equal after
#: a crash: what was never acknowledged may differ in it.
UNEQUAL_TAG = TAG_PREFIX + 'unequal'


class StaleCopy(exception.CinderException):
    """The copy that the configuration points at is out of date."""

    message = ('Volume group %(designated)s does not hold the current copy of '
               'volume %(name)s: %(found)s, but the newest known one, of '
               'generation %(newest)d, is in volume group %(holder)s.')


@dataclasses.dataclass(frozen=True)
class Copy:
    """One copy of a volume as its volume group knows it.

    ``since`` are the tags that tell what its write-intent bitmap covers.
    """

    volume_group: str
    name: str
    size: int
    generation: int
    since: frozenset = frozenset()

    def covers(self, other):
        """Whether its bitmap has all that another copy misses."""
        return since_tag(other.volume_group, other.generation) in self.since


@dataclasses.dataclass(frozen=True)
class Current:
    """What the database knows of a volume's current copy.

    ``lost`` is the volume group that was dropped as the primary's disk
    failed, until the backend is failed over. ``mirror`` is there while a
    volume still lies on the mirror that a fail-over was to take it from,
    although its copy in ``volume_group`` was in sync: the volume groups of
    that mirror in the order of its table, None for one that is not known.
    """

    generation: int
    volume_group: str
    lost: str | None = None
    mirror: tuple | None = None

    def to_driver_data(self):
        """As stored in the volume's ``replication_driver_data``."""
        data = {key: value for key, value in dataclasses.asdict(self).items()
                if value is not None}
        return json.dumps(data, sort_keys=True)

    @classmethod
    def from_driver_data(cls, text):
        """Read ``replication_driver_data``.

        :returns: None if the volume is not one of this driver's mirrors
        """
        try:
            data = json.loads(text or '')
            mirror = data.get('mirror')
            return cls(int(data['generation']), data['volume_group'],
                       data.get('lost'),
                       None if mirror is None else tuple(mirror))
        except (ValueError, KeyError, TypeError):
            return None


def plain_since(generation):
    """``replication_driver_data`` of a volume that is replicated no more.

    A copy may be left on a disk that is away, so that the generations go on
    where they were if the volume is replicated again.
    """
    return json.dumps({'plain_since': generation})


def generation_before(text):
    """The last generation of a volume's copies before it became plain."""
    try:
        return int(json.loads(text or '')['plain_since'])
    except (ValueError, KeyError, TypeError):
        return INCOMPLETE


def _encode(value):
    """LVM takes few characters in a tag; '@' is not one of them."""
    return re.sub(r'[^A-Za-z0-9_.+-]',
                  lambda match: '=%02x' % ord(match.group()), value)


def host_tag(host):
    """The tag that tells which backend a copy belongs to."""
    return TAG_PREFIX + 'host=' + _encode(host)


def is_copy(tags):
    """Whether a logical volume belongs to a replicated volume."""
    return any(tag.startswith(TAG_PREFIX) for tag in tags)


def generation_tag(generation):
    """The tag that holds a copy's generation."""
    return '%sgeneration=%d' % (TAG_PREFIX, generation)


def since_tag(volume_group, generation):
    """The tag of a copy whose bitmap has all that another copy misses.

    :param volume_group: of the other copy
    :param generation: that the other copy has, if it is the one that is meant
    """
    return '%s%s/%d' % (_SINCE, _encode(volume_group), generation)


def since_tags(tags, volume_group=None):
    """Those of some tags that tell what a bitmap covers.

    :param volume_group: of the other copy, None for all
    """
    start = _SINCE + ('' if volume_group is None
                      else _encode(volume_group) + '/')
    return frozenset(tag for tag in tags if tag.startswith(start))


def partner_tag(role, volume_group):
    """The tag by which one volume group remembers another.

    :param role: 'target' or 'source'
    """
    return '%s%s=%s' % (TAG_PREFIX, role, _encode(volume_group))


def generation_of(tags):
    """The generation in a copy's tags, ``INCOMPLETE`` where there is none."""
    found = [int(tag.rpartition('=')[2]) for tag in tags
             if re.fullmatch(re.escape(TAG_PREFIX) + r'generation=\d+', tag)]
    return max(found, default=INCOMPLETE)


def check(name, current, copies, designated, failing_over=False):
    """Make sure that the copy to be served is the current one.

    :param name: the volume's name
    :param current: ``Current`` of the database
    :param copies: the ``Copy`` objects that can be seen, by volume group
    :param designated: the volume group that configuration and database
        point at
    :param failing_over: whether the backend is failed over to ``designated``,
        so that a copy as new as the database's may take over
    :returns: the generation of the designated copy
    :raises StaleCopy: there is a newer copy, or there was one
    """
    newest = max([current.generation] +
                 [copy.generation for copy in copies.values()])
    copy = copies.get(designated)
    found = copy.generation if copy else INCOMPLETE
    moved = current.volume_group != designated
    if found == newest and not (
            moved and not failing_over and found <= current.generation):
        return found
    # A target in sync is as new, but not what is to be served.
    holder = next((group for group in (current.volume_group, *copies)
                   if group != designated and group in copies and
                   copies[group].generation == newest),
                  current.volume_group)
    if copy is None:
        what = 'it has no copy'
    elif found == INCOMPLETE:
        what = 'its copy is not complete'
    else:
        what = 'its copy has generation %d' % found
    raise StaleCopy(designated=designated, name=name, found=what,
                    newest=newest, holder=holder)
