# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The clouds that DevStack deploys in the lab, and what each is made of."""

import dataclasses
import pathlib

from cinder_lab import paths as paths_module
from cinder_lab import shape as shape_module

FOLDER = paths_module.LAB / "devstack"
"""Files of this way to deploy, below the lab's sources."""


@dataclasses.dataclass(frozen=True)
class Cloud:
    """One cloud.

    In the folder with its files, each of which it may lack, are `localrc`
    and `sections`, its parts of local.conf; `localrc-again`, settings for
    when it is stacked once more; `packages.txt`, Debian packages
    that DevStack's functions name and its lists do not; and `guest`, files
    of the machine.

    :ivar name: begins the names of what is made for it; none is the
        beginning of another.
    :ivar options: those of `lab devstack` that choose it.
    :ivar services: what is deployed, by DevStack's names.
    :ivar deployed: repositories whose requirements go into the services'
        environment.
    :ivar python_packages: what DevStack's functions install there, too.
    :ivar package_lists: DevStack's lists of Debian packages that are not
        those of a service.
    :ivar backports: patterns of packages that come from Debian's backports.
    :ivar has_servers: whether Nova is there, and needs an image that boots.
    """

    name: str
    options: tuple[str, ...]
    files: pathlib.Path
    services: tuple[str, ...]
    deployed: tuple[str, ...]
    memory_mib: int
    python_packages: tuple[str, ...] = ()
    package_lists: tuple[str, ...] = ()
    backports: tuple[str, ...] = ()
    has_servers: bool = False

    @property
    def shape(self) -> shape_module.Shape:
        """The machine that it needs."""
        return shape_module.Shape(
            disks=(),
            memory_mib=self.memory_mib,
            ports={"ssh": 22, "http": 80},
            root_size="40G",
            start=" ".join(("lab devstack", *self.options, "up")),
        )

    def text(self, name: str) -> str:
        """Return what is in one of its files, nothing if there is none."""
        file = self.files / name
        return file.read_text() if file.exists() else ""


CINDER = Cloud(
    name="devstack",
    options=(),
    files=FOLDER / "clouds/cinder",
    services=(
        "mysql",
        "rabbit",
        "key",
        "g-api",
        "c-api",
        "c-sch",
        "c-vol",
        "tempest",
        "openstack-cli-server",
    ),
    deployed=("keystone", "glance", "cinder", "tempest"),
    memory_mib=6144,
)
"""The smallest cloud that Cinder's tests need."""

NOVA = dataclasses.replace(
    CINDER,
    name="nova-devstack",
    options=("--nova",),
    files=FOLDER / "clouds/nova",
    services=(
        *CINDER.services,
        "placement-api",
        "placement-client",
        "n-api",
        "n-api-meta",
        "n-cond",
        "n-sch",
        "n-cpu",
        "q-svc",
        "q-ovn-agent",
        "ovn-controller",
        "ovn-northd",
        "ovs-vswitchd",
        "ovsdb-server",
    ),
    deployed=(*CINDER.deployed, "placement", "nova", "neutron"),
    memory_mib=10240,
    python_packages=("osc-placement",),
    package_lists=("openvswitch", "ovn"),
    backports=("qemu*", "libvirt*", "ovmf*", "seabios*", "opensbi"),
    has_servers=True,
)
"""The same with servers and networks, as DevStack has them by default."""
