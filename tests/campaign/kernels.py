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

"""Has the faults of a campaign injected by several kernels at once."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

from tests.campaign import table

IN_KERNEL = pathlib.Path(__file__).parents[2] / 'tools' / 'in-kernel'


def shares(first, last, kernels):
    """The first and the last fault of each kernel, as equal as can be.

    >>> list(shares(1, 5, 2))
    [(1, 3), (4, 5)]
    """
    for kernel in range(kernels):
        size = -(-(last - first + 1) // (kernels - kernel))
        if size > 0:
            yield first, first + size - 1
        first += size


def run(seed, chosen, minutes):
    """Inject faults, and print what came of all of them.

    :param seed: text
    :param chosen: pairs of the first and the last fault, one for each kernel
    :param minutes: how long each may take
    :returns: whether all of them passed
    """
    chosen = list(chosen)
    with tempfile.TemporaryDirectory() as folder:
        kernels = [_start(seed, first, last, minutes, folder)
                   for first, last in chosen]
        try:
            threads = [threading.Thread(target=_show, args=(
                           kernel, '%d-%d| ' % each if chosen[1:] else ''))
                       for kernel, each in zip(kernels, chosen, strict=True)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            # They remove their disks then.
            for kernel in kernels:
                kernel.terminate()
            statuses = [kernel.wait() for kernel in kernels]
        outcomes = [json.loads(line) for first, __ in chosen
                    for line in _lines(folder, first)]
    print('\n%s\n\n--seed %s' % (table.table(outcomes), seed), flush=True)
    wanted = sum(last - first + 1 for first, last in chosen)
    return not any(statuses) and len(outcomes) == wanted


def _start(seed, first, last, minutes, folder):
    kept = pathlib.Path(folder, str(first))
    kept.mkdir()
    return subprocess.Popen(
        [IN_KERNEL, 'tests.campaign', str(minutes), '--seed', seed,
         '--only', '%d-%d' % (first, last)],
        env=dict(os.environ, KEEP_RESULTS=str(kept)),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors='replace')


def _show(kernel, prefix):
    for line in kernel.stdout:
        sys.stdout.write(prefix + line)
        sys.stdout.flush()


def _lines(folder, first):
    path = pathlib.Path(folder, str(first), 'outcomes')
    return path.read_text().splitlines() if path.exists() else []
