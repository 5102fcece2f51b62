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

import pathlib

_ETC = pathlib.Path(__file__).resolve().parents[2] / "etc"

project = "cinder-promote"
copyright = "OpenStack contributors"
extensions = [
    "openstackdocstheme",
    "oslo_config.sphinxconfiggen",
    "oslo_config.sphinxext",
    "oslo_policy.sphinxext",
    "oslo_policy.sphinxpolicygen",
]
html_theme = "openstackdocs"
openstackdocs_repo_name = "openstack/cinder-promote"
openstackdocs_auto_name = False
openstackdocs_auto_version = False

config_generator_config_file = [
    (str(_ETC / "oslo-config-generator" / f"{name}.conf"), f"_static/{name}")
    for name in ("host", "runbook")
]
policy_generator_config_file = str(
    _ETC / "oslo-policy-generator" / "cinder-promote.conf"
)
sample_policy_basename = "_static/cinder-promote"
