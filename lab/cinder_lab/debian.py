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

"""Which Debian goes into the guest, and where it is fetched from."""

from collections.abc import Mapping
import os
import subprocess

SUITE = "bookworm"

_FORMAT = "$(REPO_URI) $(ORIGIN) $(LABEL)"


def mirrors(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the apt source lines for the guest.

    They are those of $LAB_DEBIAN_MIRROR (and $LAB_DEBIAN_SECURITY_MIRROR);
    without it the Debian mirrors that this machine's apt uses; without
    those none, which leaves the choice to mmdebstrap.
    """
    given = os.environ if environment is None else environment
    main = given.get("LAB_DEBIAN_MIRROR")
    security = given.get("LAB_DEBIAN_SECURITY_MIRROR")
    if not main:
        main, found = from_index_targets(_index_targets())
        security = security or found
    return source_lines(main, security)


def source_lines(main: str | None, security: str | None) -> list[str]:
    """Return apt source lines for an archive and a security archive."""
    lines = []
    if main:
        lines += [
            f"deb {main} {SUITE} main",
            f"deb {main} {SUITE}-updates main",
        ]
    if main and security:
        lines.append(f"deb {security} {SUITE}-security main")
    return lines


def from_index_targets(text: str) -> tuple[str | None, str | None]:
    """Find the archive and security archive in apt's index targets.

    :param text: lines of 'URI origin label', as apt prints them.
    """
    main = security = None
    for line in text.splitlines():
        uri, _, rest = line.partition(" ")
        if not rest.startswith("Debian "):
            continue
        if rest == "Debian Debian-Security":
            security = security or uri
        elif rest == "Debian Debian":
            main = main or uri
    return main, security


def apt_options() -> list[str]:
    """Return this machine's apt settings that reaching a mirror needs."""
    done = subprocess.run(
        ["apt-config", "dump"], capture_output=True, text=True
    )
    return relevant_apt_options(done.stdout)


def relevant_apt_options(dump: str) -> list[str]:
    """Pick the proxy and certificate settings out of apt-config's dump."""
    wanted = ("Acquire::http::", "Acquire::https::")
    return [
        line.rstrip(";")
        for line in dump.splitlines()
        if line.startswith(wanted) and not line.endswith(' "";')
    ]


def _index_targets() -> str:
    try:
        done = subprocess.run(
            [
                "apt-get",
                "indextargets",
                "--format",
                _FORMAT,
                "Created-By: Packages",
            ],
            capture_output=True,
            text=True,
        )
    except OSError:
        return ""
    return done.stdout
