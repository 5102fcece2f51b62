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

"""Options of the runbook, group ``[runbook]``."""

from oslo_config import cfg

from cinder_promote import options
from cinder_promote.runbook import errors

DEFAULT_FILE = "/etc/cinder-promote/runbook.conf"

GROUP = cfg.OptGroup("runbook", title="The runbook (cinder-promote)")

# The address of a storage host that is the machine the runbook runs on.
LOCAL = "local"

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "state_directory",
        default="/var/lib/cinder-promote",
        help="Where the record of each run is kept. Without it an "
        "interrupted run can't be resumed or undone.",
    ),
    cfg.StrOpt(
        "storage_host_command",
        default="cinder-promote-host",
        help="Command line of cinder-promote-host on the storage hosts, for "
        "example 'sudo cinder-promote-host'. It is split into words as a "
        "shell would.",
    ),
    cfg.DictOpt(
        "storage_host_addresses",
        default={},
        help="Where the storage hosts are reached, as host:address, where "
        "host is the part of host@backend before the @. A host that is not "
        "listed is reached by that name; the address 'local' stands for this "
        "machine, where the command is run without SSH.",
    ),
    cfg.IntOpt(
        "storage_host_timeout",
        default=900,
        min=1,
        help="Seconds that one command on a storage host may be silent. "
        "Longer than stop_timeout and start_timeout of [host] together with "
        "the commands they wait for.",
    ),
    cfg.StrOpt(
        "ssh_user",
        default="root",
        help="The user to log in as on the storage hosts.",
    ),
    cfg.PortOpt(
        "ssh_port",
        default=22,
        help="The port of the SSH servers of the storage hosts.",
    ),
    cfg.StrOpt(
        "ssh_key_file",
        help="The private key to log in with. Without it the SSH agent and "
        "the usual keys in ~/.ssh are tried.",
    ),
    cfg.StrOpt(
        "ssh_known_hosts_file",
        default="~/.ssh/known_hosts",
        help="The host keys of the storage hosts. A host whose key is not "
        "there is refused.",
    ),
    cfg.IntOpt(
        "ssh_timeout",
        default=30,
        min=1,
        help="Seconds that connecting and logging in may take.",
    ),
    cfg.IntOpt(
        "service_timeout",
        default=600,
        min=1,
        help="Seconds that a volume service may take from its start until "
        "its driver works, which its heartbeat tells.",
    ),
    cfg.IntOpt(
        "silence_timeout",
        default=25,
        min=0,
        help="Seconds for which a service that was stopped must not send a "
        "heartbeat before its configuration is touched: one that does is "
        "served by another process than the one that was stopped. Longer "
        "than report_interval of Cinder, which is 10.",
    ),
    cfg.IntOpt(
        "sync_timeout",
        default=86400,
        min=1,
        help="Seconds that the new target may take to be in sync.",
    ),
    cfg.FloatOpt(
        "poll_interval",
        default=5.0,
        min=0.01,
        help="Seconds between two looks at a state while waiting for it.",
    ),
]


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """Return the options for oslo.config's generators."""
    return [(GROUP, OPTS)]


def load(config_file: str | None = None) -> cfg.ConfigOpts.GroupAttr:
    """Read the options.

    :param config_file: the file to read; without it DEFAULT_FILE is read if
        it exists
    :returns: the group's values
    :raises RunbookError: the file is missing or not valid
    """
    try:
        return options.load(GROUP, OPTS, config_file, DEFAULT_FILE)
    except options.InvalidOptions as error:
        raise errors.RunbookError(str(error)) from error
