#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""The privileges of the replicated LVM driver.

The functions of this package run as root in a daemon of their own; what a
caller may do with root is what they offer, no more.
"""

from oslo_privsep import capabilities, priv_context

sys_admin_pctxt = priv_context.PrivContext(
    'cinder_promote',
    cfg_section='cinder_promote_sys_admin',
    pypath=__name__ + '.sys_admin_pctxt',
    capabilities=[capabilities.CAP_CHOWN,
                  capabilities.CAP_DAC_OVERRIDE,
                  capabilities.CAP_DAC_READ_SEARCH,
                  capabilities.CAP_FOWNER,
                  capabilities.CAP_IPC_LOCK,
                  capabilities.CAP_SYS_ADMIN,
                  capabilities.CAP_SYS_NICE],
)
