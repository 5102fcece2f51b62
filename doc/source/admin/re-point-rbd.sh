#!/bin/sh
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

# re-point-rbd CONFIG_FILE BACKEND TO REPLICATE_TO
#
# Makes the Ceph cluster TO the backend's own and REPLICATE_TO its target. Each
# of the three options must stand once in the section, else nothing is changed.

set -eu
file=$1 backend=$2 to=$3 target=${4:?without a target there is no protection}

new=$(mktemp)
trap 'rm -f "$new"' EXIT
awk -v backend="$backend" -v to="$to" -v target="$target" '
    /^\[/ { inside = ($0 == "[" backend "]") }
    inside && /^rbd_cluster_name *=/ {
        $0 = "rbd_cluster_name = " to
        names++
    }
    inside && /^rbd_ceph_conf *=/ {
        $0 = "rbd_ceph_conf = /etc/ceph/" to ".conf"
        files++
    }
    inside && /^replication_device *=/ {
        $0 = "replication_device = backend_id:" target \
            ",conf:/etc/ceph/" target ".conf,user:cinder"
        targets++
    }
    { print }
    END { exit !(names == 1 && files == 1 && targets == 1) }
' "$file" >"$new" || {
    echo "section [$backend] is not as re-point-rbd expects it" >&2
    exit 1
}
cat "$new" >"$file"
