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

"""JSON schemas of the request bodies."""

_NAME = {
    'type': 'string',
    'minLength': 1,
    'maxLength': 255,
    # Printable ASCII: what a database column of any character set compares.
    'pattern': r'\A[\x20-\x7e]*\Z',
}

# In this order, as the first rule that is broken makes the message.
HOST = {
    'type': 'object',
    'additionalProperties': False,
    'required': ['host'],
    'properties': {'host': _NAME},
}

# That exactly one is given is checked apart, as no schema of it would name
# both keys in its message.
HOST_OR_CLUSTER = {
    'type': 'object',
    'additionalProperties': False,
    'properties': {'host': _NAME, 'cluster': _NAME},
}
