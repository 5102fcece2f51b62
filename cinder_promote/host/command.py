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

"""Run the command lines that the configuration gives."""

from collections.abc import Sequence
import dataclasses
import shlex
import subprocess
import tempfile
from typing import IO

from oslo_config import cfg

from cinder_promote.host import errors


@dataclasses.dataclass(frozen=True)
class Done:
    """A command that has ended.

    ``option`` is where its command line comes from, ``subject`` what it was
    run for; ``output`` and ``complaint`` are what it printed to standard
    output and standard error.
    """

    option: str
    subject: str
    status: int
    output: str
    complaint: str

    def require_success(self) -> None:
        """Refuse any exit status but 0.

        :raises HostError: it is another one
        """
        if self.status != 0:
            raise errors.HostError(
                f"{self.option} for {self.subject} failed with status "
                f"{self.status}{quote(self.complaint or self.output)}"
            )


def split(options: cfg.ConfigOpts.GroupAttr, option: str) -> list[str]:
    """Return the words of a configured command line.

    :param options: the values of group [host]
    :raises HostError: there are none, or a quote is not closed
    """
    try:
        words = shlex.split(options[option])
    except ValueError as error:
        raise errors.HostError(
            f"{option} in [host] can't be split into words: {error}."
        ) from error
    if not words:
        raise errors.HostError(f"{option} in [host] is empty.")
    return words


def run(
    option: str, words: Sequence[str], subject: str, timeout: int
) -> Done:
    """Run a command without a shell.

    What it prints goes to files: a service that it leaves behind may keep a
    pipe open for ever.

    :param option: what to call the command in an error
    :param words: the program and its arguments
    :param subject: what to say in an error that it was run for
    :param timeout: seconds after which it is killed
    :raises HostError: it can't be run, or did not end in time
    """
    with (
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as complaint,
    ):
        try:
            done = subprocess.run(
                words,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=complaint,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            raise errors.HostError(
                f"{option} for {subject} did not end within {timeout} "
                "seconds."
            ) from None
        except OSError as error:
            raise errors.HostError(
                f"{option} in [host] can't be run: {error.strerror} "
                f"({words[0]})."
            ) from error
        return Done(
            option, subject, done.returncode, _text(output), _text(complaint)
        )


def quote(text: str) -> str:
    """Return how a sentence ends that quotes what a command said last."""
    return f": {text.splitlines()[-1].rstrip('.')}." if text else "."


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace").strip()
