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

import contextlib
import io
import ipaddress
import os
import re
from unittest import mock

from cinder_lab import cli, errors
from cinder_lab.devstack import clouds, stacking, traces, verbs
from tests.unit.lab import base

PASSWORDS = {
    f"{name}_PASSWORD": f"secret-{name}"
    for name in ("ADMIN", "SERVICE", "DATABASE", "BROKER")
}


class LocalConfTestCase(base.LabTestCase):
    def conf(self, with_plugin=True, more="", cloud=clouds.CINDER):
        return stacking.local_conf(
            cloud, PASSWORDS, "https://git.example", with_plugin, more
        )

    def test_is_filled_in(self):
        self.assertNotIn("@", self.conf())
        self.assertIn("RABBIT_PASSWORD=secret-BROKER\n", self.conf())
        self.assertIn("enable_service mysql rabbit key ", self.conf())

    def test_plugin(self):
        line = (
            "enable_plugin cinder-promote "
            "https://git.example/openstack/cinder-promote\n"
        )
        self.assertIn(line, self.conf())
        self.assertNotIn("enable_plugin", self.conf(with_plugin=False))

    def test_more_comes_last_in_its_section_and_so_wins(self):
        localrc, *others = self.conf(more="A=1\n").split("\n[[")[1:]
        self.assertTrue(localrc.rstrip().endswith("\nA=1"))
        self.assertTrue(others)

    def test_each_cloud_has_its_own_lines(self):
        drivers = {clouds.CINDER: "fake", clouds.NOVA: "libvirt"}
        for cloud, driver in drivers.items():
            with self.subTest(cloud.name):
                _, localrc, *others = self.conf(cloud=cloud).split("\n[[")
                self.assertIn(f"\nVIRT_DRIVER={driver}\n", localrc)
                self.assertIn(
                    f"\nenable_service {' '.join(cloud.services)}\n", localrc
                )
                self.assertIn("\n[cinder_promote]\n", others[-1])

    def test_no_option_stands_there_twice(self):
        # DevStack would give the option both values
        for cloud in (clouds.CINDER, clouds.NOVA):
            sections = self.conf(cloud=cloud).split("\n[[")[2:]
            files = [section.partition("]]")[0] for section in sections]
            self.assertEqual(sorted(set(files)), sorted(files))

    def test_networks_of_servers_do_not_have_the_address_of_the_machine(self):
        conf = self.conf(cloud=clouds.NOVA)

        def value(name):
            return re.search(f"^{name}=(.*)$", conf, re.MULTILINE)[1]

        self.assertNotIn(
            ipaddress.ip_address(value("HOST_IP")),
            ipaddress.ip_network(value("IPV4_ADDRS_SAFE_TO_USE")),
        )

    def test_plugin_is_enabled_in_the_localrc_section(self):
        self.assertIn("enable_plugin", self.conf().split("\n[[")[1])


class RunScriptTestCase(base.LabTestCase):
    def run_script(self, shell):
        guest = mock.Mock()
        guest.ssh_command.return_value = ["sh", "-c", shell]
        self.log = self.folder / "stack.sh.log"
        stacking.run_script(guest, "stack.sh", self.log, mock.Mock())

    def test_what_it_prints_is_kept_with_its_time(self):
        self.run_script("echo one; echo two >&2")
        self.assertEqual("  0:00 one\n  0:00 two\n", self.log.read_text())

    def test_failure_leads_to_the_log(self):
        with self.assertRaisesRegex(errors.LabError, "status 3") as caught:
            self.run_script("echo cause; exit 3")
        self.assertEqual(self.log, caught.exception.log)
        self.assertIn("cause", self.log.read_text())


class WaitForPoolsTestCase(base.LabTestCase):
    def setUp(self):
        super().setUp()
        for name in ("time.monotonic", "time.sleep"):
            patch = mock.patch(name, side_effect=self.clock)
            patch.start()
            self.addCleanup(patch.stop)
        self.now = 0

    def clock(self, *_):
        self.now += 10
        return self.now

    def test_services_that_answer_late(self):
        guest = mock.Mock()
        guest.run.side_effect = [errors.LabError("503"), "a\n", "a\nb\n"]
        stacking.wait_for_pools(guest, 2)
        self.assertEqual(3, guest.run.call_count)

    def test_last_thing_seen_is_said(self):
        guest = mock.Mock()
        guest.run.return_value = "h@lvm-a#a\n"
        with self.assertRaisesRegex(errors.LabError, "h@lvm-a#a"):
            stacking.wait_for_pools(guest, 2)


