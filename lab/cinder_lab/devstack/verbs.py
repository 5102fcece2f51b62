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

"""What the sub-verbs of `lab devstack` do."""

from collections.abc import Iterator, Sequence
import contextlib
import datetime
import json
import pathlib
import shutil

from cinder_lab import (
    accel,
    building,
    commands,
    errors,
    host,
    keys,
    qemu,
    test_run,
)
from cinder_lab import console as console_module
from cinder_lab import guest as guest_module
from cinder_lab import image as image_module
from cinder_lab import machine as machine_module
from cinder_lab import paths as paths_module
from cinder_lab.devstack import builder as builder_module
from cinder_lab.devstack import (
    clouds,
    image_layer,
    plugin,
    sources,
    stacking,
    traces,
)

BACKENDS = 3
"""The plugin's default."""

BOOT_TIMEOUT = 900

BOOTED = "booted"
"""The saved state before anything was stacked."""

STACKED = "stacked"
"""The saved state with the whole cloud up."""

UNFINISHED = "unfinished"
"""What the machine holds while, or after, a script of DevStack's failed."""


class DevStack:
    """DevStack's machine for one cloud, in a lab.

    :param base: where repositories are fetched from.
    :param branch: of DevStack and the services.
    :param with_plugin: whether the project's plugin is enabled.
    :param more: lines for local.conf beside the lab's own.
    """

    def __init__(
        self,
        paths: paths_module.Paths,
        console: console_module.Console,
        cloud: clouds.Cloud,
        base: str,
        branch: str = sources.BRANCH,
        with_plugin: bool = True,
        more: str = "",
    ) -> None:
        self.paths = paths
        self.console = console
        self._cloud = cloud
        self._base = base
        self._with_plugin = with_plugin
        self._more = more
        self._sources = sources.Sources(paths, base, branch, cloud)
        folder = paths.work / cloud.name
        folder.mkdir(parents=True, exist_ok=True)
        self._traces = folder / "traces.json"
        self._script_logs: list[pathlib.Path] = []
        self.machine = machine_module.Machine(folder, cloud.shape)
        self._root = guest_module.Guest(self.machine, paths.secrets)
        self._stack = guest_module.Guest(
            self.machine, paths.secrets, image_layer.USER
        )

    def build(self, renew: bool = False) -> builder_module.Builder:
        """Build what the machine starts from, as far as it has changed.

        :param renew: fetch the repositories anew.
        :raises LabError: if something can't be built.
        """
        host.check_python()
        host.install_missing(
            self.console, self.paths.logs / "host.log", accel.asked_for()
        )
        self._sources.fetch(self.console, renew)
        builder = self._builder()
        builder.build()
        return builder

    def build_as_root(self, part: str) -> None:
        """Build a part that root must build.

        :raises LabError: if it can't be built.
        """
        self._builder().build_as_root(part)

    def up(self, fresh: bool = False) -> None:
        """Have the machine running, stacked if that has been done.

        A machine that runs is left as it is.

        :param fresh: have it as it is before anything is stacked, even if
            another one runs.
        :raises LabError: if it does not come up.
        """
        if self.machine.pid() is not None and not fresh:
            self.console.say("DevStack's machine is up already")
            return
        builder = self.build()
        image = builder.image
        accelerator = self._accelerator(image.kernel, image.initrd)
        self.machine.use(accelerator)
        booted_key = keys.of_text(
            builder.image_key,
            self.machine.origin(image, accelerator),
            keys.of_files(clouds.FOLDER, ["traces"]),
        )
        if self.machine.stop():
            self.console.say("The machine that ran has been stopped")
        saved = self.machine.saved_states()
        if saved.get(BOOTED) != booted_key:
            self._boot(image, accelerator, booted_key)
            return
        stacked = saved.get(STACKED) == self._stacked_key(booted_key)
        tag = STACKED if stacked and not fresh else BOOTED
        try:
            with self.console.step(f"Go on from saved state ({tag})"):
                self.machine.start(image, accelerator, tag)
                self._root.wait(120)
                self._root.set_clock()
        except errors.LabError:
            # whatever is wrong with it, the next try shall boot
            self.machine.forget_state(tag)
            raise
        self.machine.set_holds(saved[tag])

    def stack(self) -> None:
        """Run stack.sh with the project and local.conf as they are now.

        That is in a fresh machine, or in one that has been unstacked.

        :raises LabError: if it fails, or Cinder does not come up.
        """
        saved = self.machine.saved_states()
        known = (saved.get(BOOTED), traces.UNSTACKED)
        self.up(fresh=self.machine.holds() not in known)
        archive = self.paths.cache / "devstack-plugin.tar"
        plugin.pack(archive, self.paths.logs / "devstack-plugin.log")
        key = self._stacked_key(self.machine.saved_states()[BOOTED])
        self.machine.forget_state(STACKED)
        with self._changing(key), self.console.step("stack.sh"):
            stacking.put_in(self._stack, archive, self._local_conf())
            self._run_script("stack.sh")
        if self._with_plugin:
            with self.console.step("Backends"):
                stacking.wait_for_pools(self._stack, BACKENDS)
        self._save(STACKED, key)

    def test(self, arguments: Sequence[str]) -> int:
        """Run Tempest in the stacked machine and copy the results out.

        :param arguments: for `tempest run`; none means the project's tests.
        :returns: Tempest's exit status.
        :raises LabError: if it can't be run.
        """
        self._have_stacked()
        results = self._new_results()
        line = stacking.tempest_command(
            arguments or test_run.DEFAULT_ARGUMENTS
        )
        try:
            with self.console.step("Tempest"):
                status = test_run.run(self._stack, line, results, self.console)
        finally:
            self._collect(results)
        self.console.say(
            "Tempest: all went well"
            if status == 0
            else f"Tempest: FAILED, exit status {status}"
        )
        return status

    def reboot(self) -> None:
        """Restart the stacked system; see that the cloud comes back.

        :raises LabError: if it does not.
        """
        self._have_stacked()
        with self.console.step("Reboot"):
            with commands.Progress(self.console, self.machine.last_words):
                stacking.reboot(self._root, BOOT_TIMEOUT, self.machine.restart)
            stacking.wait_for_pools(self._stack, BACKENDS)

    def unstack(self) -> None:
        """Run unstack.sh and see that it leaves nothing of the plugin.

        :raises LabError: if it fails or leaves something.
        """
        self._take_down("unstack.sh", traces.UNSTACKED)

    def clean(self) -> None:
        """Run clean.sh and see that it leaves nothing of the plugin.

        DevStack removes packages that only the image had: nothing can be
        stacked afterwards until the machine is fresh again.

        :raises LabError: if it fails or leaves something.
        """
        self._take_down("clean.sh", traces.CLEANED)

    def rounds(self, arguments: Sequence[str]) -> int:
        """Do everything, from nothing to a clean machine; tell the times.

        What is stacked after unstack.sh has other settings.

        :param arguments: for `tempest run`.
        :returns: Tempest's exit status, the first one that is not 0.
        :raises LabError: if something on the way fails.
        """
        try:
            self.up(fresh=True)
            self.stack()
            status = self.test(arguments)
            self.reboot()
            self.unstack()
            self._more += self._cloud.text("localrc-again")
            self.stack()
            again = self.test(arguments)
            self.clean()
            return status or again
        finally:
            with contextlib.suppress(errors.LabError):
                self.logs()
            self._times()

    def ssh(self, words: Sequence[str]) -> int:
        """Be the stack user in the machine, or run a command as it.

        :returns: its exit status.
        """
        return self._stack.interactive(words)

    def down(self) -> None:
        """Stop the machine; saved states and images stay."""
        if self.machine.stop():
            self.console.say("The machine has been stopped")
        else:
            self.console.say("The machine was not running")

    def logs(self) -> None:
        """Copy logs and configuration out of the machine.

        :raises LabError: if it does not hand them over.
        """
        self._collect(self._new_results())

    def _builder(self) -> builder_module.Builder:
        return builder_module.Builder(
            self.paths, self._cloud, self._sources, self.console
        )

    def _collect(self, results: pathlib.Path) -> None:
        with self.console.step("Copy the results"):
            test_run.collect(
                self._root,
                results,
                "bash -s",
                (clouds.FOLDER / "collect").read_bytes(),
            )
            for log in self._script_logs:
                shutil.copy(log, results)
        self.console.say(f"Results: {results}")

    def _have_stacked(self) -> None:
        """Have a stacked machine running, whatever that takes."""
        self.up()
        holds = self.machine.holds()
        if holds == self.machine.saved_states().get(STACKED):
            return
        if holds in (UNFINISHED, traces.CLEANED):
            self.console.say(f"The machine was {holds}")
        self.stack()

    def _take_down(self, script: str, state: str) -> None:
        self.up()
        before = set(json.loads(self._traces.read_text()))
        with self._changing(state):
            with self.console.step(script):
                self._run_script(script)
            with self.console.step(f"What is left when {state}"):
                traces.check(before, self._root, state)

    def _run_script(self, script: str) -> None:
        now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        log = self.paths.logs / f"{now}-{script}.log"
        self.console.say(f"  the log is {log}")
        self._script_logs.append(log)
        stacking.run_script(self._stack, script, log, self.console)

    @contextlib.contextmanager
    def _changing(self, state: str) -> Iterator[None]:
        """Note what the machine holds: a state, once the block is done."""
        self.machine.set_holds(UNFINISHED)
        yield
        self.machine.set_holds(state)

    def _boot(
        self, image: image_module.Image, accelerator: str, key: str
    ) -> None:
        self.machine.make_disks(image)
        with self.console.step(f"Boot ({accelerator})"):
            self.machine.start(image, accelerator)
            with commands.Progress(self.console, self.machine.last_words):
                self._root.wait(BOOT_TIMEOUT)
                self._root.set_clock()
                # what starts slowly shall not start while things are stacked
                self._root.run(
                    "systemctl is-system-running --wait || true",
                    timeout=BOOT_TIMEOUT,
                )
            found = sorted(traces.find(self._root))
            self._traces.write_text(json.dumps(found))
        self._save(BOOTED, key)
        self.machine.set_holds(key)

    def _save(self, tag: str, key: str) -> None:
        if self.machine.saves:
            with self.console.step(f"Save the machine ({tag})"):
                self.machine.save(tag, key)
        else:
            self.machine.save(tag, key)

    def _stacked_key(self, booted_key: str) -> str:
        return keys.of_text(booted_key, plugin.key(), self._local_conf())

    def _local_conf(self) -> str:
        return stacking.local_conf(
            self._cloud,
            building.make_credentials(self.paths),
            self._base,
            self._with_plugin,
            self._more,
        )

    def _accelerator(self, kernel: pathlib.Path, initrd: pathlib.Path) -> str:
        return accel.choose(
            self.paths.work / "accelerator.json",
            qemu.version,
            lambda: accel.trial_boot(
                kernel, initrd, self.paths.logs / "kvm-trial.log"
            ),
        )

    def _new_results(self) -> pathlib.Path:
        now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        results = self.paths.results / f"{self._cloud.name}-{now}"
        results.mkdir(parents=True)
        return results

    def _times(self) -> None:
        self.console.say("")
        for step in self.console.steps:
            taken = console_module.duration(step.seconds or 0)
            failed = "  FAILED" * step.failed
            self.console.say(f"{step.name:40} {taken:>12}{failed}")
        total = console_module.duration(self.console.elapsed())
        self.console.say(f"{'Total':40} {total:>12}")
