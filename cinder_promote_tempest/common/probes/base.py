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

"""What a scenario may expect of a probe."""

import abc


class Probe(abc.ABC):
    """Writes data to one volume and checks that it is still there."""

    #: Whether data can be added to a volume that exists.
    writes_in_place = False

    def volume_arguments(self):
        """Return arguments with which the volume must be created."""
        return {}

    @abc.abstractmethod
    def open(self, volume_id):
        """Get hold of the volume; where it was open before, again."""

    @abc.abstractmethod
    def write(self, label):
        """Add data, if this probe can.

        :param label: says in messages when the data was written
        """

    @abc.abstractmethod
    def verify(self):
        """Check all data that was ever written.

        :raises WrongData: some of it is not there
        """

    @abc.abstractmethod
    def close(self):
        """Let go of the volume; harmless when it is not held."""
