# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

from unittest import mock

from cinder_lab import debian
from tests.unit.lab import base

TARGETS = """\
http://mirror.example/debian/ Debian Debian
http://mirror.example/debian/ Debian Debian
http://security.example/debian-security/ Debian Debian-Security
http://other.example/ Somebody Debian
"""


class MirrorsTestCase(base.LabTestCase):
    def mirrors(self, targets, **environment):
        with mock.patch.object(debian, "_index_targets", return_value=targets):
            return debian.mirrors(environment)

    def test_those_of_this_machine(self):
        self.assertEqual(
            [
                "deb http://mirror.example/debian/ bookworm main",
                "deb http://mirror.example/debian/ bookworm-updates main",
                "deb http://security.example/debian-security/ "
                "bookworm-security main",
            ],
            self.mirrors(TARGETS),
        )

    def test_not_those_of_another_distribution(self):
        self.assertEqual(
            [], self.mirrors("http://mirror.example/ubuntu/ Ubuntu Ubuntu\n")
        )

    def test_none_at_all(self):
        self.assertEqual([], self.mirrors(""))

    def test_environment_wins(self):
        self.assertEqual(
            [
                "deb http://mine/debian bookworm main",
                "deb http://mine/debian bookworm-updates main",
                "deb http://mine/security bookworm-security main",
            ],
            self.mirrors(
                TARGETS,
                LAB_DEBIAN_MIRROR="http://mine/debian",
                LAB_DEBIAN_SECURITY_MIRROR="http://mine/security",
            ),
        )


class AptOptionsTestCase(base.LabTestCase):
    def test_what_reaching_a_mirror_needs(self):
        dump = (
            'APT "";\n'
            'Acquire::http "";\n'
            'Acquire::http::Proxy "http://proxy:3128";\n'
            'Acquire::https::CaInfo "/etc/ssl/own.pem";\n'
            'Acquire::https::Proxy "";\n'
            'DPkg::Post-Invoke:: "true";\n'
        )
        self.assertEqual(
            [
                'Acquire::http::Proxy "http://proxy:3128"',
                'Acquire::https::CaInfo "/etc/ssl/own.pem"',
            ],
            debian.relevant_apt_options(dump),
        )
