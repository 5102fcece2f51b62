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

"""The volume service: a process of its own, which may be killed."""

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback

from cinder_promote.privsep import command
from cinder_promote.volume import failover, groups
from tests.campaign import manager
from tests.functional import machine

LOG = logging.getLogger(__name__)
#: Seconds between two looks at the mirrors.
LOOK = 1
#: Seconds between two reports of the driver's state.
REFRESH = 5
#: Seconds for what takes a minute, or five, in a real service.
AGAIN = 5
LOG_FILE = 'service.log'
#: Bytes of it that are kept.
LOG_SIZE = 1 << 20


class Killed(Exception):
    """The service was killed before it answered."""


class Failed(Exception):
    """The service answered with an error."""


class Service:
    """The service as those see it who send it requests.

    :param case: ``unit.volume.base.DriverTestCase``, for the database
    :param options: of the backend's section
    """

    def __init__(self, case, options):
        self._case = case
        self._options = options
        self._child = None
        self._pipe = None

    @property
    def pid(self):
        return self._child

    @property
    def alive(self):
        """Whether there is a process that was not seen to end."""
        return self._child is not None

    def start(self, section, kill=None, timeout=300):
        """Start it.

        :param section: volume group and targets of the backend
        :param kill: before which of its commands it is killed
        :raises Killed: it was
        :raises Failed: the driver did not initialise; the process ended
        """
        self._pipe, theirs = multiprocessing.Pipe()
        sys.stdout.flush()
        self._child = os.fork()
        if not self._child:
            try:
                _serve(self._case, self._options, section, theirs, kill)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        theirs.close()
        try:
            self._answer(timeout)
        except Failed:
            self.kill()
            raise

    def begin(self, name, *args, kill=None):
        """Send a request: a method of ``manager.Manager``.

        :param kill: before which of its commands the service is killed; it
            is after the last one if there are fewer
        """
        self._pipe.send((name, args, kill))

    def request(self, name, *args, kill=None, timeout=600):
        """Send a request and wait for its end.

        :raises Killed: the service was killed
        :raises Failed: the manager raised an error
        """
        self.begin(name, *args, kill=kill)
        return self._answer(timeout)

    def _answer(self, timeout):
        if not self._pipe.poll(timeout):
            raise AssertionError('no answer of the service in %d seconds'
                                 % timeout)
        try:
            error, value = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            self._reap()
            raise Killed() from None
        if error:
            raise Failed(error)
        return value

    def kill(self):
        """End it at once, wherever it is."""
        if self._child:
            os.kill(self._child, signal.SIGKILL)
            self._reap()

    def _reap(self):
        os.waitpid(self._child, 0)
        self._child = None
        self._pipe.close()


class Counter:
    """Counts the privileged commands, and kills before one of them."""

    def __init__(self):
        self._run = command.run
        self._lock = threading.Lock()
        self.number = 0
        self.kill = None
        command.run = self._counted

    def reset(self, kill):
        with self._lock:
            self.number, self.kill = 0, kill

    def _counted(self, *args, **kwargs):
        with self._lock:
            if self.number == self.kill:
                _die()
            self.number += 1
        return self._run(*args, **kwargs)


def _die():
    os.kill(os.getpid(), signal.SIGKILL)


def _log():
    """Write what is logged to a file that outlives the kernel."""
    root = logging.getLogger()
    path = machine.RESULTS / LOG_FILE
    if path.exists() and path.stat().st_size > LOG_SIZE:
        path.rename(machine.RESULTS / (LOG_FILE + '.old'))
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter(
        '%(asctime)s %(process)d %(levelname)s %(message)s'))
    root.handlers[:] = [handler]
    LOG.info('The service starts.')


def _serve(case, options, section, pipe, kill):
    signal.alarm(0)
    case.database.forked()
    _log()
    failover.LATE_SWITCH_INTERVAL = AGAIN
    groups.HUNG_DISK_RETRY = AGAIN
    counter = Counter()
    counter.reset(kill)
    current = None

    def start(section):
        nonlocal current
        # so that nobody looks at the mirrors for the one before
        current, before = None, current
        if before:
            with before.driver._replication._lock:
                pass
        made = manager.Manager(case, section, options)
        made.start()
        current = made

    def look():
        while True:
            serving = current
            if serving:
                serving.look()
            time.sleep(LOOK)

    def answer(function, *args, kill=None):
        counter.reset(kill)
        error = value = None
        try:
            value = function(*args)
        except Exception as raised:
            LOG.exception('The request failed.')
            error = '%s: %s' % (type(raised).__name__, raised)
        LOG.info('%d commands were run.', counter.number)
        if kill is not None:
            _die()
        pipe.send((error, value))

    answer(start, section, kill=kill)
    threading.Thread(target=look, daemon=True).start()
    refreshed = time.monotonic()
    while True:
        if pipe.poll(LOOK):
            name, args, kill = pipe.recv()
            LOG.info('Request: %s %s', name, args)
            answer(start if name == 'start' else getattr(current, name),
                   *args, kill=kill)
        elif time.monotonic() > refreshed + REFRESH:
            try:
                current.refresh()
            except Exception:
                LOG.exception('No report.')
            refreshed = time.monotonic()
