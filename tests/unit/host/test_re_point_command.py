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

"""Re-pointing by a configured command, for other drivers than ours."""

import json
import os
import stat
import sys

import ddt

from tests.unit.host import base

CINDER_CONF = """\
[DEFAULT]
enabled_backends = ceph,plain

[ceph]
# The cluster that serves.
rbd_ceph_conf = /etc/ceph/one.conf
replication_device = backend_id:two,conf:/etc/ceph/two.conf,secret:s3cret

[plain]
volume_group = plain
"""
# What an operator's program for Ceph might do, told where and what.
PROGRAM = """\
import pathlib, sys

path, backend, to, *targets = sys.argv[1:]
conf = pathlib.Path(path)
lines = []
for line in conf.read_text().splitlines():
    if line.startswith("rbd_ceph_conf"):
        line = f"rbd_ceph_conf = /etc/ceph/{to}.conf"
    if line.startswith("replication_device"):
        lines += [
            f"replication_device = backend_id:{target},\\n"
            f"  conf:/etc/ceph/{target}.conf" for target in targets
        ]
    else:
        lines.append(line)
conf.write_text("\\n".join(lines) + "\\n")
"""
PROMOTE = ("re-point", "ceph", "--to", "two", "--replicate-to", "three")


class CommandTestCase(base.HostTestCase):
    """A cinder.conf of another driver, and a program that re-points it."""

    def setUp(self):
        super().setUp()
        self.use(CINDER_CONF)
        self.use_program(PROGRAM)

    def use_program(self, text, **options):
        program = self.dir / "program.py"
        program.write_text(text)
        self.use_command(
            f"{sys.executable} {program} {{config_file}} {{backend}} {{to}} "
            "{replicate_to}",
            **options,
        )

    def use_command(self, command, **options):
        self.configure(re_point_command=command, **options)


