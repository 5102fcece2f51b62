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

"""What a check of the Zuul configuration found."""

from collections.abc import Iterable
import dataclasses


@dataclasses.dataclass(frozen=True, order=True)
class Problem:
    """A mistake, and where it stands.

    :param path: the file, from the top of its repository
    :param line: counted from 1, or 0 if the whole file is meant
    :param text: one sentence
    :param repository: empty for the project that is checked
    """

    path: str
    line: int
    text: str
    repository: str = ""

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        if self.repository:
            place = f"{self.repository}: {place}"
        return f"{place}: {self.text}"


def report(problems: Iterable[Problem]) -> list[str]:
    """Return the lines to print: in order, and each once."""
    return [str(problem) for problem in sorted(set(problems))]
