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

"""What the privileged commands answered, as values or as exceptions."""

from cinder import exception

from cinder_promote.privsep import command


class CommandFailed(exception.VolumeBackendAPIException):
    """A privileged command failed."""


class CommandTimedOut(CommandFailed):
    """A privileged command was given up after its bound."""


class DiskFailed(CommandFailed):
    """A disk, or the thin pool on it, answered with an error."""


def output(result, what):
    """The standard output of a result of ``command.run``.

    :param result: exit status, standard output, standard error
    :param what: what was tried, for the message
    :raises CommandTimedOut: it was given up
    :raises CommandFailed: its exit status is not zero
    """
    status, out, err = result
    if status == 0:
        return out
    error = CommandTimedOut if status == command.TIMED_OUT else CommandFailed
    raise error(data='%s: %s' % (what, ' '.join(err.split())))