@ddt.ddt
class RePointTest(CommandTestCase):
    def test_the_command_s_edit_takes_the_file_s_place(self):
        done = self.run_json(*PROMOTE)
        self.assertTrue(done["changed"])
        self.assertEqual(
            CINDER_CONF.replace("ceph/one", "ceph/two").replace(
                "backend_id:two,conf:/etc/ceph/two.conf,secret:s3cret",
                "backend_id:three,\n  conf:/etc/ceph/three.conf",
            ),
            self.conf.read_text(),
        )
        self.assertEqual(
            [
                {
                    "volume_group": None,
                    "replication_devices": [
                        {"backend_id": name, "volume_group": None}
                    ],
                }
                for name in ("two", "three")
            ],
            [done["before"], done["after"]],
        )
        self.assertEqual(
            ["cinder.conf", done["backup"], "cinder.conf.re-point.json"],
            [
                self.conf.name,
                *sorted(str(p) for p in self.dir.glob("cinder.conf.before*")),
                *(p.name for p in self.dir.glob("cinder.conf.re-point*")),
            ],
        )
        self.assertEqual([], list(self.dir.glob("*being*")))

    def test_for_people(self):
        status, output, _ = self.run_host(*PROMOTE)
        self.assertEqual(0, status)
        self.assertIn(
            "is now replicated to three, it was replicated to two.\n", output
        )
        self.assertNotIn("s3cret", output)

    def test_owner_and_mode_stay(self):
        self.use_program(
            PROGRAM + "conf.unlink()\nconf.write_text('\\n'.join(lines))\n"
            "conf.chmod(0o666)\n"
        )
        self.conf.chmod(0o640)
        if os.geteuid() == 0:
            os.chown(self.conf, 4321, 1234)
        old = self.conf.stat()
        self.run_json(*PROMOTE)
        new = self.conf.stat()
        self.assertEqual(
            (0o640, old.st_uid, old.st_gid),
            (stat.S_IMODE(new.st_mode), new.st_uid, new.st_gid),
        )

    def test_undo(self):
        self.run_json(*PROMOTE)
        self.assertTrue(self.run_json("show")["undo"]["available"])
        self.assertTrue(self.run_json("undo", "ceph")["changed"])
        self.assertEqual(CINDER_CONF, self.conf.read_text())
        self.assertTrue(self.run_json(*PROMOTE)["changed"])

    def test_again_says_so_and_runs_nothing(self):
        self.run_json(*PROMOTE)
        self.use_command("false {config_file}")
        self.set_state("active")
        before = self.snapshot()
        self.assertFalse(self.run_json(*PROMOTE)["changed"])
        self.assertEqual(before, self.snapshot())

    def test_other_targets_for_a_promoted_backend(self):
        self.run_json(*PROMOTE)
        self.run_json(
            "re-point", "ceph", "--to", "two",
            "--replicate-to", "four", "--replicate-to", "five",
        )  # fmt: skip
        shown = self.run_json("show", "ceph")["backends"]["ceph"]
        self.assertEqual(
            ["four", "five"],
            [device["backend_id"] for device in shown["replication_devices"]],
        )

    def test_no_target(self):
        self.run_json("re-point", "ceph", "--to", "two")
        self.assertNotIn("replication_device", self.conf.read_text())

    def test_dry_run_runs_nothing_and_says_what_it_would(self):
        self.set_state("active")
        before = self.snapshot()
        done = self.run_json(*PROMOTE, "--dry-run")
        self.assertFalse(done["changed"])
        self.assertEqual(before, self.snapshot())
        self.assertEqual(
            [f"{self.conf}.being-re-pointed", "ceph", "two", "three"],
            done["command"][2:],
        )
        _, output, _ = self.run_host(*PROMOTE, "--dry-run")
        self.assertRegex(
            output,
            r"would become replicated to three, it is replicated to two\.\n"
            r"This would do it: .*/program.py .*being-re-pointed ceph two ",
        )

    def test_words(self):
        for command, targets, expected in (
            ("x {config_file} {to}{to}", ("b",), ["two" * 2]),
            ("x {config_file} '{to} $(id) ; {backend}'", (),
             ["two $(id) ; ceph"]),
            ("x {config_file} --target={replicate_to} z", ("b", "c"),
             ["--target=b", "--target=c", "z"]),
            ("x {config_file} {replicate_to} z", (), ["z"]),
            ("x {config_file} {replicate_to} {{x}}", ("{to}",),
             ["{to}", "{{x}}"]),
        ):  # fmt: skip
            with self.subTest(command):
                self.use_command(command)
                given = [f"--replicate-to={target}" for target in targets]
                done = self.run_json(
                    "re-point", "ceph", "--to", "two", *given, "--dry-run"
                )
                self.assertEqual(expected, done["command"][2:])

    def test_show(self):
        shown = self.run_json("show")["backends"]
        for about in shown.values():
            del about["service"]
        self.assertEqual(
            {
                "ceph": {
                    "volume_group": None,
                    "replication_devices": [
                        {"backend_id": "two", "volume_group": None}
                    ],
                    "problem": None,
                    "copying": None,
                },
                "plain": {
                    "volume_group": None,
                    "replication_devices": [],
                    "problem": None,
                    "copying": None,
                },
            },
            shown,
        )
        status, output, _ = self.run_host("show", "ceph")
        self.assertIn("[ceph]  replicated to two\n", output)

    def test_killed_while_the_command_runs(self):
        """What is left over is no obstacle, and cinder.conf is untouched."""
        self.use_program(
            "import os, signal, sys\n"
            "open(sys.argv[1], 'w').write('half')\n"
            "os.kill(os.getppid(), signal.SIGKILL)\n"
        )
        child = os.fork()
        if child == 0:
            try:
                self.run_host(*PROMOTE)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        self.assertTrue(os.WIFSIGNALED(status))
        self.assertEqual(CINDER_CONF, self.conf.read_text())
        self.assertEqual(1, len(list(self.dir.glob("*being-re-pointed"))))
        self.use_program(PROGRAM)
        self.assertTrue(self.run_json(*PROMOTE)["changed"])
        self.assertEqual([], list(self.dir.glob("*being-re-pointed")))


