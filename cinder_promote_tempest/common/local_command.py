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

"""Commands run on the machine where the tests run."""

import subprocess

from oslo_log import log as logging
from tempest.lib import exceptions as lib_exceptions

from cinder_promote_tempest.common import exceptions

LOG = logging.getLogger(__name__)


def run(command, *, timeout, data=None):
    """Run a command to its end.

    :param command: list of the program and its arguments
    :param timeout: seconds it may take. A program that can't be killed, as
        it hangs in the kernel, is left behind then.
    :param data: bytes for its standard input
    :returns: bytes of its standard output
    :raises CommandFailed: it exited with anything but 0
    :raises tempest.lib.exceptions.TimeoutException: it took too long
    """
    LOG.debug("Running %s", command)
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE if data is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        output, errors = process.communicate(data, timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise lib_exceptions.TimeoutException(
            f"{command} was not done after {timeout} s"
        ) from None
    if process.returncode:
        raise exceptions.CommandFailed(
            command=command,
            status=process.returncode,
            output=errors.decode(errors="replace").strip(),
        )
    return output
