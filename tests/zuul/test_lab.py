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

"""What the lab does around Zuul; Zuul itself runs in it alone."""

import contextlib
import http.server
import io
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from unittest import mock

from zuul_check import loaded, tenant
from zuul_lab import cli, frozen, packages, programs, repositories, web

# Starts a child, tells its number, and ignores the wish to end.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(subprocess.Popen(["sleep", "600"]).pid, flush=True)
time.sleep(600)
"""
LOG = """\
12:00:00,1 ERROR cherrypy.error.1:   zuul.model.Other: Job other
12:00:01,1 ERROR cherrypy.error.1: [req: 1] HTTP
12:00:01,1 ERROR cherrypy.error.1:   Traceback (most recent call last):
12:00:01,1 ERROR cherrypy.error.1:     File "zuul/model.py", line 1, in x
12:00:01,1 ERROR cherrypy.error.1:       raise pending_errors[job.uuid]
12:00:01,1 ERROR cherrypy.error.1:   zuul.model.Error: Job mine is abstract: no
12:00:01,1 INFO cherrypy.access.1: [req: 1] GET /freeze-jobs HTTP/1.1 500
"""
JOB = {
    "nodeset": {
        "nodes": [{"name": "controller", "label": "debian"}],
        "groups": [{"name": "tempest", "nodes": ["controller"]}],
    },
    "timeout": 7200,
    "override_checkout": None,
    "projects": [{"name": "openstack/tempest"}, {"name": "openstack/cinder"}],
    "pre_playbooks": [],
    "playbooks": [{"project": "openstack/tempest", "path": "run.yaml"}],
    "post_playbooks": [],
    "vars": {
        "devstack_services": {"c-vol": True, "c-api": True, "c-bak": False},
        "zuul_copy_output": {"/var/log": "logs"},
    },
    "extra_vars": None,
    "host_vars": {"controller": {"tox_envlist": "all"}},
    "group_vars": {"subnode": {"tox_envlist": "none"}},
}


class TemporaryTest(unittest.TestCase):
    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)


class ProgramsTest(TemporaryTest):
    def test_ends_before_it_is_ready(self) -> None:
        command = [sys.executable, "-c", "print('no'); raise SystemExit(3)"]
        with programs.running("it", command, self.directory) as program:
            with self.assertRaisesRegex(
                programs.LabError, "(?s)it ended with status 3.*no"
            ):
                program.wait(lambda: False, 30)

    def test_is_never_ready(self) -> None:
        with programs.running(
            "it", ["sleep", "600"], self.directory
        ) as program:
            with self.assertRaisesRegex(
                programs.LabError, "it was not ready in 0.5 seconds"
            ):
                program.wait(lambda: False, 0.5)

    def test_may_end_in_order(self) -> None:
        script = "trap 'echo bye; exit' TERM; echo on; sleep 600 & wait"
        with programs.running(
            "it", ["bash", "-c", script], self.directory
        ) as program:
            program.wait(lambda: program.log.stat().st_size > 1, 30)
        self.assertEqual("on\nbye\n", program.log.read_text())

    def test_stops_children(self) -> None:
        """Also when the block fails and the program ignores the signal."""
        with (
            mock.patch.object(programs, "_STOP_SECONDS", 0.5),
            self.assertRaises(ZeroDivisionError),
            programs.running(
                "it", [sys.executable, "-c", STUBBORN], self.directory
            ) as program,
        ):
            program.wait(lambda: program.log.stat().st_size > 1, 30)
            child = int(program.log.read_text())
            raise ZeroDivisionError
        self.wait_gone(child)

    def wait_gone(self, number: int) -> None:
        end = time.monotonic() + 10
        while _runs(number):
            self.assertLess(time.monotonic(), end, "the child goes on")
            time.sleep(0.05)

    def test_listens(self) -> None:
        port = programs.free_port()
        self.assertFalse(programs.listens(port))
        server = http.server.HTTPServer(
            ("127.0.0.1", port), http.server.BaseHTTPRequestHandler
        )
        self.addCleanup(server.server_close)
        self.assertTrue(programs.listens(port))


def _runs(number: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        text = pathlib.Path(f"/proc/{number}/stat").read_text()
    except FileNotFoundError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


class RepositoriesTest(TemporaryTest):
    def test_served(self) -> None:
        member = tenant.Member("openstack/x", {"zuul.d/a.yaml": "é: 1\n"})
        with repositories.served(self.directory, [member]) as url:
            subprocess.run(
                ["git", "clone", "--quiet", f"{url}/openstack/x", "clone"],
                cwd=self.directory,
                check=True,
            )
        clone = self.directory / "clone"
        self.assertEqual("é: 1\n", (clone / "zuul.d" / "a.yaml").read_text())
        self.assertTrue((clone / "README").exists())


class PackagesTest(unittest.TestCase):
    def test_nothing_missing(self) -> None:
        with (
            mock.patch.object(packages, "_PACKAGES", {"python": "python3"}),
            mock.patch("subprocess.run", side_effect=AssertionError),
        ):
            packages.install_missing()

    def test_no_right(self) -> None:
        refused = subprocess.CompletedProcess([], 1)
        with (
            mock.patch.object(packages, "_PACKAGES", {"no-such": "no-such"}),
            mock.patch("os.geteuid", return_value=1000),
            mock.patch("shutil.which", {"apt-get": "apt-get"}.get),
            mock.patch("subprocess.run", return_value=refused),
            self.assertRaisesRegex(
                programs.LabError, "as root: apt-get install .* no-such"
            ),
        ):
            packages.install_missing()

    def test_no_debian(self) -> None:
        with (
            mock.patch.object(packages, "_PACKAGES", {"no-such": "no-such"}),
            mock.patch("shutil.which", return_value=None),
            self.assertRaisesRegex(
                programs.LabError, "what Debian calls no-such"
            ),
        ):
            packages.install_missing()


class FrozenTest(unittest.TestCase):
    def test_summary(self) -> None:
        self.assertEqual(
            {
                "nodes": {"controller": "debian"},
                "timeout": 7200,
                "projects": ["openstack/cinder", "openstack/tempest"],
                "run": ["openstack/tempest: run.yaml"],
                "vars": {
                    "devstack_services": {
                        "enabled": "c-api c-vol",
                        "disabled": "c-bak",
                    }
                },
                "host-vars": {"controller": {"tox_envlist": "all"}},
            },
            frozen.summary(JOB),
        )

    def test_difference(self) -> None:
        job = frozen.summary(JOB)
        expected = frozen.dump({"openstack/tempest": "1"}, {"mine": job})
        same = frozen.dump({"openstack/tempest": "2"}, {"mine": job})
        self.assertEqual([], frozen.difference(expected, same))
        found = frozen.dump({}, {"mine": {**job, "timeout": 1}})
        lines = frozen.difference(expected, found)
        self.assertIn("-    timeout: 7200", lines)
        self.assertIn("+    timeout: 1", lines)
        none = frozen.dump({}, {})
        self.assertIn("-  mine:", frozen.difference(expected, none))


class WebTest(TemporaryTest):
    ANSWERS = {
        "tenants": [{"name": "check"}],
        "tenant/check/status": {},
        "tenant/check/jobs": [{"name": "mine"}, {"name": "base"}],
        "tenant/check/config-errors?limit=100000": [
            {
                "source_context": {"project": name, "path": "zuul.yaml"},
                "error": 'Wrong.\n\n  in "x/zuul.yaml@master", line 3',
                "short_error": "Wrong",
            }
            for name in ("openstack/mine", "openstack/stub")
        ],
    }
    PIPELINE = (
        "tenant/check/pipeline/gate/project/openstack/mine/branch/master"
    )
    ANSWERS[f"{PIPELINE}/freeze-jobs"] = [{"name": "mine"}]
    ANSWERS[f"{PIPELINE}/freeze-job/mine"] = JOB

    def setUp(self) -> None:
        super().setUp()
        answers = self.ANSWERS

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = answers.get(self.path.removeprefix("/api/"))
                self.send_response(500 if answer is None else 200)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.log = self.directory / "zuul-web.log"
        self.log.write_text(LOG)
        self.web = web.Web(f"http://127.0.0.1:{server.server_port}", self.log)

    def tenant(self) -> web.Tenant:
        members = [
            tenant.Member("openstack/mine", {}, real=True),
            tenant.Member("openstack/stub", {}),
        ]
        return web.Tenant(self.web, "check", members)

    def test_loaded(self) -> None:
        self.assertTrue(self.web.loaded(["check"]))
        self.assertFalse(self.web.loaded(["check", "other"]))

    def test_errors(self) -> None:
        self.assertEqual(
            [loaded.Error("openstack/mine", "zuul.yaml", 3, "Wrong")],
            self.tenant().errors,
        )

    def test_jobs(self) -> None:
        asked = self.tenant()
        self.assertEqual({"mine", "base"}, asked.job_names())
        self.assertEqual(
            {
                "mine": loaded.Job(
                    "mine",
                    JOB["vars"],
                    [{}, {"tox_envlist": "all"}, {"tox_envlist": "none"}],
                )
            },
            asked.freeze("gate"),
        )

    def test_freeze_fails(self) -> None:
        with self.assertRaisesRegex(
            loaded.FreezeError, "^Job mine is abstract: no$"
        ):
            self.tenant().freeze("check")

    def test_freeze_fails_without_a_reason(self) -> None:
        self.log.write_text("")
        with self.assertRaisesRegex(loaded.FreezeError, "not say why"):
            self.tenant().freeze("check")


class DescribeTest(unittest.TestCase):
    def describe(self, *members: tenant.Member) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as output:
            cli.describe(list(members))
        return output.getvalue()

    def test_describe(self) -> None:
        mine = tenant.Member("openstack/mine", {"zuul.yaml": ""}, real=True)
        stub = tenant.Member("openstack/stub", {"zuul.yaml": ""})
        empty = tenant.Member("openstack/empty", {})
        text = self.describe(mine, stub, empty)
        self.assertRegex(text, "as they are: openstack/mine\n")
        self.assertRegex(text, "of them: openstack/stub\n")
        self.assertRegex(text, "configuration: openstack/empty\n")
        self.assertRegex(self.describe(mine), "configuration: none\n")


class CommandTest(TemporaryTest):
    def run_lab(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "zuul_lab", *arguments],
            capture_output=True,
            text=True,
        )

    def test_parents_are_needed(self) -> None:
        done = self.run_lab()
        self.assertEqual(2, done.returncode)
        self.assertRegex(done.stderr, "--repository openstack/devstack=PATH")

    def test_no_such_repository(self) -> None:
        done = self.run_lab("--repository", "openstack/devstack=/no/where")
        self.assertEqual(2, done.returncode)
        self.assertIn("/no/where is not a directory.", done.stderr)

    def test_interrupted(self) -> None:
        """SIGTERM stops what the lab has started."""
        script = re.sub(
            "(?m)^ {12}",
            "",
            """\
            import pathlib, sys
            from zuul_lab import cli, programs
            def run(parsed):
                with programs.running(
                    "it", ["sleep", "600"], pathlib.Path(sys.argv[1])
                ) as program:
                    print(program._process.pid, flush=True)
                    program.wait(lambda: False, 600)
            cli.run = run
            sys.exit(cli.main([]))
            """,
        )
        lab = subprocess.Popen(
            [sys.executable, "-c", script, str(self.directory)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        child = int(lab.stdout.readline())
        self.assertTrue(_runs(child))
        lab.send_signal(signal.SIGTERM)
        _, said = lab.communicate(timeout=60)
        self.assertEqual(130, lab.returncode)
        self.assertIn("interrupted", said)
        self.assertFalse(_runs(child))


if __name__ == "__main__":
    unittest.main()
