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

"""How far the volume service is with filling new copies, as it says."""

from typing import Any

from oslo_config import cfg

from cinder_promote import amounts, progress_file
from cinder_promote.host import conf_file

_DEFAULT = "/var/lib/cinder"
_FIGURES = (
    "volumes",
    "volumes_in_sync",
    "percent",
    "bytes",
    "bytes_total",
    "seconds_left",
    "age",
    "stale",
)


def show(
    options: cfg.ConfigOpts.GroupAttr, conf: conf_file.ConfFile, backend: str
) -> dict[str, Any] | None:
    """Return what the service left of a backend, None if it left nothing.

    It does so while a volume is not in sync. There is no disk that is
    replicated in between, nor the service itself.
    """
    try:
        told = progress_file.read(
            progress_file.path(_state_path(options, conf), backend)
        )
    except progress_file.Unreadable as error:
        return {**dict.fromkeys(_FIGURES), "problem": str(error)}
    if told is None:
        return None
    return {**{key: told[key] for key in _FIGURES}, "problem": None}


def describe(shown: dict[str, Any]) -> str:
    """Return the same as a line."""
    if shown["problem"]:
        return str(shown["problem"])
    text = (
        f"{shown['volumes_in_sync']} of {shown['volumes']} volumes in sync, "
        f"{shown['percent']} %"
    ) + amounts.describe(
        shown["bytes"], shown["bytes_total"], shown["seconds_left"]
    )
    if shown["stale"]:
        text += f"; that was {amounts.duration(shown['age'])} ago, and nothing"
        text += " was told since"
    return text


def _state_path(
    options: cfg.ConfigOpts.GroupAttr, conf: conf_file.ConfFile
) -> str:
    if options.state_path:
        return options.state_path
    found = conf.options("DEFAULT", "state_path")
    return found[-1].value if found else _DEFAULT
