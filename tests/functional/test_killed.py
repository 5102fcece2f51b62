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

"""The service is killed before any of its privileged commands.

In a real host the commands of one request are run by another process, the
privileged daemon; here they end with the service, which is worse.
"""

import os
import random
import signal
import traceback

from tests.functional import base, commands
from tests.unit.volume.base import B_TO_C, B, C

SEED = os.environ.get('FUNCTIONAL_SEED') or str(random.randrange(10 ** 6))
#: How many of the commands are chosen; 'all' is possible too.
KILLS = os.environ.get('FUNCTIONAL_KILLS') or '2'


class TestKilled(base.TestCase):

    def in_child(self, act, kill=None):
        """Do something in a child, which may be killed in it.

        :param act: what to do
        :param kill: before which command, the first is 0
        :returns: number of commands, None if it was killed
        """
        counter, counted = os.pipe()
        child = os.fork()
        if not child:
            status = 1
            try:
                status = self._act(act, kill, counted)
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(counted)
        with open(counter) as stream:
            text = stream.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if text:
            self.assertEqual(0, status)
            return int(text)
        self.assertEqual(-signal.SIGKILL, status)
        return None

    def _act(self, act, kill, counted):
        def before(number):
            if number == kill:
                os.kill(os.getpid(), signal.SIGKILL)

        self.database.forked()
        with commands.Commands(before) as run:
            act()
            self.end_threads()
        os.write(counted, str(len(run.ran)).encode())
        return 0

    def killed(self, prepare, act, finish):
        """Kill what acts at some of its commands, each time on new disks.

        :param prepare: makes the driver and the volume
        :param act: what is killed
        :param finish: starts again and checks
        """
        number = self._once(prepare, act, finish)
        chosen = range(number)
        if KILLS != 'all':
            chosen = sorted(random.Random(SEED).sample(
                chosen, min(int(KILLS), number)))
        print('%d commands, killed before %s, FUNCTIONAL_SEED=%s'
              % (number, ' '.join(map(str, chosen)), SEED), end=' ... ',
              flush=True)
        for kill in chosen:
            self.disks = self.attach_disks()
            self.database.execute('DELETE FROM volumes')
            self.set_service(replication_status='not-capable', disabled=0,
                             active_backend_id=None, disabled_reason=None)
            try:
                self.assertIsNone(self._once(prepare, act, finish, kill))
            except Exception:
                print('killed before command %d' % kill)
                raise

    def _once(self, prepare, act, finish, kill=None):
        driver, volume = prepare()
        writer = self.writer(volume)
        number = self.in_child(lambda: act(driver, volume), kill)
        finish(volume, writer)
        self.end_threads()
        return number

    def _volume(self):
        driver = self.start()
        return driver, self.create(driver)

    def _finish_failover(self, volume, writer):
        driver = self.start()
        if self.service()['replication_status'] != 'failed-over':
            self.assertIsNone(self.service()['active_backend_id'])
            writer.goes_on()
            self.look_until(driver, volume, 'enabled')
            self.manager_fails_over(driver, volume)
        self.assertEqual('failed-over',
                         self.reload(volume).replication_status)
        self.assert_served_from(volume, B)
        writer.goes_on()
        writer.stop()
        writer.verify(self.path(volume))
        self.assert_copies_equal(volume, B)

    def test_fail_over(self):
        self.killed(
            self._volume,
            lambda driver, volume: self.manager_fails_over(driver, volume),
            self._finish_failover)

    def _promoted(self):
        driver, volume = self._volume()
        self.manager_fails_over(driver, volume)
        self.end_threads()
        self.reset()
        return self.start(*B_TO_C), volume

    def _protect(self, driver, volume):
        self.set_service(replication_status='enabled')
        self.refresh(driver)
        driver._replication.look()

    def _finish_protection(self, volume, writer):
        driver = self.start(*B_TO_C)
        self.assertEqual('enabled', self.service()['replication_status'])
        writer.goes_on()
        self.look_until(driver, volume, 'enabled')
        self.assert_protected(volume, B, C)
        self.assertEqual({self.mirror(volume)}, self.mirrors())
        writer.goes_on()
        writer.stop()
        self.assert_copies_equal(volume, B, C)
        writer.verify(self.path(volume, C))

    def test_protection(self):
        self.killed(self._promoted, self._protect, self._finish_protection)
