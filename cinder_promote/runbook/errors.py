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

"""The exceptions of the runbook."""


class RunbookError(Exception):
    """Something was refused or failed.

    Its text says in one sentence what is wrong, and in another what to do
    next where that is not plain.
    """


class APIError(RunbookError):
    """Cinder refused a request, or did not answer."""


class CommandLost(RunbookError):
    """Whether a command on a storage host was carried out is unknown."""