class RebootTestCase(base.LabTestCase):
    def test_until_another_boot_answers(self):
        guest = mock.Mock()
        guest.run.side_effect = [
            "boot-1",
            "",
            "boot-1",
            errors.LabError("closed"),
            "boot-2",
        ]
        restart = mock.Mock()
        with mock.patch("time.sleep"):
            stacking.reboot(guest, 60, restart)
        self.assertEqual(5, guest.run.call_count)
        restart.assert_called_once_with()
        guest.set_clock.assert_called_once_with()

    def test_never(self):
        guest = mock.Mock()
        guest.run.return_value = "boot-1"
        with (
            mock.patch("time.sleep"),
            self.assertRaisesRegex(errors.LabError, "no reboot"),
        ):
            stacking.reboot(guest, 0.01, mock.Mock())


class TracesTestCase(base.LabTestCase):
    BEFORE = ("user stack", "lvm.conf a")

    def left(self, *after, state=traces.UNSTACKED):
        return traces.left(self.BEFORE, after, state)

    def test_what_was_there_before(self):
        self.assertEqual([], self.left(*self.BEFORE))

    def test_what_has_gone(self):
        self.assertEqual([], self.left("user stack"))

    def test_what_is_new(self):
        self.assertEqual(
            ["loop /x", "user tempest"],
            self.left("user stack", "user tempest", "loop /x"),
        )

    def test_configuration_of_cinder_stays_until_clean(self):
        trace = "mention /etc/cinder/cinder.conf"
        self.assertEqual([], self.left(trace))
        self.assertEqual([trace], self.left(trace, state=traces.CLEANED))

    def test_what_devstack_writes_and_leaves(self):
        folder = "mention /etc/bash_completion.d/"
        for state in (traces.UNSTACKED, traces.CLEANED):
            self.assertEqual(
                [f"{folder}promote"],
                self.left(
                    f"{folder}osc.bash_completion",
                    f"{folder}promote",
                    state=state,
                ),
            )

    def test_check_says_what_is_left(self):
        guest = mock.Mock()
        guest.run.return_value = "user stack\nvolume-group promote-lvm-a\n"
        with self.assertRaisesRegex(errors.LabError, "promote-lvm-a"):
            traces.check(set(self.BEFORE), guest, traces.CLEANED)


class CommandLineTestCase(base.LabTestCase):
    def setUp(self):
        super().setUp()
        patch = mock.patch.dict(os.environ, LAB_DIR=str(self.folder))
        patch.start()
        self.addCleanup(patch.stop)

    def main(self, *argv):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = cli.main(argv)
        return status, out.getvalue(), err.getvalue()

    def test_without_a_verb_everything_is_done(self):
        with mock.patch.object(verbs.DevStack, "rounds", return_value=4) as do:
            self.assertEqual(4, self.main("devstack")[0])
        do.assert_called_once_with([])

    def test_options_for_tempest_are_handed_on(self):
        with mock.patch.object(verbs.DevStack, "test", return_value=0) as do:
            self.main("devstack", "--branch=b", "test", "--regex", "x")
        do.assert_called_once_with(["--regex", "x"])

    def test_help_is_not_handed_on(self):
        with mock.patch.object(verbs.DevStack, "rounds") as do:
            with self.assertRaises(SystemExit) as end:
                self.main("devstack", "rounds", "--help")
        self.assertEqual(0, end.exception.code)
        do.assert_not_called()

    def test_each_cloud_has_a_machine_of_its_own(self):
        for words in (["devstack"], ["devstack", "--nova"]):
            status, _, err = self.main(*words, "ssh", "true")
            self.assertEqual(1, status)
            self.assertIn(f"lab {' '.join(words)} up", err)
        self.assertTrue((self.folder / "devstack").is_dir())
        self.assertTrue((self.folder / "nova-devstack").is_dir())

    def test_localrc_that_is_not_there(self):
        status, _, err = self.main("devstack", "--localrc=/none", "stack")
        self.assertEqual(1, status)
        self.assertIn("/none: No such file", err)

    def test_down_when_nothing_runs(self):
        status, out, _ = self.main("devstack", "down")
        self.assertEqual(0, status)
        self.assertIn("not running", out)

    def test_ssh_when_nothing_runs(self):
        status, _, err = self.main("devstack", "ssh", "true")
        self.assertEqual(1, status)
        self.assertIn("lab devstack up", err)


