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

"""The admin guide says what the programs understand.

That its commands do what it says is for the lab to find out, which runs them.
"""

import configparser
import contextlib
import importlib.metadata
import io
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import types
import unittest
from unittest import mock

from cinder_promote.cmd import host as host_command
from cinder_promote.cmd import promote
from cinder_promote.manage import app as manage_app
from cinder_promote.runbook import cloud, promotion, steps
from tests.unit import lab  # noqa: F401  puts cinder_lab where it is found

from cinder_lab import guide  # isort: skip

TOP = pathlib.Path(__file__).resolve().parents[3]
DISK_COMMAND = TOP / "devstack/files/cinder-promote-disk"


def commands(page):
    return guide.commands(guide.FOLDER / f"{page}.rst")


def openstack_commands():
    """The commands of the volume service, by their words."""
    setup = configparser.ConfigParser()
    setup.read(TOP / "setup.cfg")
    group = "openstack.volume.v3"
    found = {
        point.name: point
        for point in importlib.metadata.entry_points(group=group)
    }
    for line in setup["entry_points"][group].split("\n"):
        if line:
            name, reference = line.split(" = ")
            found[name] = importlib.metadata.EntryPoint(
                name, reference, group
            )
    return {tuple(name.split("_")): point for name, point in found.items()}


def parse_openstack(words):
    if words[0] == "--os-volume-api-version":
        words = words[2:]
    known = openstack_commands()
    for length in range(len(words), 0, -1):
        point = known.get(tuple(words[:length]))
        if point:
            parser = point.load()(mock.Mock(), None).get_parser("openstack")
            return parser.parse_args(words[length:])
    raise AssertionError(f"openstack has no such command: {words}")


def parse_with(app, words):
    factory, name, rest = app.command_manager.find_command(words)
    return factory(app, None).get_parser(name).parse_args(rest)


def parse_disk(words):
    verb, disk = words
    assert disk in ("lvm-a", "lvm-b", "lvm-c"), words
    text = DISK_COMMAND.read_text()
    assert re.search(rf"(?m)^    {verb}\)", text), words


PARSERS = {
    "openstack": parse_openstack,
    "cinder-promote": lambda words: parse_with(promote.Application(), words),
    "cinder-promote-host": lambda words: host_command._parser(
        by_ssh=False
    ).parse_args(words),
    "cinder-promote-manage": lambda words: parse_with(
        manage_app.Manage(), words
    ),
    "cinder-promote-disk": parse_disk,
}
ON_THE_STORAGE_HOST = {
    "cinder-promote-host",
    "cinder-promote-manage",
    "cinder-promote-disk",
}


ARGUMENTS = "{config_file} {backend} {to} {replicate_to}"


class CommandsTest(unittest.TestCase):
    def test_each_is_understood(self):
        for page in guide.PAGES:
            for command in commands(page):
                program, *words = shlex.split(command.text)
                complaint = io.StringIO()
                with (
                    self.subTest(command.source),
                    contextlib.redirect_stderr(complaint),
                ):
                    try:
                        PARSERS[program](words)
                    except SystemExit:
                        self.fail(f"{command.text}: {complaint.getvalue()}")

    def test_each_stands_where_it_is_typed(self):
        for page in guide.PAGES:
            for command in commands(page):
                with self.subTest(command.source):
                    self.assertEqual(
                        guide.STORAGE_HOST
                        if command.text.split()[0] in ON_THE_STORAGE_HOST
                        else guide.OPERATOR,
                        command.place,
                    )

    def test_each_page_ends_by_looking_at_what_was_reached(self):
        for page in guide.PAGES:
            with self.subTest(page):
                self.assertTrue(commands(page)[-1].output)


