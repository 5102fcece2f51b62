#!/bin/sh
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

# Writes numbered blocks to a device or a file, each behind the one before, and
# notes a number once its block is on stable storage. Runs in a guest that need
# not have more than busybox.
#
# Usage: writer.sh start  STATE TARGET SEED FIRST LAST
#        writer.sh status STATE
#        writer.sh stop   STATE
#        writer.sh read   STATE TARGET COUNT
#
# STATE is a directory elsewhere than on TARGET: on the RAM disk. `start` and
# `stop` do not wait; `status` prints the last number noted, then `running`, or
# `ended` and why; `read` prints COUNT blocks or more, compressed.

set -eu

BLOCK=4096

# direct FLAG TARGET - the operand by which dd goes past the page cache
#
# Nothing, where dd or the file system does not know it.
direct() {
    if dd if="$2" of=/dev/null bs=$BLOCK count=1 iflag=direct 2>/dev/null; then
        echo "$1=direct"
    fi
}

start() {
    mkdir -p "$1"
    rm -f "$1/stop"
    case $2 in
        /dev/*) ;;
        *) : >>"$2" ;;
    esac
    echo $(($4 - 1)) >"$1/acknowledged"
    setsid sh "$0" run "$@" </dev/null >"$1/output" 2>&1 &
    echo $! >"$1/pid"
}

run() {
    state=$1 target=$2 seed=$3 number=$4 last=$5
    kind=-b
    case $target in
        /dev/*) ;;
        *) kind=-f ;;
    esac
    flag=$(direct oflag "$target")
    while [ ! -e "$state/stop" ]; do
        if [ "$number" -gt "$last" ]; then
            end "all $last blocks are written"
        fi
        # Or dd makes a file in the place of a device that is gone.
        if ! test "$kind" "$target"; then
            end "$target is gone"
        fi
        # Each sector names its block, so that half a block can be told.
        line="$seed $number"
        printf '%-511s\n' "$line" "$line" "$line" "$line" \
            "$line" "$line" "$line" "$line" >"$state/block"
        # shellcheck disable=SC2086 # no operand where there is no flag
        dd if="$state/block" of="$target" bs=$BLOCK count=1 \
            seek=$((number - 1)) conv=notrunc,fsync $flag 2>"$state/output"
        echo "$number" >>"$state/acknowledged"
        : >"$state/output"
        number=$((number + 1))
        # Not faster than what is written can be read again and again.
        sleep 0.1 || sleep 1
    done
    end ""
}

end() {
    echo "$1" >"$state/output"
    exit
}

status() {
    tail -n 1 "$1/acknowledged"
    # A process that nobody has waited for yet has no program any more.
    if [ -e "/proc/$(cat "$1/pid")/exe" ]; then
        echo running
    else
        echo ended
        cat "$1/output"
    fi
}

read_back() {
    flag=$(direct iflag "$2")
    if [ -z "$flag" ]; then
        sync
        echo 3 >/proc/sys/vm/drop_caches
    fi
    : >"$1/failure"
    # shellcheck disable=SC2086 # no operand where there is no flag
    {
        dd if="$2" bs=1048576 count=$((($3 * BLOCK + 1048575) / 1048576)) \
            $flag 2>"$1/read" || cp "$1/read" "$1/failure"
    } | gzip -c
    if [ -s "$1/failure" ]; then
        cat "$1/failure" >&2
        exit 1
    fi
}

verb=$1
shift
case $verb in
    start | status | run) "$verb" "$@" ;;
    stop) : >"$1/stop" ;;
    read) read_back "$@" ;;
esac
