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

"""What may go wrong in this plugin, besides what tempest.lib has."""

from tempest.lib import exceptions


class CommandFailed(exceptions.TempestException):
    message = "%(command)s exited with %(status)s: %(output)s"


class UnexpectedState(exceptions.TempestException, AssertionError):
    message = "Something is in a state from which the test cannot go on"


class WrongData(exceptions.TempestException, AssertionError):
    message = "The volume does not hold what was written to it"
