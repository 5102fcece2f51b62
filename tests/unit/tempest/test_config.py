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

import unittest
from unittest import mock

from oslo_config import cfg

from cinder_promote_tempest import config, plugin


def names(lists):
    return {
        (getattr(group, "name", group), option.dest)
        for group, options in lists
        for option in options
    }


class OptionsTest(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.plugin = plugin.CinderPromoteTempestPlugin()
        self.conf = cfg.ConfigOpts()
        self.plugin.register_opts(self.conf)
        self.conf([])

    def registered(self):
        return {
            (group, option)
            for group in self.conf._groups
            for option in self.conf[group]
        }

    def test_all_lists_are_equal(self):
        self.assertLess({("cinder_promote", "host")}, self.registered())
        self.assertEqual(self.registered(), names(self.plugin.get_opt_lists()))
        self.assertEqual(self.registered(), names(config.list_opts()))

    def test_groups_that_tempest_has_already(self):
        conf = cfg.ConfigOpts()
        conf.register_group(cfg.OptGroup("service_available"))
        self.plugin.register_opts(conf)
        conf([])
        self.assertIs(True, conf.service_available.cinder_promote)

    def test_registering_again_is_harmless(self):
        self.plugin.register_opts(self.conf)

    def test_every_option_has_help(self):
        for _, options in self.plugin.get_opt_lists():
            for option in options:
                self.assertTrue(option.help, option.name)

    def test_defaults_are_valid(self):
        for group, name in self.registered():
            self.conf[group][name]


class PluginTest(unittest.TestCase):
    def test_tests_are_where_it_says(self):
        test_dir, top = plugin.CinderPromoteTempestPlugin().load_tests()
        self.assertTrue(test_dir.startswith(top))
        self.assertTrue(test_dir.endswith("cinder_promote_tempest"))

    def test_clients_are_registered_with_the_volume_service(self):
        with mock.patch.object(
            plugin.tempest_config,
            "service_client_config",
            side_effect=lambda name: {"service": name},
        ):
            (params,) = (
                plugin.CinderPromoteTempestPlugin().get_service_clients()
            )
        self.assertEqual("volume", params["service"])
        module = __import__(params["module_path"], fromlist=["services"])
        for name in params["client_names"]:
            self.assertTrue(callable(getattr(module, name)))
