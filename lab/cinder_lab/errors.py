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

"""What can go wrong in the lab, as the person at the keyboard sees it."""

import pathlib


class LabError(Exception):
    """A failure that one sentence explains.

    :param sentence: what went wrong and, where it helps, what to do.
    :param log: the file that holds the whole story, if there is one.
    """

    def __init__(self, sentence: str, log: pathlib.Path | None = None) -> None:
        super().__init__(sentence)
        self.log = log


def last_lines(log: pathlib.Path, count: int = 25) -> list[str]:
    """Return the last lines of a log, or none if it can't be read."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-count:]
