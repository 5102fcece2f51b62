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

"""Options of the storage host command, group ``[host]``."""

from oslo_config import cfg

from cinder_promote import options
from cinder_promote.host import errors

DEFAULT_FILE = "/etc/cinder-promote/host.conf"

GROUP = cfg.OptGroup(
    "host", title="Commands on a storage host (cinder-promote-host)"
)

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "cinder_config_file",
        default="/etc/cinder/cinder.conf",
        help="The configuration file with the backends' sections. A symbolic "
        "link is followed and the file it leads to is edited. Backups and "
        "the record for 'undo' are kept beside it.",
    ),
    cfg.ListOpt(
        "other_cinder_config",
        default=[
            "/etc/cinder/cinder.conf.d",
            "/etc/cinder/cinder-volume.conf",
            "/etc/cinder/cinder-volume.conf.d",
        ],
        help="Further files, and directories of \\*.conf files, that "
        "cinder-volume reads after cinder_config_file. They are never "
        "edited: a backend's section that is also in one of them is "
        "refused. What does not exist is left out.",
    ),
    cfg.StrOpt(
        "state_path",
        help="Where the volume service's state_path is on this host, for what "
        "'show' tells of copies that are being filled. Without it, that is "
        "what cinder_config_file says, or else /var/lib/cinder. A volume "
        "service in a container may have it elsewhere.",
    ),
    cfg.StrOpt(
        "volume_service",
        default="cinder-volume.service",
        help="The name of the volume service; {service} in the three commands "
        "stands for it. Where each backend has a service of its own, "
        "{backend} in the name stands for the backend.",
    ),
    cfg.StrOpt(
        "stop_command",
        default="systemctl stop {service}",
        help="Command line that stops the volume service. It is split into "
        "words as a shell would, and run without a shell.",
    ),
    cfg.StrOpt(
        "start_command",
        default="systemctl start {service}",
        help="Command line that starts the volume service.",
    ),
    cfg.StrOpt(
        "status_command",
        default="systemctl show --property=LoadState --property=ActiveState "
        "--value {service}",
        help="Command line that prints the state of the volume service. The "
        "last word it prints is the state; its exit status is not looked at. "
        "The word not-found anywhere means that there is no such service.",
    ),
    cfg.ListOpt(
        "stopped_states",
        default=["inactive", "failed", "created", "exited", "dead", "false"],
        help="States in which no process of the volume service is left.",
    ),
    cfg.ListOpt(
        "started_states",
        default=["active", "running", "true"],
        help="States in which the volume service runs. A state in neither "
        "list is one on the way to another.",
    ),
    cfg.StrOpt(
        "re_point_command",
        help="Command line that edits a backend's section, for drivers other "
        "than the replicated LVM driver. It is run in place of the own edit, "
        "for every backend, while the volume service is stopped. "
        "{config_file} stands for a copy of cinder_config_file that it has to "
        "edit, {backend} for the section, {to} for the backend_id of the "
        "replication_device that becomes the primary. A word with "
        "{replicate_to} is repeated for each backend_id that the new primary "
        "replicates to, and left out when there is none. The copy takes the "
        "file's place if the command ended with status 0, the section has "
        "these replication_devices and nothing outside of it has changed.",
    ),
    cfg.IntOpt(
        "re_point_timeout",
        default=300,
        min=1,
        help="Seconds that re_point_command may take.",
    ),
    cfg.IntOpt(
        "stop_timeout",
        default=300,
        min=1,
        help="Seconds that stop_command, and then the way to a stopped state, "
        "may take.",
    ),
    cfg.IntOpt(
        "start_timeout",
        default=300,
        min=1,
        help="Seconds that start_command, and then the way to a started "
        "state, may take.",
    ),
    cfg.IntOpt(
        "status_timeout",
        default=60,
        min=1,
        help="Seconds that one call of status_command may take.",
    ),
    cfg.FloatOpt(
        "poll_interval",
        default=0.5,
        min=0.01,
        help="Seconds between two looks at the state while waiting for it.",
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
    :raises HostError: the file is missing or not valid
    """
    try:
        return options.load(GROUP, OPTS, config_file, DEFAULT_FILE)
    except options.InvalidOptions as error:
        raise errors.HostError(str(error)) from error
