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

"""Faults: context managers that break something and always repair it."""

import contextlib
import shlex

from oslo_log import log as logging
from tempest import config
from tempest.lib import exceptions

from cinder_promote_tempest.common import local_command

CONF = config.CONF
LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def failed_backend(backend_id):
    """Have the storage of a backend fail, until the context is left.

    What runs is [cinder_promote] fail_backend_command and, whatever came of
    it, repair_backend_command.

    :param backend_id: what replaces {backend_id} in these commands
    :raises tempest.lib.exceptions.InvalidConfiguration: one is not set
    """
    fail = _command("fail_backend_command", backend_id)
    repair = _command("repair_backend_command", backend_id)
    timeout = CONF.cinder_promote.fault_timeout
    try:
        LOG.info("Making the storage of %s fail", backend_id)
        local_command.run(fail, timeout=timeout)
        yield
    finally:
        LOG.info("Bringing back the storage of %s", backend_id)
        local_command.run(repair, timeout=timeout)


def _command(option, backend_id):
    value = getattr(CONF.cinder_promote, option)
    if not value:
        raise exceptions.InvalidConfiguration(
            f"[cinder_promote] {option} is not set"
        )
    return [
        word.replace("{backend_id}", backend_id) for word in shlex.split(value)
    ]
