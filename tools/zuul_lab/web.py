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

"""What a running Zuul tells of its tenants."""

from collections.abc import Collection
import json
import pathlib
import re
from typing import Any
import urllib.error
import urllib.parse
import urllib.request

from zuul_check import loaded
from zuul_check import tenant as tenants

_BRANCH = "master"
_SECONDS = 60
# Where Zuul's messages say what they are about.
_LINE = re.compile(r'^ *in ".*", line (\d+)', re.MULTILINE)

# The exception at the end of a traceback in zuul-web's log.
_REASON = re.compile(
    r"^.* ERROR cherrypy\.\S+:   (?:\w+\.)*\w+: (.+)$", re.MULTILINE
)


class Web:
    """Zuul's REST interface.

    :param address: such as http://127.0.0.1:9000
    :param log: where it says why it answered with an error
    """

    def __init__(self, address: str, log: pathlib.Path) -> None:
        self._address = address
        self._log = log

    def get(self, path: str) -> Any:
        """Return what stands at a path below /api.

        :raises urllib.error.HTTPError: if Zuul answers with an error
        """
        url = f"{self._address}/api/{path}"
        # The address is of the loopback interface, and http.
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310
            return json.load(answer)

    def last_error(self) -> str:
        """Return why it answered with an error, which only its log tells."""
        text = self._log.read_text(errors="replace")
        return next(reversed(_REASON.findall(text)), "Zuul does not say why")

    def loaded(self, tenants: Collection[str]) -> bool:
        """Tell whether it knows these tenants."""
        try:
            known = {one["name"] for one in self.get("tenants")}
            for name in tenants:
                self.get(f"tenant/{name}/status")
        except OSError:
            return False
        return known >= set(tenants)


class Tenant:
    """A tenant of a running Zuul: see loaded.Loaded.

    :param members: its projects, of which the first is asked about
    """

    def __init__(
        self, web: Web, name: str, members: list[tenants.Member]
    ) -> None:
        self._web = web
        self._top = f"tenant/{name}"
        self._project = members[0].name
        stubs = {member.name for member in members if not member.real}
        errors = web.get(f"{self._top}/config-errors?limit=100000")
        self.errors = [
            error
            for error in map(_error, errors)
            if error.project not in stubs
        ]
        self._frozen: dict[str, dict[str, dict]] = {}

    def job_names(self) -> set[str]:
        return {job["name"] for job in self._web.get(f"{self._top}/jobs")}

    def freeze(self, pipeline: str) -> dict[str, loaded.Job]:
        return {
            name: loaded.Job(
                name,
                job["vars"] or {},
                [
                    job["extra_vars"] or {},
                    *(job["host_vars"] or {}).values(),
                    *(job["group_vars"] or {}).values(),
                ],
            )
            for name, job in self.frozen(pipeline).items()
        }

    def frozen(self, pipeline: str) -> dict[str, dict]:
        """Return all that Zuul tells of a pipeline's jobs, by name.

        :raises FreezeError: if Zuul can't put them together
        """
        if pipeline not in self._frozen:
            top = (
                f"{self._top}/pipeline/{pipeline}/project/{self._project}"
                f"/branch/{_BRANCH}"
            )
            try:
                self._frozen[pipeline] = {
                    job["name"]: self._web.get(
                        f"{top}/freeze-job/{urllib.parse.quote(job['name'])}"
                    )
                    for job in self._web.get(f"{top}/freeze-jobs")
                }
            except urllib.error.HTTPError as error:
                raise loaded.FreezeError(self._web.last_error()) from error
        return self._frozen[pipeline]


def _error(said: dict) -> loaded.Error:
    context = said["source_context"]
    line = _LINE.findall(said["error"])
    return loaded.Error(
        project=context["project"] or "",
        file=context["path"] or "",
        line=int(line[-1]) if line else 0,
        text=said["short_error"] or said["error"],
    )
