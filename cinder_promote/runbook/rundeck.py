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

"""The runbook as Rundeck jobs.

The job definitions in rundeck/ are made of this by tools/renew_rundeck_jobs.
"""

from typing import Any
import uuid

from cinder_promote.runbook import steps

# What the options may be. Narrower than what the command takes: nothing that
# means anything to a shell.
_WORD = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
HOST_PATTERN = f"^{_WORD}@{_WORD}$"
BACKEND_ID_PATTERN = f"^{_WORD}$"

_GROUP = "cinder-promote"
_CONTROLLER = {
    "name": "controller",
    "description": "The node to run on, always the same one: the records of "
    "the runs are there.",
    "required": True,
    "regex": f"^{_WORD}$",
}
_HOST = {
    "name": "host",
    "description": "The volume service, as host@backend.",
    "required": True,
    "regex": HOST_PATTERN,
}
_TO = {
    "name": "to",
    "description": "The backend_id that the host is failed over to. It "
    "becomes the primary.",
    "required": True,
    "regex": BACKEND_ID_PATTERN,
}
_REPLICATE_TO = {
    "name": "replicate_to",
    "description": "The backend_id of the new target.",
    "required": True,
    "regex": BACKEND_ID_PATTERN,
}
_RUN = "run ${option.host} --to ${option.to} --replicate-to " + (
    "${option.replicate_to}"
)


def jobs() -> dict[str, dict[str, Any]]:
    """Return the job definitions by name, as plain data."""
    forward = "\n".join(
        f"{number}. {step.name}: {step.title}"
        for number, step in enumerate(steps.STEPS, 1)
    )
    back = "\n".join(
        f"{number}. {step.name}: {step.title}"
        for number, step in enumerate(reversed(_reversible()), 1)
    )
    first = next(step for step in steps.STEPS if step.irreversible)
    return {
        "plan": _job(
            "plan",
            "Tell which volumes would be lost if the backend failed now.",
            "Changes nothing.",
            "plan ${option.host}",
        ),
        "check": _job(
            "check",
            "Make the checks before a promotion, and show its commands.",
            f"Changes nothing. The steps of a run:\n\n{forward}",
            f"{_RUN} --dry-run",
            _TO,
            _REPLICATE_TO,
        ),
        "run": _job(
            "run",
            "Promote a backend that was failed over, and protect it again.",
            "Every condition is checked before anything is changed. A run "
            "that was interrupted\nis gone on with when the job is run again "
            f"with the same options.\n\n{forward}",
            _RUN,
            _TO,
            _REPLICATE_TO,
        ),
        "resume": _job(
            "resume",
            "Go on with a promotion that was interrupted.",
            "What was done is looked up, and the steps that are left are "
            f"taken.\n\n{forward}",
            "resume ${option.host}",
        ),
        "undo": _job(
            "undo",
            "Go back to where a promotion began, as long as that is safe.",
            f"Possible until {first.name}. What is taken back:\n\n{back}",
            "undo ${option.host}",
        ),
    }


def _reversible() -> list[steps.Step]:
    return [step for step in steps.STEPS if not step.irreversible]


def _job(
    name: str,
    description: str,
    more: str,
    arguments: str,
    *options: dict[str, Any],
) -> dict[str, Any]:
    return {
        "name": name,
        "group": _GROUP,
        # Always the same, so that an import updates the job.
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{_GROUP}/{name}")),
        "description": f"{description}\n\n{more}\n",
        "loglevel": "INFO",
        "multipleExecutions": False,
        "options": [_CONTROLLER, _HOST, *options],
        "nodefilters": {
            "dispatch": {"keepgoing": False, "threadcount": 1},
            "filter": "name: ${option.controller}",
        },
        "sequence": {
            "keepgoing": False,
            "strategy": "node-first",
            "commands": [{"exec": f"cinder-promote {arguments}"}],
        },
    }
