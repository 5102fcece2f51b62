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

"""Load the plugin's tests as Tempest does, and print what they are.

A program of its own, as loading them reads Tempest's configuration into the
global one of oslo.config.
"""

import importlib
import json
import pkgutil
import sys
import unittest

import cinder_promote_tempest
from cinder_promote_tempest import plugin


def tests_of(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from tests_of(test)
        else:
            yield test


def main():
    test_dir, top = plugin.CinderPromoteTempestPlugin().load_tests()
    loader = unittest.TestLoader()
    suite = loader.discover(test_dir, top_level_dir=top)
    for module in pkgutil.walk_packages(
        cinder_promote_tempest.__path__, "cinder_promote_tempest."
    ):
        importlib.import_module(module.name)
    collected = []
    for test in tests_of(suite):
        method = getattr(test, test._testMethodName)
        collected.append(
            {
                "id": test.id(),
                "attributes": sorted(getattr(method, "__testtools_attrs", ())),
                "serial": type(test).is_serial_execution_requested(),
                "credentials": type(test).credentials,
            }
        )
    json.dump(
        {
            "tests": collected,
            "errors": loader.errors,
            "modules": sorted(sys.modules),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
