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

"""The lab's own passwords and keys, made once and kept in its folder."""

import json
import pathlib
import secrets
import subprocess

from cinder_lab import errors

PASSWORDS = ("ADMIN", "SERVICE", "TEMPEST", "DATABASE", "BROKER")

SSH_KEYS = ("lab", "host", "storage-host", "disk")
"""root's key to the guest, the guest's own, and Tempest's two."""


def passwords(folder: pathlib.Path) -> dict[str, str]:
    """Return the passwords by the names that templates use."""
    path = folder / "passwords.json"
    kept: dict[str, str] = {}
    if path.exists():
        kept = json.loads(path.read_text())
    made = {
        f"{name}_PASSWORD": secrets.token_hex(12)
        for name in PASSWORDS
        if f"{name}_PASSWORD" not in kept
    }
    if made:
        new = path.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(kept | made))
        new.rename(path)
    return kept | made


def ssh_keys(folder: pathlib.Path) -> dict[str, str]:
    """Return the public SSH keys by name; the private ones lie beside.

    :raises LabError: if they can't be made.
    """
    found = {}
    for name in SSH_KEYS:
        public = folder / f"{name}.pub"
        if not public.exists():
            (folder / name).unlink(missing_ok=True)
            made = subprocess.run(
                [
                    "ssh-keygen",
                    "-q",
                    "-t",
                    "ed25519",
                    "-N",
                    "",
                    "-C",
                    f"cinder-lab {name}",
                    "-f",
                    str(folder / name),
                ],
                capture_output=True,
                text=True,
            )
            if made.returncode != 0:
                raise errors.LabError(f"ssh-keygen: {made.stderr.strip()}")
        found[name] = public.read_text().strip()
    known_hosts = folder / "known_hosts"
    known_hosts.write_text(f"cinder-lab,127.0.0.1 {found['host']}\n")
    return found
