#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""Running a command for a bounded time, whatever the disk beneath it does."""

from concurrent import futures
import os
import signal
import subprocess
import sys

#: What ``run`` returns as the exit status of a command that took too long.
TIMED_OUT = -1
#: Requests that are served at the same time.
WORKERS = 32


def run(argv, timeout, stdin=None):
    """Run a command and never wait for it longer than asked.

    A process in uninterruptible sleep on a hung disk outlives SIGKILL. It is
    left behind rather than waited for.

    :param argv: the command, a list of strings
    :param timeout: seconds
    :param stdin: text for the command's standard input
    :returns: exit status (``TIMED_OUT`` when it was given up), standard
        output, standard error
    """
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE if stdin is not None
        else subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env=dict(os.environ, LC_ALL='C'))
    try:
        out, err = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        try:
            process.communicate(timeout=1)
        except subprocess.TimeoutExpired:
            pass
        return TIMED_OUT, '', 'gave up after %s seconds' % timeout
    return process.returncode, out, err


def at_once(function, requests, timeout):
    """Do the same to several things at the same time.

    :param function: is called with what is in a request, and the timeout
    :returns: what it returns, for each request
    """
    with futures.ThreadPoolExecutor(WORKERS) as pool:
        begun = [pool.submit(function, *request, timeout)
                 for request in requests]
        try:
            return [each.result() for each in begun]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def script(module):
    """The command that runs a module that needs nothing but Python."""
    return [sys.executable, '-I', '-S', os.path.abspath(module.__file__)]
