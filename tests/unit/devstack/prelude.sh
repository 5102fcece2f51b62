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

# shellcheck disable=SC1091,SC2034 # the plugin, which uses the variables

# What DevStack gives a plugin, as far as this one uses it, for a machine
# where nothing may be changed: all files are below the folder $ROOT, and
# programs that would change the machine are those of $ROOT/bin.

set -o errexit

TOP_DIR=$ROOT/devstack
DEST=$ROOT/opt/stack
DATA_DIR=$DEST/data
STACK_USER=stack
REGION_NAME=RegionOne
USE_VENV=${USE_VENV:-False}
declare -A PROJECT_VENV
ENABLED_SERVICES=${ENABLED_SERVICES-key,g-api,c-api,c-sch,c-vol,tempest}
export PATH=$ROOT/bin:$PATH

# What the plugin would write outside of DEST.
CINDER_PROMOTE_DIR=$PROJECT
CINDER_PROMOTE_CONF_DIR=$ROOT/etc/cinder-promote
CINDER_PROMOTE_DISK_COMMAND=$ROOT/bin/cinder-promote-disk
CINDER_PROMOTE_DISKS_UNIT=$ROOT/etc/systemd/system/cinder-promote-disks.service
CINDER_PROMOTE_LVM_CONF=$ROOT/etc/lvm/lvm.conf
CINDER_PROMOTE_SUDOERS=$ROOT/etc/sudoers.d/60_cinder_promote_tempest

say() {
    echo "$*" >>"$ROOT/log"
}

die() {
    shift
    echo "$*" >&2
    exit 1
}

warn() {
    shift
    echo "warning: $*" >&2
}

echo_summary() {
    :
}

define_plugin() {
    say "define_plugin $*"
}

trueorfalse() {
    case "${!2}" in
        1 | [yY]es | [tT]rue) echo True ;;
        0 | [nN]o | [fF]alse) echo False ;;
        *) echo "$1" ;;
    esac
}

is_service_enabled() {
    [[ ",$ENABLED_SERVICES," == *",$1,"* ]]
}

# Nobody is root here, so nothing can be given to root.
sudo() {
    local words=() word
    for word in "$@"; do
        [[ "$1" == "install" && "$word" == "root" ]] && word=$(id -un)
        words+=("$word")
    done
    "${words[@]}"
}

start_service() {
    say "start_service $*"
}

setup_develop() {
    say "setup_develop $* into ${PIP_VIRTUAL_ENV:-the common environment}"
}

pip_install_gr() {
    say "pip_install_gr $* into ${PIP_VIRTUAL_ENV:-the common environment}"
}

clean_lvm_filter() {
    say clean_lvm_filter
}

# Options in files. As DevStack's, those for several values take them as words.

ini_add_lines() {
    local file=$1 header="[$2]" lines=$3
    [[ -e "$file" ]] && grep -qxF "$header" "$file" ||
        printf '\n%s\n' "$header" >>"$file"
    awk -v header="$header" -v lines="$lines" \
        '{ print } $0 == header { print lines }' "$file" >"$file.new"
    mv "$file.new" "$file"
}

ini_remove_option() {
    [[ -e "$1" ]] || return 0
    awk -v header="[$2]" -v option="$3" '
        /^\[/ { inside = $0 == header }
        !(inside && $1 == option && $2 == "=") { print }' "$1" >"$1.new"
    mv "$1.new" "$1"
}

iniset() {
    [[ "$1" != "-sudo" ]] || shift
    ini_remove_option "$1" "$2" "$3"
    ini_add_lines "$1" "$2" "$3 = $4"
}

iniset_multiline() {
    local file=$1 section=$2 option=$3 value lines=""
    shift 3
    ini_remove_option "$file" "$section" "$option"
    # shellcheck disable=SC2048 # the words of all
    for value in $*; do
        lines+="${lines:+$'\n'}$option = $value"
    done
    ini_add_lines "$file" "$section" "$lines"
}

iniget_multiline() {
    awk -v header="[$2]" -v option="$3" '
        /^\[/ { inside = $0 == header }
        inside && $1 == option && $2 == "=" { printf "%s%s", space, $3; space = " " }' "$1"
}

iniget() {
    iniget_multiline "$@"
}

iniadd() {
    local file=$1 section=$2 option=$3
    shift 3
    iniset_multiline "$file" "$section" "$option" \
        "$(iniget_multiline "$file" "$section" "$option") $*"
}

# As stack.sh and unstack.sh do: the plugin's overrides, the defaults of
# lib/cinder and lib/tempest, the plugin's settings.
load_plugin() {
    source "$PROJECT/devstack/override-defaults"
    CINDER_ENABLED_BACKENDS=${CINDER_ENABLED_BACKENDS:-lvm:lvmdriver-1}
    CINDER_TARGET_HELPER=${CINDER_TARGET_HELPER:-lioadm}
    CINDER_TARGET_PROTOCOL=iscsi
    CINDER_TARGET_PORT=3260
    CINDER_TARGET_PREFIX=iqn.2010-10.org.openstack:
    CINDER_VOLUME_CLEAR=zero
    CINDER_SERVICE_REPORT_INTERVAL=${CINDER_SERVICE_REPORT_INTERVAL:-120}
    CINDER_MY_IP=192.0.2.1
    CINDER_SERVICE_PROTOCOL=http
    CINDER_SERVICE_HOST=192.0.2.1
    CINDER_BIN_DIR=$DATA_DIR/venv/bin
    CINDER_CONF_DIR=$ROOT/etc/cinder
    CINDER_CONF=$CINDER_CONF_DIR/cinder.conf
    TEMPEST_DIR=$DEST/tempest
    TEMPEST_CONFIG=$TEMPEST_DIR/etc/tempest.conf
    TEMPEST_PLUGINS=${TEMPEST_PLUGINS:-0}
    source "$PROJECT/devstack/settings"
}

# run_phase MODE [PHASE]
run_phase() {
    source "$PROJECT/devstack/plugin.sh" "$@"
}
