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

"""Talk to a running QEMU over its monitor protocol (QMP)."""

import json
import pathlib
import types
from typing import Any, Self

from cinder_lab import errors, unix_socket


class Monitor:
    """A connection to QEMU's monitor, to be used in a with statement.

    :param path: the monitor's socket.
    :raises LabError: if nothing answers there.
    """

    def __init__(self, path: pathlib.Path, timeout: float = 300) -> None:
        try:
            self._socket = unix_socket.connect(path, timeout)
        except OSError as error:
            raise errors.LabError(
                f"the virtual machine does not answer: {error}"
            ) from error
        self._lines = self._socket.makefile("r", encoding="utf-8")
        self._read()
        self.execute("qmp_capabilities")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: types.TracebackType | None,
    ) -> None:
        self._lines.close()
        self._socket.close()

    def execute(self, command: str, **arguments: object) -> Any:
        """Run a command and return its result.

        :raises LabError: if QEMU refuses it or goes away.
        """
        message = {"execute": command, "arguments": arguments}
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
            while True:
                answer = self._read()
                if "error" in answer:
                    raise errors.LabError(
                        f"QEMU: {command}: {answer['error'].get('desc')}"
                    )
                if "return" in answer:
                    return answer["return"]
        except OSError as error:
            raise errors.LabError(f"QEMU: {command}: {error}") from error

    def monitor_command(self, line: str) -> str:
        """Run a line of the human monitor and return what it prints.

        :raises LabError: if QEMU refuses it or goes away.
        """
        return str(
            self.execute("human-monitor-command", **{"command-line": line})
        )

    def save(self, tag: str) -> None:
        """Save the whole machine's state under a tag.

        :raises LabError: if that fails.
        """
        self._expect_silence(f"savevm {tag}")

    def load(self, tag: str) -> None:
        """Put the whole machine back to the state saved under a tag.

        :raises LabError: if that fails.
        """
        self._expect_silence(f"loadvm {tag}")

    def _expect_silence(self, line: str) -> None:
        said = self.monitor_command(line).strip()
        if said:
            raise errors.LabError(f"QEMU: {line}: {said}")

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise errors.LabError("QEMU closed its monitor")
        return dict(json.loads(line))
