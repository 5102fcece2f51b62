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

"""The forced command of an SSH key that may run this program only."""

from collections.abc import Mapping
import shlex

from cinder_promote.host import errors

PROGRAM = "cinder-promote-host"


def arguments(environment: Mapping[str, str]) -> list[str]:
    """Return the arguments that the SSH client asks this program to run with.

    What they may be is for the caller to check; here only the program is.

    :param environment: the environment that sshd has set
    :raises HostError: another program is asked for, or a shell
    """
    asked = environment.get("SSH_ORIGINAL_COMMAND", "")
    try:
        words = shlex.split(asked)
    except ValueError as error:
        raise errors.HostError(
            f"The command can't be split into words: {error}."
        ) from error
    if not words or words[0] != PROGRAM:
        raise errors.HostError(
            f"This key runs '{PROGRAM} VERB ...' and nothing else."
        )
    return words[1:]
