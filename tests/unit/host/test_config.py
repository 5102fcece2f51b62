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

from cinder_promote.host import config, errors
from tests.unit.host import base


class ConfigTest(base.HostTestCase):
    def test_every_option_is_listed(self):
        ((group, listed),) = config.list_opts()
        self.assertEqual("host", group.name)
        self.assertEqual(
            sorted(option.dest for option in listed), sorted(self.options())
        )

    def test_every_option_has_help(self):
        for option in config.OPTS:
            self.assertTrue(option.help.endswith("."), option.name)

    def test_file_that_is_missing(self):
        with self.assertRaisesRegex(errors.HostError, "nowhere.conf"):
            config.load(str(self.dir / "nowhere.conf"))

    def test_value_that_is_wrong(self):
        self.configure(stop_timeout="soon")
        self.assert_refused(
            r"host.conf: stop_timeout in \[host\] has a value", "show"
        )

    def test_line_that_is_wrong(self):
        self.host_conf.write_text("[host\n")
        self.assert_refused("host.conf: ", "show")

    def test_defaults_without_a_file(self):
        self.addCleanup(setattr, config, "DEFAULT_FILE", config.DEFAULT_FILE)
        config.DEFAULT_FILE = str(self.dir / "none.conf")
        options = config.load()
        self.assertEqual(
            "/etc/cinder/cinder.conf", options.cinder_config_file
        )
        self.assertEqual("cinder-volume.service", options.volume_service)

    def test_default_file_is_read_if_it_is_there(self):
        self.addCleanup(setattr, config, "DEFAULT_FILE", config.DEFAULT_FILE)
        config.DEFAULT_FILE = str(self.host_conf)
        self.assertEqual(str(self.conf), config.load().cinder_config_file)
