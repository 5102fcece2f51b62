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

"""The privileged commands that are run, looked at."""

import fixtures

from cinder_promote.privsep import command


class Commands(fixtures.Fixture):
    """Notes each command, and runs it.

    :param before: called before each, with how many there were
    """

    def __init__(self, before=None):
        super().__init__()
        self._before = before
        self.ran = []

    def _setUp(self):
        run = command.run

        def noted(argv, *args, **kwargs):
            if self._before:
                self._before(len(self.ran))
            self.ran.append(argv)
            return run(argv, *args, **kwargs)

        self.useFixture(fixtures.MonkeyPatch(
            'cinder_promote.privsep.command.run', noted))