class RoundsTestCase(base.LabTestCase):
    """The order of things, and what a machine must hold for each."""

    def setUp(self):
        super().setUp()
        self.done = []
        self.holds = None
        self.saved = {}
        lab = verbs.DevStack.__new__(verbs.DevStack)
        lab.paths = mock.MagicMock()
        lab.console = mock.MagicMock()
        lab._with_plugin = True
        lab._root = lab._stack = mock.Mock()
        lab.machine = mock.Mock()
        lab.machine.holds = lambda: self.holds
        lab.machine.set_holds = self.set_holds
        lab.machine.saved_states = lambda: self.saved
        lab.machine.save = self.saved.__setitem__
        lab._traces = self.write("traces.json", "[]")
        lab.up = self.up
        lab._run_script = self.script
        lab._stacked_key = lambda _: "key"
        lab._cloud = clouds.CINDER
        lab._more = ""
        lab._local_conf = lambda: lab._more
        for name in (
            "cinder_lab.devstack.plugin.pack",
            "cinder_lab.devstack.stacking.put_in",
            "cinder_lab.devstack.stacking.reboot",
            "cinder_lab.devstack.stacking.wait_for_pools",
            "cinder_lab.devstack.traces.check",
        ):
            patch = mock.patch(name)
            patch.start()
            self.addCleanup(patch.stop)
        self.lab = lab
        self.broken = None

    def set_holds(self, key):
        self.holds = key

    def up(self, fresh=False):
        if fresh or self.holds is None:
            self.done.append("fresh")
            self.saved[verbs.BOOTED] = self.holds = "booted"

    def script(self, name):
        self.done.append(name)
        if name == self.broken:
            raise errors.LabError("broken")

    def test_stack_in_a_new_machine(self):
        self.lab.stack()
        self.assertEqual(["fresh", "stack.sh"], self.done)
        self.assertEqual("key", self.saved[verbs.STACKED])

    def test_stack_again_once_unstacked(self):
        self.lab.stack()
        self.lab.unstack()
        self.lab.stack()
        self.assertEqual(
            ["fresh", "stack.sh", "unstack.sh", "stack.sh"], self.done
        )

    def test_never_stack_over_what_is_stacked_or_cleaned(self):
        self.lab.stack()
        self.lab.stack()
        self.lab.clean()
        self.lab.stack()
        self.assertEqual(
            ["fresh", "stack.sh"] * 2 + ["clean.sh", "fresh", "stack.sh"],
            self.done,
        )

    def test_nothing_goes_on_from_what_failed(self):
        self.broken = "stack.sh"
        self.assertRaises(errors.LabError, self.lab.stack)
        self.broken = None
        self.lab.reboot()
        self.assertEqual(["fresh", "stack.sh"] * 2, self.done)

    def test_what_is_left_is_a_failure(self):
        traces.check.side_effect = errors.LabError("loop /x")
        self.lab.stack()
        with self.assertRaisesRegex(errors.LabError, "loop /x"):
            self.lab.unstack()
        self.assertEqual(verbs.UNFINISHED, self.holds)

    def test_all_of_it(self):
        self.lab.test = lambda words: self.done.append("test") or 5
        self.lab.reboot = lambda: self.done.append("reboot")
        self.lab.logs = lambda: self.done.append("logs")
        self.lab._times = lambda: None
        self.assertEqual(5, self.lab.rounds([]))
        self.assertEqual(
            ["fresh", "stack.sh", "test", "reboot", "unstack.sh"]
            + ["stack.sh", "test", "clean.sh", "logs"],
            self.done,
        )
        first, again = (
            call.args[2] for call in stacking.put_in.call_args_list
        )
        self.assertNotIn(":north", first)
        self.assertIn(":north", again)

    def test_all_of_it_fails_with_the_second_test(self):
        results = iter((0, 7))
        self.lab.test = lambda words: next(results)
        self.lab.reboot = self.lab.logs = self.lab._times = lambda: None
        self.assertEqual(7, self.lab.rounds([]))
        self.assertEqual("clean.sh", self.done[-1])
