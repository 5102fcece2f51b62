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

"""The metadata of a mirror's legs: superblocks and write-intent bitmaps."""

import cinder_promote.privsep
from cinder_promote.privsep import command, lvm, superblocks


def _path(vg, name):
    lvm.check_names(vg, name)
    return '/dev/%s/%s' % (vg, name)


def _targets(copies):
    return [word for vg, name, position in copies
            for word in (_path(vg, name), '%d' % position)]


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def read(copies, timeout):
    """The superblocks of legs.

    :param copies: pairs of a volume group and a metadata volume
    :returns: a result of ``command.run``; each line of its output has one
        superblock in hexadecimal digits, or a dash
    """
    return command.run(
        [*command.script(superblocks), 'read',
         *(_path(vg, name) for vg, name in copies)], timeout)


def derive_command(source, length, legs, missing, copies):
    """The command that makes a mirror's metadata from another's.

    :param source: volume group and metadata volume of a complete leg
    :param length: bytes of it that are used
    :param legs: number of legs that the new mirror has
    :param missing: a bit for each position that nothing is at
    :param copies: volume group, metadata volume and position of each leg that
        the new mirror has; its first leg comes last
    """
    return [*command.script(superblocks), 'derive', _path(*source),
            '%d' % length, '%d' % legs, '%d' % missing, *_targets(copies)]


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def derive(source, length, legs, missing, copies, timeout):
    """Make a mirror's metadata from another's, while neither is there.

    The parameters are those of ``derive_command``.
    """
    return command.run(derive_command(source, length, legs, missing, copies),
                       timeout)


@cinder_promote.privsep.sys_admin_pctxt.entrypoint
def join(source, length, legs, copies, timeout):
    """Make metadata of legs that a mirror is to fill by its bitmap.

    :param source: volume group and metadata volume of a leg that it has
    :param length: bytes of it that are used
    :param legs: number of legs that the mirror has
    :param copies: volume group, metadata volume and position of each new leg
    """
    return command.run(
        [*command.script(superblocks), 'join', _path(*source), '%d' % length,
         '%d' % legs, *_targets(copies)], timeout)
