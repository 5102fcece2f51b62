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

"""The plugin's options: one table per group feeds everything that lists them.

This module needs oslo.config only, so that documentation and sample files
can be generated where Tempest is not installed.
"""

import copy

from oslo_config import cfg

service_available_group = cfg.OptGroup(
    name="service_available", title="Available OpenStack Services"
)

ServiceAvailableOpts = [
    cfg.BoolOpt(
        "cinder_promote",
        default=True,
        help="Whether Cinder is expected to have the os-promote-backend "
        "extension. The tests of this plugin fail, and are not skipped, "
        "where this is true and the extension is not there.",
    ),
]

cinder_promote_group = cfg.OptGroup(
    name="cinder_promote",
    title="Failing over, promoting and protecting again a Cinder backend",
)

CinderPromoteOpts = [
    cfg.StrOpt(
        "host",
        help="The cinder-volume service the tests work on, as `volume service "
        "list` shows it: host@backend. Nothing else may use it while the "
        "tests run. Required.",
    ),
    cfg.StrOpt(
        "backend",
        help="Section of cinder.conf that configures this service. Default: "
        "what follows the @ of [cinder_promote] host.",
    ),
    cfg.StrOpt(
        "volume_type",
        help="Volume type whose volumes are replicated and land on "
        "[cinder_promote] host.",
    ),
    cfg.StrOpt(
        "plain_volume_type",
        help="Volume type whose volumes land on [cinder_promote] host and are "
        "not replicated. When set, the scenario also checks that such a "
        "volume goes to error when the host is failed over.",
    ),
    cfg.StrOpt(
        "failover_target",
        help="backend_id of the replication target to which the host is "
        "failed over, and which is then promoted (B).",
    ),
    cfg.StrOpt(
        "protection_target",
        help="backend_id of the replication target that protects the promoted "
        "backend (C).",
    ),
    cfg.StrOpt(
        "io_probe",
        default="image",
        choices=[
            (
                "host",
                "attach volumes with os-brick on the machine where the tests "
                "run, then write and read the device",
            ),
            (
                "image",
                "create volumes from an image, then upload them to an image "
                "and compare; nothing is attached",
            ),
            (
                "guest",
                "attach volumes to a Nova server, which writes all the time; "
                "the server is made and reached as [compute] and [validation] "
                "say",
            ),
        ],
        help="How the data of volumes is written and checked.",
    ),
    cfg.StrOpt(
        "root_helper",
        default="sudo",
        help="What the `host` probe puts before commands that need root, when "
        "the tests do not run as root. It runs privsep-helper and dd.",
    ),
    cfg.IntOpt(
        "io_timeout",
        default=120,
        min=1,
        help="Seconds after which one read or write of the `host` probe, or "
        "a few writes of the `guest` probe, have failed.",
    ),
    cfg.StrOpt(
        "storage_host_address",
        help="Address of the machine that runs the volume service, where the "
        "storage host command is run over SSH. Tests that promote a backend "
        "are skipped without it.",
    ),
    cfg.PortOpt(
        "storage_host_ssh_port",
        default=22,
        help="Port of the SSH server on the storage host.",
    ),
    cfg.StrOpt(
        "storage_host_ssh_user",
        default="root",
        help="User for SSH on the storage host.",
    ),
    cfg.StrOpt(
        "storage_host_ssh_private_key_file",
        help="File with the private key of this user. The key need only be "
        "allowed to run the storage host command.",
    ),
    cfg.StrOpt(
        "storage_host_command",
        default="cinder-promote-host",
        help="The storage host command, with any options of its own.",
    ),
    cfg.IntOpt(
        "storage_host_timeout",
        default=300,
        min=1,
        help="Seconds one storage host command may take, connecting included.",
    ),
    cfg.StrOpt(
        "fail_backend_command",
        help="Command, run where the tests run, that makes the storage of a "
        "replication target or of the primary fail; {backend_id} stands for "
        "its backend_id. For the primary as configured at first this is "
        "[cinder_promote] backend. No shell is involved.",
    ),
    cfg.StrOpt(
        "repair_backend_command",
        help="Command that brings back what fail_backend_command made fail, "
        "best as new and empty storage: copies on a former primary are not "
        "deleted by anybody. It is run when the test's volumes are detached, "
        "before they are deleted, also after a test that failed.",
    ),
    cfg.IntOpt(
        "fault_timeout",
        default=120,
        min=1,
        help="Seconds fail_backend_command and repair_backend_command may "
        "take.",
    ),
    cfg.BoolOpt(
        "can_destroy_primary",
        default=True,
        help="Whether the storage of the primary may be made to fail with "
        "fail_backend_command. If true and that command is not set, the "
        "scenario is skipped; if false, it fails over primaries in good "
        "health, as one does in a rehearsal, and the copies on the first "
        "primary stay there.",
    ),
    cfg.BoolOpt(
        "attached_io_continues",
        default=True,
        help="Whether an attached volume can be read and written all the time "
        "while a primary is lost, the host failed over, restarted and "
        "promoted. If false, the `host` and `guest` probes detach the volume "
        "before such a step and attach it again afterwards, and a server "
        "booted from a volume is shelved meanwhile.",
    ),
    cfg.IntOpt(
        "state_timeout",
        default=300,
        min=1,
        help="Seconds to wait for a service or a volume to reach a state.",
    ),
    cfg.IntOpt(
        "sync_timeout",
        default=900,
        min=1,
        help="Seconds to wait for a volume to be in sync with a new "
        "replication target.",
    ),
    cfg.IntOpt(
        "poll_interval",
        default=2,
        min=1,
        help="Seconds between two looks at a state that is waited for.",
    ),
]

GROUPS = (
    (service_available_group, ServiceAvailableOpts),
    (cinder_promote_group, CinderPromoteOpts),
)


def register_opts(conf):
    """Register all options of the plugin.

    :param conf: the oslo.config ConfigOpts to register them on
    """
    for group, opts in GROUPS:
        conf.register_group(group)
        conf.register_opts(opts, group=group.name)


def get_opt_lists():
    """Return [(name of group, its options)], as Tempest asks plugins for."""
    return [(group.name, list(opts)) for group, opts in GROUPS]


def list_opts():
    """Return [(group, its options)], as oslo.config.opts entry points do."""
    return [(group, copy.deepcopy(opts)) for group, opts in GROUPS]
