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

import types
import unittest
from unittest import mock


class FakeClock:
    """Stands in for the module time: sleeping takes no time."""

    def __init__(self):
        self.now = 1000.0
        self.slept = []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


class TempestTestCase(unittest.TestCase):
    """A test of the plugin without Tempest's configuration."""

    def fake_clock(self):
        clock = FakeClock()
        self.patch("cinder_promote_tempest.common.waiters.time", clock)
        return clock

    def fake_conf(self, module, **options):
        """Give a module a configuration with options of [cinder_promote]."""
        conf = types.SimpleNamespace(
            cinder_promote=types.SimpleNamespace(**options),
            resource_name_prefix="tempest",
        )
        self.patch(f"{module}.CONF", conf)
        return conf

    def patch(self, *arguments, **keywords):
        patcher = mock.patch(*arguments, **keywords)
        self.addCleanup(patcher.stop)
        return patcher.start()
