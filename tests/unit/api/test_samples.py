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

"""The samples of the API reference are what Cinder takes and answers."""

import json
import pathlib
import re

from cinder.volume import rpcapi
import ddt
import fixtures

from tests.unit.api import base

SOURCE = pathlib.Path(__file__).resolve().parents[3] / 'api-ref' / 'source'
PAGE = SOURCE / 'promote-backend.inc'
CLUSTERS = '3.26'
RESET = 'PUT /v3/os-services/reset_active_backend'
ENABLE = 'PUT /v3/os-services/replication_enable'
SHOW = 'GET /v3/extensions/os-promote-backend'

# Request, state before it, sample sent, status, sample answered.
EXCHANGES = (
    (SHOW, {}, None, 200, 'extension-show-response'),
    (RESET, base.FAILED_OVER, 'host-request', 204, None),
    (RESET, base.FAILED_OVER, 'cluster-request', 204, None),
    (RESET, {**base.FAILED_OVER, 'frozen': 0,
             'disabled_reason': 'failed-over'},
     'host-request', 409, 'reset-not-frozen-response'),
    (RESET, {**base.FAILED_OVER, 'cluster_name': base.TestCase.CLUSTER},
     'host-request', 409, 'host-of-cluster-response'),
    (RESET, {**base.FAILED_OVER, 'deleted': 1},
     'host-request', 404, 'no-such-host-response'),
    (ENABLE, base.PROMOTED, 'host-request', 202, None),
    (ENABLE, base.PROMOTED, 'cluster-request', 202, None),
    (ENABLE, base.FAILED_OVER,
     'host-request', 409, 'enable-failed-over-response'),
)


def sample(name):
    return (SOURCE / 'samples' / f'{name}.json').read_text()


@ddt.ddt
class SamplesTestCase(base.ApiTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(
            rpcapi.VolumeAPI, 'publish_service_capabilities',
            autospec=True))

    @ddt.data(*EXCHANGES)
    @ddt.unpack
    def test_exchange(self, request, state, sent, status, answered):
        clustered = sent == 'cluster-request'
        if clustered:
            self.database.add_cluster(self.CLUSTER, **state)
            state = {**state, 'cluster_name': self.CLUSTER}
        self.database.add_service(self.HOST, **state)
        method, path = request.split()
        response = self.request(
            method, path.removeprefix('/v3/'),
            version=CLUSTERS if clustered else None,
            body=sample(sent).encode() if sent else b'',
            content_type='application/json' if sent else None)
        self.assertEqual(status, response.status_int, response.text)
        if answered:
            self.assertEqual(json.loads(sample(answered)), response.json)
        else:
            self.assertEqual(b'', response.body)


class PageTestCase(base.testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.text = PAGE.read_text()

    def test_requests_are_those_that_are_sent(self):
        documented = re.findall(r'(?m)^.. rest_method:: (.+)$', self.text)
        self.assertEqual({exchange[0] for exchange in EXCHANGES},
                         set(documented))

    def test_samples_are_shown_and_sent_and_there(self):
        shown = set(re.findall(r'samples/(.+)\.json', self.text))
        exchanged = {name for exchange in EXCHANGES
                     for name in (exchange[2], exchange[4]) if name}
        there = {path.stem for path in (SOURCE / 'samples').iterdir()}
        self.assertEqual(exchanged, shown)
        self.assertEqual(exchanged, there)

    def test_each_status_is_documented(self):
        sections = re.split(r'(?m)^.. rest_method:: ', self.text)[1:]
        for section in sections:
            request = section.partition('\n')[0]
            for exchange in EXCHANGES:
                if exchange[0] == request:
                    self.assertRegex(section, rf'(?m)^   - {exchange[3]}\b')

    def test_the_pages_samples_stand_with_their_request(self):
        sections = re.split(r'(?m)^.. rest_method:: ', self.text)[1:]
        for section in sections:
            request = section.partition('\n')[0]
            self.assertEqual(
                {name for exchange in EXCHANGES if exchange[0] == request
                 for name in (exchange[2], exchange[4]) if name},
                set(re.findall(r'samples/(.+)\.json', section)))
