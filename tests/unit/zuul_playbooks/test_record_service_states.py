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

import os
import subprocess

from tests.unit.zuul_playbooks import base

RECORDER = base.ROLES / "record-service-states/files/record-service-states"

CINDER_CONF = """
[DEFAULT]
# repeated, as some options are
osapi_volume_extension = one
osapi_volume_extension = two
[database]
connection = mysql+pymysql://root:se%40cret@127.0.0.1:3307/cinder?plugin=x
"""


class PlaybookTest(base.PlaybookTestCase):
    def play_it(self, **variables):
        self.program("systemctl", "exit 5")
        states = self.write("var/log/promote/states.txt", "of the last job")
        output = self.play(
            "record-service-states.yaml",
            promote_bin_dir=str(self.bin),
            promote_cinder_conf_dir="/some/where",
            promote_states_file=str(states),
            **variables,
        )
        return states, output

    def test_starts_the_recorder(self):
        self.program("systemd-run")
        states, _output = self.play_it()
        installed = self.bin / "record-service-states"
        self.assertEqual(RECORDER.read_text(), installed.read_text())
        self.assertTrue(os.access(installed, os.X_OK))
        self.assertTrue(states.parent.is_dir())
        self.assertFalse(states.exists())
        [stopped, started] = self.logged()
        self.assertEqual(
            "systemctl stop record-service-states.service", stopped
        )
        self.assertTrue(
            started.endswith(
                f" {installed} --cinder-conf=/some/where/cinder.conf {states}"
            ),
            started,
        )

    def test_a_recorder_that_does_not_start_fails_no_job(self):
        self.program("systemd-run", "exit 1")
        _states, output = self.play_it()
        self.assertIn("are not recorded", output)


class RecorderTest(base.PlaybookTestCase):
    def setUp(self):
        super().setUp()
        self.states = self.root / "states.txt"

    def record(self, looks):
        """Return what is written, without the times."""
        subprocess.run(
            [
                RECORDER,
                *("--interval", "0", "--looks", str(looks)),
                *("--cinder-conf", self.root / "cinder.conf"),
                self.states,
            ],
            env=self.environment(),
            check=True,
            timeout=base.SECONDS,
        )
        lines = self.states.read_text().splitlines()
        for line in lines:
            self.assertRegex(line, r"^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC ")
        return [line.split(" ", 3)[3] for line in lines]

    def database_says(self, *answers):
        """Have each look find the next answer, and the last one for ever."""
        for number, answer in enumerate(answers, 1):
            self.write(f"answers/{number}", answer)
        self.program(
            "mysql",
            f"echo $MYSQL_PWD >>{self.root}/passwords\n"
            f"n=$(grep -c '^mysql' {self.root}/log)\n"
            f"[ $n -gt {len(answers)} ] && n={len(answers)}\n"
            f"cat {self.root}/answers/$n",
        )

    def test_writes_changes_and_nothing_else(self):
        self.write("cinder.conf", CINDER_CONF)
        self.database_says(
            "service h@a\tenabled\nvolume 1\tin-use\n",
            "service h@a\tenabled\nvolume 1\tin-use\n",
            "service h@a\tfailed-over\n",
        )
        self.assertEqual(
            [
                "service h@a enabled",
                "volume 1 in-use",
                "service h@a failed-over",
                "volume 1 is gone",
            ],
            self.record(looks=4),
        )

    def test_asks_the_database_of_cinder(self):
        self.write("cinder.conf", CINDER_CONF)
        self.database_says("service h@a\tenabled\n")
        self.record(looks=1)
        question = " ".join(self.logged())
        for words in (
            "--host=127.0.0.1 --port=3307 --user=root ",
            " cinder --execute ",
            "FROM services ",
            "FROM volumes ",
        ):
            self.assertIn(words, question)
        self.assertNotIn("cret", question)
        passwords = (self.root / "passwords").read_text()
        self.assertEqual("se@cret\n", passwords)

    def test_waits_for_everything_and_says_so_once(self):
        self.program(
            "mysql", "echo 'ERROR 1049 (42000): Unknown database' >&2; exit 1"
        )
        [line] = self.record(looks=3)
        self.assertIn("no answer: FileNotFoundError: ", line)
        self.write("cinder.conf", CINDER_CONF)
        [_line, line] = self.record(looks=3)
        self.assertIn("no answer: ERROR 1049", line)

    def test_another_database(self):
        self.write("cinder.conf", "[database]\nconnection = sqlite:///x\n")
        self.assertEqual(
            ["no answer: only MySQL can be asked, and this is sqlite"],
            self.record(looks=1),
        )
