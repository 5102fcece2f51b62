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

"""Reads and writes of a block device past the page cache."""

from cinder_promote_tempest.common import local_command


class DirectDevice:
    """A block device read and written by dd with O_DIRECT."""

    def __init__(self, path, *, root_command, timeout):
        """Initialise.

        :param path: of the device
        :param root_command: list of words to put before dd, empty for root
        :param timeout: seconds for one read or write
        """
        self.path = path
        self._root_command = root_command
        self._timeout = timeout

    def read(self, offset, length):
        """Return length bytes from offset on."""
        return self._dd(
            f"if={self.path}",
            "iflag=direct,skip_bytes,count_bytes,fullblock",
            f"skip={offset}",
            f"count={length}",
        )

    def write(self, offset, data):
        """Write bytes; when this returns they are on stable storage."""
        self._dd(
            f"of={self.path}",
            "iflag=fullblock",
            "oflag=direct,seek_bytes",
            f"seek={offset}",
            "conv=notrunc,fsync,nocreat",
            data=data,
        )

    def _dd(self, *operands, data=None):
        return local_command.run(
            [*self._root_command, "dd", "bs=1M", "status=none", *operands],
            timeout=self._timeout,
            data=data,
        )
