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

"""Configuration options of the replicated LVM driver."""

from oslo_config import cfg

volume_opts = [
    cfg.IntOpt('replication_command_timeout',
               default=60,
               min=1,
               help='Seconds that the replicated LVM driver waits for one LVM '
                    'or device-mapper command. Fail-over waits no longer than '
                    'this on a disk that hangs.'),
    cfg.IntOpt('replication_check_interval',
               default=10,
               min=1,
               help='Seconds between two looks of the replicated LVM driver '
                    'at the state of its mirrors.'),
    cfg.IntOpt('replication_copy_rate',
               default=0,
               min=0,
               mutable=True,
               help='MiB a second with which the replicated LVM driver fills '
                    'the new copies of each thin volume at most, 0 for no '
                    'limit. What is being copied by the kernel is not '
                    'limited. Once the volume service gets SIGHUP, a new '
                    'value is in force also for copies that are being '
                    'filled.'),
]


def list_opts():
    """The options by group, for oslo.config's generators."""
    return [('backend_defaults', volume_opts)]