@ddt.ddt
class RefusedTest(CommandTestCase):
    def refuse(self, pattern, *arguments):
        complaint = self.assert_refused(pattern, *(arguments or PROMOTE))
        self.assertNotIn("s3cret", complaint)

    def test_while_the_service_runs(self):
        self.set_state("active")
        self.use_program("raise SystemExit('was run')")
        self.refuse("is active; stop it first")

    @ddt.data(
        ("raise SystemExit('No such cluster.')",
         r"^re_point_command for \[ceph\] failed with status 1: No such "
         r"cluster\.$"),
        (PROGRAM + "raise SystemExit(7)", "failed with status 7"),
        ("", r"^re_point_command for \[ceph\] changed nothing\.$"),
        ("import os, sys; os.unlink(sys.argv[1])",
         "being-re-pointed can't be read: No such file"),
        (PROGRAM + "conf.write_text('[ceph\\n')",
         "^What re_point_command made of .*/cinder.conf: line 1 is not"),
        (PROGRAM + "conf.write_text('')",
         r"cinder.conf: there is no backend section \[ceph\]"),
        (PROGRAM.replace("lines.append(line)",
                         "lines.append(line.replace('ceph,', ''))"),
         "ceph is not in enabled_backends"),
        (PROGRAM.replace("for target in targets", "for target in 'xy'"),
         r"\[ceph\] replicates to x, y, it should to three\.$"),
        (PROGRAM.replace("for target in targets", "for target in ''"),
         r"\[ceph\] replicates to nothing, it should to three\.$"),
        (PROGRAM.replace("backend_id:", "backend:"), "has no backend_id"),
        (PROGRAM.replace("lines.append(line)",
                         "lines.append(line.replace('plain', 'Plain'))"),
         r"options outside of \[ceph\] are not as they were"),
    )  # fmt: skip
    @ddt.unpack
    def test_what_the_command_made(self, program, pattern):
        self.use_program(program)
        self.refuse(pattern)

    def test_a_command_that_hangs(self):
        self.use_program("import time; time.sleep(30)", re_point_timeout=1)
        self.refuse("did not end within 1 seconds")

    @ddt.data(
        "",
        "raise SystemExit(1)",
        "path.unlink()",
    )
    def test_cinder_conf_itself_is_put_back(self, more):
        self.conf.chmod(0o640)
        self.use_program(
            f"import pathlib\npath = pathlib.Path({str(self.conf)!r})\n"
            f"path.write_text('[DEFAULT]')\n{more}"
        )
        status, _, complaint = self.run_host(*PROMOTE)
        self.assertEqual(1, status)
        self.assertEqual(
            f"re_point_command for [ceph] changed {self.conf}, which was put "
            "back; it has to edit {config_file} instead.\n",
            complaint,
        )
        self.assertEqual(CINDER_CONF, self.conf.read_text())
        self.assertEqual(0o640, stat.S_IMODE(self.conf.stat().st_mode))
        self.assertEqual([], list(self.dir.glob("*being-re-pointed")))

    @ddt.data(
        ("edit {to}", r"re_point_command in \[host\] has no {config_file}"),
        ("edit '{config_file}", "can't be split into words"),
        ("/no/such {config_file}", "can't be run: No such file"),
    )
    @ddt.unpack
    def test_commands_that_are_wrong(self, command, pattern):
        self.use_command(command)
        self.refuse(pattern)

    @ddt.data(
        (("--to", "one"), r"\[ceph\] has no replication_device with "
         r"backend_id one \(it has: two\)"),
        (("--to", "two", "--replicate-to", "two"),
         "with backend_id two replicates two to itself"),
        (("--to", "two", "--replicate-to", "x", "--replicate-to", "x"),
         "--replicate-to names backend_id x twice"),
        (("--to", "two", "--replicate-to", "default"),
         "is 'default', which Cinder keeps"),
        (("--to", "two", "--replicate-to", "a b"),
         "which is not a backend id"),
        (("--to", "two", "--replicate-to=--debug"),
         "is '--debug', which re_point_command could take for an option"),
        (("--to=-x",), "The value of --to is '-x', which"),
        (("--to", "two", "--replication-device", "backend_id:x"),
         "--replication-device does not go with re_point_command"),
    )  # fmt: skip
    @ddt.unpack
    def test_requests(self, arguments, pattern):
        self.refuse(pattern, "re-point", "ceph", *arguments)

    def test_another_primary_than_the_one_re_pointed_to(self):
        self.run_json(*PROMOTE)
        self.refuse(
            r"no replication_device with backend_id one \(it has: three\)",
            "re-point", "ceph", "--to", "one", "--replicate-to", "three",
        )  # fmt: skip

    def test_a_backend_that_is_not_there_or_not_enabled(self):
        self.refuse(r"no backend section \[x\]", "re-point", "x", "--to", "y")
        self.use(CINDER_CONF.replace("ceph,", ""))
        self.refuse(rf"^{self.conf}: ceph is not in enabled_backends")

    @ddt.data(
        ("backend_id:two", "id:two", "has no backend_id"),
        ("backend_id:two,conf:/etc/ceph/two.conf,secret:s3cret", "two",
         "is not a list of key:value pairs"),
        ("[plain]", "replication_device = backend_id:two\n[plain]",
         "names backend_id two twice"),
        ("replication_device", "[backend_defaults]\nreplication_device",
         r"inherits it from \[backend_defaults\]"),
    )  # fmt: skip
    @ddt.unpack
    def test_sections_that_are_not_understood(self, old, new, pattern):
        self.use(CINDER_CONF.replace(old, new))
        self.refuse(pattern)

    def test_refusals_as_json(self):
        self.use_program("raise SystemExit('Out of order.')")
        status, output, _ = self.run_host("--json", *PROMOTE)
        self.assertEqual(1, status)
        self.assertIn("Out of order", json.loads(output)["error"])
