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

"""What the verbs of the lab's command do."""

from collections.abc import Sequence
import contextlib
import datetime
import pathlib
import subprocess

from cinder_lab import (
    accel,
    bring_up,
    building,
    comparison,
    errors,
    guide,
    host,
    keys,
    project,
    qemu,
    rehearsal,
    test_run,
)
from cinder_lab import console as console_module
from cinder_lab import guest as guest_module
from cinder_lab import machine as machine_module
from cinder_lab import paths as paths_module
from cinder_lab import shape as shape_module


class Lab:
    """One lab: its folder, its machine, its cloud."""

    def __init__(self, paths: paths_module.Paths) -> None:
        self.paths = paths
        self.console = console_module.Console()
        paths.make()
        self.machine = machine_module.Machine(paths.machine)
        self.guest = guest_module.Guest(self.machine, paths.secrets)
        self.was_cold = False
        self.started_from: str | None = None

    def build(self) -> None:
        """Build what the machine starts from, as far as it has changed.

        :raises LabError: if something can't be built.
        """
        self._builder()

    def up(self, fresh: bool = False) -> None:
        """Have the cloud up, with the project as it is now.

        :param fresh: put a running machine back to where it started, too.
        :raises LabError: if it does not come up.
        """
        builder = self._builder()
        project_key, archive = self._packed_project(builder)
        image = builder.image
        accelerator = self._accelerator(image.kernel, image.initrd)
        self.machine.use(accelerator)
        cloud_key = keys.of_text(
            builder.image_key,
            self.machine.origin(image, accelerator),
            shape_module.DISK_SIZE,
            keys.of_files(paths_module.LAB, ["cinder_lab/bring_up.py"]),
        )
        ready_key = bring_up.ready_key(cloud_key, project_key)
        if self.machine.holds() == ready_key and not fresh:
            self.console.say("The lab is up already")
            return
        if self.machine.stop():
            self.console.say("The machine that ran has been stopped")
        cloud = self._cloud()
        tag = bring_up.start_from(
            self.machine.saved_states(), cloud_key, ready_key
        )
        try:
            if tag is None:
                self.machine.make_disks(image)
                with self.console.step(f"Boot ({accelerator})"):
                    self.machine.start(image, accelerator)
                    cloud.wait_for_infrastructure()
                with self.console.step("Image in Glance"):
                    cloud.upload_image()
                self._save(bring_up.CLOUD, cloud_key)
            else:
                with self.console.step(f"Go on from saved state ({tag})"):
                    self.machine.start(image, accelerator, tag)
                    cloud.wake()
            if tag != bring_up.READY:
                self.machine.forget_state(bring_up.READY)
                with self.console.step("Cinder with the project"):
                    cloud.deploy(archive)
                    cloud.wait_for_volume_services()
                    cloud.create_volume_types()
                self._save(bring_up.READY, ready_key)
            else:
                with self.console.step("Services"):
                    cloud.wait_for_volume_services()
        except errors.LabError:
            if tag is not None:
                # whatever is wrong with it, the next try shall boot
                self.machine.forget_state(tag)
            raise
        self.machine.set_holds(ready_key)
        self.started_from = tag

    def test(self, arguments: Sequence[str]) -> int:
        """Run Tempest in the guest and copy the results out.

        :param arguments: for `tempest run`; none means the whole suite.
        :returns: Tempest's exit status.
        :raises LabError: if it can't be run or the results not be copied.
        """
        if not self.machine.holds():
            self.up()
        status, _ = self._tempest(arguments)
        self.console.say(
            "Tempest: all went well"
            if status == 0
            else f"Tempest: FAILED, exit status {status}"
        )
        return status

    def compare(self, arguments: Sequence[str]) -> int:
        """Run other projects' tests on replicated volumes and on plain ones.

        Each kind of volume begins with a fresh machine. Which tests passed
        is written beside the other results.

        :param arguments: for `tempest run`; none means comparison.TESTS.
        :returns: 0 if each test ended alike with all kinds, else 1, also
            where one failed with all of them.
        :raises LabError: if the tests can't be run.
        """
        chosen = arguments or ("--regex", comparison.TESTS)
        kinds = {}
        for kind in comparison.KINDS:
            self.up(fresh=True)
            with self.console.step(f"Cinder with {kind} volumes"):
                self.machine.set_holds("")
                self.guest.run(
                    f"bash -s {kind}",
                    comparison.PREPARE.read_bytes(),
                    bring_up.SERVICES_TIMEOUT,
                )
                self._cloud().wait_for_volume_services()
            _, results = self._tempest(chosen)
            report = (results / test_run.REPORT).read_text(errors="replace")
            kinds[kind] = comparison.outcomes(report)
            passed = comparison.passed(kinds[kind])
            (results / f"passed-with-{kind}.txt").write_text(
                "".join(f"{name}\n" for name in passed)
            )
            if not passed:
                raise errors.LabError(
                    f"no test passed with {kind} volumes",
                    results / test_run.REPORT,
                )
        for line in comparison.summary(kinds):
            self.console.say(line)
        different = comparison.differences(kinds)
        unknown = comparison.failures(kinds)
        for line in different:
            self.console.say(line)
        for name in unknown:
            self.console.say(f"{name}: FAILED with all, which tells nothing")
        self.console.say(
            f"{len(different)} tests ended differently, {len(unknown)} can't "
            "be compared"
            if different or unknown
            else "All tests ended alike"
        )
        return 1 if different or unknown else 0

    def _tempest(self, arguments: Sequence[str]) -> tuple[int, pathlib.Path]:
        """Run Tempest; its exit status, and where the results are."""
        results = self._new_results()
        try:
            with self.console.step("Tempest"):
                status = test_run.run(
                    self.guest,
                    test_run.command(arguments),
                    results,
                    self.console,
                )
        finally:
            with self.console.step("Copy the results"):
                test_run.collect(self.guest, results)
            self.console.say(f"Results: {results}")
        return status, results

    def guide(self, pages: Sequence[str], kill: bool) -> None:
        """Type the command lines of the admin guide, page by page.

        Each page begins with a fresh machine.

        :param pages: names among guide.PAGES; none means all.
        :param kill: kill the runbook in each of its steps, and repeat it.
        :raises LabError: if a command fails, or there is no such page.
        """
        for page in pages:
            if page not in guide.PAGES:
                raise errors.LabError(
                    f"the guide has no page {page} with commands; there are "
                    f"{', '.join(guide.PAGES)}"
                )
        for page in pages or guide.PAGES:
            self.up(fresh=True)
            results = self._new_results()
            try:
                with self.console.step(f"Guide, {page}"):
                    rehearsal.run(
                        self.guest,
                        guide.commands(guide.FOLDER / f"{page}.rst"),
                        results / f"{page}.log",
                        self.console,
                        kill,
                    )
            finally:
                test_run.collect(self.guest, results)
                self.console.say(f"Results: {results}")

    def e2e(self, keep: bool) -> int:
        """Do everything, from nothing to the results, and tell the figures.

        :param keep: leave the machine running afterwards.
        :returns: Tempest's exit status.
        :raises LabError: if something on the way fails.
        """
        try:
            self.up(fresh=True)
            return self.test(())
        finally:
            self._figures()
            if not keep and self.machine.stop():
                self.console.say("The machine has been stopped")

    def down(self) -> None:
        """Stop the machine; saved states and images stay."""
        if self.machine.stop():
            self.console.say("The machine has been stopped")
        else:
            self.console.say("The machine was not running")

    def logs(self, units: Sequence[str], follow: bool) -> int:
        """Show the journal of the guest's services, or the console's log.

        :returns: an exit status.
        """
        if self.machine.pid() is None:
            with contextlib.suppress(OSError):
                print(self.machine.console_log.read_text(errors="replace"))
            print("(the machine is not running: this was its console)")
            return 0
        words = ["journalctl", "-o", "short-precise", "--no-pager"]
        words += ["-f"] if follow else ["-n", "500"]
        for unit in units:
            words += ["-u", unit]
        return self.guest.interactive(words)

    def status(self) -> int:
        """Say what there is and what runs.

        :returns: 0 if the cloud is up with the project as it is now.
        """
        builder = building.Builder(self.paths, self.console)
        building.make_credentials(self.paths)
        print(f"folder: {self.paths.work}")
        print(f"image: {'current' if builder.is_current() else 'stale'}")
        if self.machine.saves:
            saved = ", ".join(self.machine.saved_states()) or "none"
            print(f"saved states: {saved}")
        pid = self.machine.pid()
        if pid is None:
            print("machine: not running")
            return 1
        print(f"machine: running, process {pid}")
        for name in self.machine.shape.ports:
            print(f"{name}: 127.0.0.1:{self.machine.port(name)}")
        print(f"peak memory: {self.machine.peak_memory() / 2**30:.1f} GiB")
        return self.guest.interactive(
            ["openstack", "volume", "service", "list"]
        )

    def _cloud(self) -> bring_up.Cloud:
        return bring_up.Cloud(
            self.machine,
            self.guest,
            building.make_credentials(self.paths),
            self.console,
        )

    def _save(self, tag: str, key: str) -> None:
        if self.machine.saves:
            with self.console.step(f"Save the machine ({tag})"):
                self.machine.save(tag, key)

    def _new_results(self) -> pathlib.Path:
        """Return a new folder for results."""
        now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        results = self.paths.results / now
        results.mkdir(parents=True)
        return results

    def _builder(self) -> building.Builder:
        """Return the builder once everything is built."""
        check_host(self)
        building.make_credentials(self.paths)
        builder = building.Builder(self.paths, self.console)
        self.was_cold = builder.is_cold()
        builder.build()
        return builder

    def _packed_project(
        self, builder: building.Builder
    ) -> tuple[str, pathlib.Path]:
        """Return the key of the project and the archive with it."""
        key = project.key(builder.python_key)
        archive = self.paths.cache / f"project-{key}.tar"
        if archive.exists():
            return key, archive
        with self.console.step("Project"):
            for old in self.paths.cache.glob("project-*.tar"):
                old.unlink()
            new = self.paths.cache / "project.new"
            project.pack(
                builder.python_tree, new, self.paths.logs / "project.log"
            )
        if project.key(builder.python_key) != key:
            raise errors.LabError(
                "the project was changed while it was packed; run this again"
            )
        new.rename(archive)
        return key, archive

    def _accelerator(self, kernel: pathlib.Path, initrd: pathlib.Path) -> str:
        def trial() -> bool:
            with self.console.step("Trial boot under KVM"):
                works = accel.trial_boot(
                    kernel, initrd, self.paths.logs / "kvm-trial.log"
                )
            self.console.say(
                "KVM works" if works else "KVM does not work here: TCG it is"
            )
            return works

        return accel.choose(
            self.paths.work / "accelerator.json",
            qemu.version,
            trial,
        )

    def _figures(self) -> None:
        say = self.console.say
        say("")
        for step in self.console.steps:
            taken = console_module.duration(step.seconds or 0)
            say(f"{step.name:40} {taken:>12}{'  FAILED' * step.failed}")
        total = console_module.duration(self.console.elapsed())
        if self.was_cold:
            kind = "cold, nothing was cached"
        elif self.started_from is None:
            kind = "some of it cached"
        else:
            kind = f'warm, from the saved state "{self.started_from}"'
        say(f"{'Total':40} {total:>12}  ({kind})")
        say(f"Peak memory: {self.machine.peak_memory() / 2**30:.1f} GiB")
        say(f"Disk used: {_disk_used(self.paths.work) / 2**30:.1f} GiB")


def _disk_used(folder: pathlib.Path) -> int:
    """Return the bytes that a folder takes on the disk."""
    done = subprocess.run(
        ["du", "-s", "-B1", str(folder)], capture_output=True, text=True
    )
    words = done.stdout.split()
    return int(words[0]) if words else 0


def check_host(lab: Lab) -> None:
    """Make sure of this machine's Python and tools.

    :raises LabError: if they can't be had.
    """
    host.check_python()
    host.install_missing(
        lab.console, lab.paths.logs / "host.log", accel.asked_for()
    )
