#!/usr/bin/env python3
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

"""Renew rundeck/*.yaml, the Rundeck jobs, from the steps of the runbook."""

import pathlib
import sys
from typing import Any

import yaml

TOP = pathlib.Path(__file__).resolve().parent.parent
HEADER = "# Made by tools/renew_rundeck_jobs.py; do not edit.\n"

sys.path.insert(0, str(TOP))

from cinder_promote.runbook import rundeck  # noqa: E402


class _Dumper(yaml.SafeDumper):
    """Indents sequences, and writes texts of many lines as such."""

    def increase_indent(
        self, flow: bool = False, indentless: bool = False
    ) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _represent)


def files() -> dict[str, str]:
    """Return what the files should hold, by name."""
    return {
        f"{name}.yaml": HEADER
        + yaml.dump([job], Dumper=_Dumper, sort_keys=False, width=78)
        for name, job in rundeck.jobs().items()
    }


def main() -> int:
    directory = TOP / "rundeck"
    directory.mkdir(exist_ok=True)
    for name, text in files().items():
        (directory / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