class ByHandTest(unittest.TestCase):
    """By hand, the same is typed as the runbook says that it does."""

    def typed_by_the_runbook(self):
        options = types.SimpleNamespace(
            storage_host_addresses={"cinder-lab": "local"},
            storage_host_command="cinder-promote-host",
            storage_host_timeout=1,
        )
        run = promotion.Promotion(
            cloud.Name("cinder-lab@lvm-a"),
            ["cinder-lab@lvm-a"],
            "lvm-b",
            ["lvm-c"],
            mock.Mock(),
            options,
            mock.Mock(),
        )
        return [
            line for step in steps.STEPS[:-1] for line in step.commands(run)
        ]

    def test_commands(self):
        changes = [
            command.text
            for command in commands("by-hand")
            if not command.output and "--dry-run" not in command.text
        ]
        typed = self.typed_by_the_runbook()
        self.assertGreater(len(typed), 6)
        self.assertEqual(typed, changes[-len(typed) :])

    def test_sections(self):
        text = (guide.FOLDER / "by-hand.rst").read_text()
        titles = re.findall(r"(?m)^\d+\. (\S+)", text)
        self.assertEqual(
            [step.name.split("_in_")[0] for step in steps.STEPS],
            [title.lower().replace("-", "_") for title in titles[1:]],
        )


class RePointRBDTest(unittest.TestCase):
    """The example of a re-point command for Ceph RBD."""

    SCRIPT = guide.FOLDER / "re-point-rbd.sh"

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        self.file = folder / "cinder.conf"
        page = (guide.FOLDER / "other-drivers.rst").read_text()
        [section] = re.findall(r"(?ms)^   (\[rbd-a\]$.*?)^\S", page)
        self.before = (
            "[DEFAULT]\nenabled_backends = rbd-a\n# kept\n"
            + re.sub(r"(?m)^   ", "", section)
            + "[other]\nrbd_ceph_conf = /etc/ceph/other.conf\n"
        )
        self.file.write_text(self.before)

    def re_point(self, backend="rbd-a"):
        return subprocess.run(
            [self.SCRIPT, self.file, backend, "ceph-b", "ceph-c"],
            check=False,
            capture_output=True,
            text=True,
        )

    def test_three_options_change_and_nothing_else(self):
        done = self.re_point()
        self.assertEqual(0, done.returncode, done.stderr)
        changed = {
            before: after
            for before, after in zip(
                self.before.splitlines(),
                self.file.read_text().splitlines(),
                strict=True,
            )
            if before != after
        }
        target = "replication_device = backend_id:{0},conf:/etc/ceph/{0}.conf"
        self.assertEqual(
            {
                "rbd_cluster_name = ceph-a": "rbd_cluster_name = ceph-b",
                "rbd_ceph_conf = /etc/ceph/ceph-a.conf": (
                    "rbd_ceph_conf = /etc/ceph/ceph-b.conf"
                ),
                f"{target.format('ceph-b')},user:cinder": (
                    f"{target.format('ceph-c')},user:cinder"
                ),
            },
            changed,
        )

    def test_as_a_re_point_command(self):
        options = self.file.with_name("host.conf")
        options.write_text(
            "[host]\n"
            f"cinder_config_file = {self.file}\n"
            "other_cinder_config =\n"
            "status_command = echo inactive\n"
            f"re_point_command = {self.SCRIPT} {ARGUMENTS}\n"
        )
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            status = host_command.main(
                ["--config-file", str(options), "re-point", "rbd-a"]
                + ["--to", "ceph-b", "--replicate-to", "ceph-c"]
            )
        self.assertEqual(0, status, said.getvalue())
        self.assertIn("backend_id:ceph-c,", self.file.read_text())
        page = (guide.FOLDER / "other-drivers.rst").read_text()
        self.assertIn(f"re-point-rbd {ARGUMENTS}\n", page)

    def test_another_section_is_refused(self):
        for backend in ("rbd", "other"):
            self.assert_refused(self.before, backend)

    def test_an_option_that_is_missing_or_there_twice_is_refused(self):
        for option in ("cluster_name", "ceph_conf", "device"):
            line = re.compile(rf"(?m)^\w+_{option} = \S+-[ab]\S*\n")
            for count in (0, 2):
                with self.subTest(option, count=count):
                    changed = line.sub(
                        lambda found, count=count: found[0] * count,
                        self.before,
                    )
                    self.assertNotEqual(self.before, changed)
                    self.assert_refused(changed, "rbd-a")

    def assert_refused(self, text, backend):
        self.file.write_text(text)
        done = self.re_point(backend)
        self.assertNotEqual(0, done.returncode)
        self.assertIn(f"[{backend}]", done.stderr)
        self.assertEqual(text, self.file.read_text())
