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

import json
import os
import sys
from unittest import mock

from cinder_lab import errors, shape, slirp
from tests.unit.lab import base

PROGRAM = f"""#!{sys.executable}
import json, os, select, socket, sys
options = dict(
    word.lstrip("-").partition("=")[::2] for word in sys.argv[1:-1]
)
with open("options.json", "w") as file:
    json.dump(options, file)
control = socket.socket(socket.AF_UNIX)
control.bind(options["api-socket"])
control.listen()
net = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
net.bind(sys.argv[-1])
net.listen()
watched = int(options["exit-fd"])
while True:
    ready, _, _ = select.select([control, watched], [], [])
    if watched in ready:
        open("ended", "w").close()
        sys.exit()
    connection, _ = control.accept()
    request = json.loads(connection.recv(1000))
    if request["arguments"]["host_port"] == 1:
        answer = {{"error": {{"desc": "taken"}}}}
    else:
        answer = {{"return": {{"id": 1}}}}
    with open("requests", "a") as file:
        file.write(json.dumps(request) + "\\n")
    connection.sendall(json.dumps(answer).encode())
    connection.close()
"""


class SlirpTestCase(base.LabTestCase):
    """With a program that takes slirp4netns's options and requests."""

    def setUp(self):
        super().setUp()
        self.held = None
        self.process = None
        self.addCleanup(self.let_go)
        self.machine = self.folder / ("m" * 100)
        self.machine.mkdir()

    def start(self, text=PROGRAM):
        program = self.write("bin/slirp4netns", text, 0o755)
        popen = slirp.subprocess.Popen

        def start(*args, **kwargs):
            self.process = popen(*args, **kwargs)
            return self.process

        with (
            mock.patch.dict(os.environ, PATH=str(program.parent)),
            mock.patch("subprocess.Popen", start),
            (self.folder / "log").open("wb") as log,
        ):
            self.held = slirp.start(self.machine, log)

    def let_go(self):
        if self.held is not None:
            os.close(self.held)
            self.held = None
        if self.process is not None:
            self.process.wait(60)

    def requests(self):
        lines = (self.machine / "requests").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def test_lasts_as_long_as_the_descriptor(self):
        self.start()
        slirp.forward(self.machine, {10001: 22})
        self.assertFalse((self.machine / "ended").exists())
        self.let_go()
        self.assertTrue((self.machine / "ended").exists())

    def test_sockets_of_an_earlier_one_do_not_matter(self):
        for name in (slirp.SOCKET, "net-control.sock"):
            (self.machine / name).touch()
        self.start()
        slirp.forward(self.machine, {10001: 22})

    def test_reached_from_this_machine_only_and_reaches_nothing(self):
        self.start()
        slirp.forward(self.machine, {10001: 22, 10002: 80})
        self.assertEqual(
            [
                ("127.0.0.1", 10001, shape.ADDRESS, 22),
                ("127.0.0.1", 10002, shape.ADDRESS, 80),
            ],
            [
                tuple(
                    request["arguments"][name]
                    for name in (
                        "host_addr",
                        "host_port",
                        "guest_addr",
                        "guest_port",
                    )
                )
                for request in self.requests()
            ],
        )
        options = json.loads((self.machine / "options.json").read_text())
        self.assertIn("disable-host-loopback", options)
        self.assertEqual("127.0.0.1", options["outbound-addr"])

    def test_port_that_is_taken(self):
        self.start()
        with self.assertRaisesRegex(errors.LabError, "port 1:.*taken"):
            slirp.forward(self.machine, {1: 22})

    def test_program_that_ends(self):
        with self.assertRaisesRegex(errors.LabError, "did not start"):
            self.start("#!/bin/sh\nexit 1\n")

    def test_nobody_connects(self):
        with (
            mock.patch.object(slirp, "_TIMEOUT", 0),
            self.assertRaisesRegex(errors.LabError, "slirp4netns"),
        ):
            slirp.forward(self.machine, {10001: 22})
