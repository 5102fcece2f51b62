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

"""What Tempest loads: tests, options and clients of this plugin."""

import os

from tempest import config as tempest_config
from tempest.test_discover import plugins

from cinder_promote_tempest import config, services


class CinderPromoteTempestPlugin(plugins.TempestPlugin):
    """Tests that fail over, promote and protect again a Cinder backend."""

    def load_tests(self):
        test_dir = os.path.dirname(os.path.abspath(__file__))
        return test_dir, os.path.dirname(test_dir)

    def register_opts(self, conf):
        config.register_opts(conf)

    def get_opt_lists(self):
        return config.get_opt_lists()

    def get_service_clients(self):
        params = {
            "name": "cinder_promote",
            "service_version": "cinder_promote",
            "module_path": services.__name__,
            "client_names": services.__all__,
        }
        params.update(tempest_config.service_client_config("volume"))
        return [params]
