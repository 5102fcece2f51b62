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

"""Where the lab keeps its things."""

import os
import pathlib

LAB = pathlib.Path(__file__).resolve().parent.parent
"""The lab's sources."""

PROJECT = LAB.parent
"""The sources of the project that is tried in the lab."""


class Paths:
    """The folders and files of one lab.

    :param work: the folder that holds the lab's whole state; by default
        $LAB_DIR, else .work beside the sources.
    """

    def __init__(self, work: pathlib.Path | None = None) -> None:
        named = os.environ.get("LAB_DIR")
        self.work = work or (
            pathlib.Path(named).absolute() if named else LAB / ".work"
        )
        self.cache = self.work / "cache"
        self.debs = self.cache / "debs"
        self.wheels = self.cache / "wheels"
        self.layers = self.work / "layers"
        self.images = self.work / "images"
        self.machine = self.work / "machine"
        self.secrets = self.work / "secrets"
        self.logs = self.work / "logs"
        self.results = self.work / "results" if named else LAB / "results"

    def make(self) -> None:
        """Create the folders that everything else relies on."""
        for folder in (
            self.debs,
            self.layers,
            self.images,
            self.machine,
            self.logs,
        ):
            folder.mkdir(parents=True, exist_ok=True)
        self.secrets.mkdir(mode=0o700, exist_ok=True)
