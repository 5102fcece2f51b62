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

"""Probes: ways to write data to volumes and to check it, one interface."""

from tempest.lib import exceptions


def create_probe(io_probe, os_admin, options, create_guest):
    """Return the probe that the configuration asks for.

    :param io_probe: value of [cinder_promote] io_probe
    :param os_admin: the clients that may see and attach the test's volumes
    :param options: the options of [cinder_promote]
    :param create_guest: function that starts a server of Nova and returns a
        Guest
    :returns: a Probe for one volume
    :raises tempest.lib.exceptions.InvalidConfiguration: no such probe
    """
    if io_probe == "host":
        # Imported here, as only this probe needs os-brick.
        from cinder_promote_tempest.common.probes import host

        return host.HostProbe.create(os_admin, options)
    if io_probe == "guest":
        from cinder_promote_tempest.common.probes import guest

        return guest.GuestProbe.create(create_guest, options)
    if io_probe == "image":
        from cinder_promote_tempest.common.probes import image

        return image.ImageProbe.create(os_admin, options)
    raise exceptions.InvalidConfiguration(
        f"[cinder_promote] io_probe = {io_probe} is not available; use host, "
        "guest or image"
    )
