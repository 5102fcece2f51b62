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

"""Who may use the requests: the policies, and how Cinder learns of them."""

from __future__ import annotations

from cinder.policies import base
import cinder.policy
from oslo_policy import policy

RESET_ACTIVE_BACKEND = 'volume_extension:services:reset_active_backend'
REPLICATION_ENABLE = 'volume_extension:services:replication_enable'

_RULES = (
    policy.DocumentedRuleDefault(
        name=RESET_ACTIVE_BACKEND,
        check_str=base.RULE_ADMIN_API,
        description='Make a failed-over and frozen volume service, or a '
                    'cluster of them, forget the fail-over, so that the '
                    'active replication target becomes its primary.',
        operations=[{'method': 'PUT',
                     'path': '/os-services/reset_active_backend'}]),
    policy.DocumentedRuleDefault(
        name=REPLICATION_ENABLE,
        check_str=base.RULE_ADMIN_API,
        description='Let a promoted volume service, or a cluster of them, '
                    'replicate its volumes again.',
        operations=[{'method': 'PUT',
                     'path': '/os-services/replication_enable'}]),
)


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """The policies' defaults, for oslo.policy's sample generator."""
    return list(_RULES)


def register() -> None:
    """Add the policies to the enforcer that this process's Cinder uses.

    May be called again; policies that are there already are left alone.
    """
    cinder.policy.init()
    enforcer = cinder.policy._ENFORCER
    assert enforcer is not None
    for rule in _RULES:
        if rule.name not in enforcer.registered_rules:
            enforcer.register_default(rule)
    # Now, not while the first requests are answered, by several threads.
    enforcer.load_rules()


def get_enforcer() -> policy.Enforcer:
    """Cinder's enforcer with the policies added, for oslo.policy's tools.

    Those that read a policy file need all the rules it may refer to: the
    policy generator, the validator and the list of redundant rules.
    """
    enforcer = cinder.policy.get_enforcer()
    register()
    return enforcer
