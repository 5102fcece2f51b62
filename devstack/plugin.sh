#!/bin/bash
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

# DevStack's entry point, sourced for each phase: it only dispatches.
# configure_, init_ and cleanup_cinder_backend_promote_lvm, in
# lib/promote_lvm, are called by DevStack's lib/cinder.

for library in backends disks promote_lvm server tempest; do
    # shellcheck source=/dev/null
    source "$CINDER_PROMOTE_DIR/devstack/lib/$library"
done
unset library

case "$1 ${2:-}" in
    "stack install")
        echo_summary "Installing cinder-promote"
        install_cinder_promote
        install_promote_disk_command
        ;;
    "stack post-config")
        echo_summary "Configuring cinder-promote"
        configure_cinder_promote
        enable_promote_disks
        ;;
    "stack extra")
        if is_service_enabled c-api; then
            echo_summary "Checking cinder-promote and creating volume types"
            check_promote_extension
            create_promote_volume_types
        fi
        ;;
    "stack test-config")
        accept_promote_disks_after_reboot
        if is_service_enabled tempest; then
            echo_summary "Configuring Tempest for cinder-promote"
            install_promote_tempest_access
            configure_promote_tempest
        fi
        ;;
    "unstack ")
        log_out_of_promote_volumes
        remove_promote_tempest_access
        cleanup_cinder_promote
        ;;
    "clean ")
        remove_promote_disks
        ;;
esac
