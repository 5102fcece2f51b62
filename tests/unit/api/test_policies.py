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

import configparser
import importlib
import io
import os
import sys
from unittest import mock

import cinder.policy
from oslo_policy import generator

from cinder_promote.api import policies
from tests.unit.api import base

NAMES = {'volume_extension:services:reset_active_backend',
         'volume_extension:services:replication_enable'}
PATHS = {'/os-services/reset_active_backend',
         '/os-services/replication_enable'}
SETUP_CFG = os.path.join(os.path.dirname(__file__), '..', '..', '..',
                         'setup.cfg')


class PoliciesTestCase(base.TestCase):

    def test_list_rules(self):
        rules = policies.list_rules()
        self.assertEqual(NAMES, {rule.name for rule in rules})
        self.assertEqual({'rule:admin_api'},
                         {rule.check_str for rule in rules})
        self.assertEqual(PATHS, {operation['path'] for rule in rules
                                 for operation in rule.operations})
        self.assertEqual({'PUT'}, {operation['method'] for rule in rules
                                   for operation in rule.operations})

    def test_sample_generator_shows_them(self):
        module, function = self._entry_point('oslo.policy.policies')
        list_rules = getattr(importlib.import_module(module), function)
        with (mock.patch.object(generator, 'get_policies_dict',
                                return_value={'cinder_promote': list_rules()}),
              mock.patch('sys.stdout', io.StringIO()) as sample):
            generator._generate_sample(['cinder_promote'])
        for name in NAMES:
            self.assertIn(f'#"{name}": "rule:admin_api"', sample.getvalue())
        for path in PATHS:
            self.assertIn(f'# PUT  {path}', sample.getvalue())

    def _entry_point(self, group):
        setup_cfg = configparser.ConfigParser()
        setup_cfg.read(SETUP_CFG)
        points = dict(line.split(' = ') for line
                      in setup_cfg['entry_points'][group].split('\n') if line)
        return points['cinder_promote'].split(':')

    def test_registering_twice_is_harmless(self):
        self.useFixture(base.no_policies())
        policies.register()
        policies.register()
        self.assertLessEqual(
            NAMES, set(cinder.policy._ENFORCER.registered_rules))

    def test_enforcer_for_the_policy_tools(self):
        self.useFixture(base.no_policies())
        with mock.patch.object(sys, 'argv', ['oslopolicy-validator']):
            enforcer = policies.get_enforcer()
        self.assertLessEqual(NAMES | {'admin_api', 'volume:freeze_host'},
                             set(enforcer.registered_rules))
