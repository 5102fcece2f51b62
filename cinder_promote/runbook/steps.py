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

"""The steps of a promotion, in their order.

What a person would type for each, what it leaves, how it is carried out and
how it is taken back are here and nowhere else. A step may be carried out again
when it was begun before.
"""

import json
import shlex
import time
from typing import Any

from cinder_promote.client import requests
from cinder_promote.runbook import (
    errors,
    protection,
    records,
    situation,
    waiting,
)
from cinder_promote.runbook.promotion import Promotion

_SINCE_RESET = (
    "reset_active_backend had Cinder forget the fail-over, which no request "
    "brings back: what was the target is the primary now, it holds the only "
    "current data, and the copy on the old primary is out of date"
)


class Step:
    """One step.

    ``leaves`` is how every service is once the step is finished and as long
    as no later step changes it, empty for a step that changes nothing.
    ``irreversible`` says why the step can't be undone, if it can't.
    """

    name: str
    title: str
    leaves: situation.Expected = {}
    irreversible: str = ""

    def commands(self, run: Promotion) -> list[str]:
        """Return the command lines with which a person would do the same."""
        raise NotImplementedError

    def do(self, run: Promotion) -> None:
        """Carry the step out.

        :raises RunbookError: it was refused or failed
        """
        raise NotImplementedError

    def confirm(self, run: Promotion) -> bool:
        """Look further than at what the step leaves, as long as it is so.

        :returns: whether that took time, in which things may have changed
        :raises RunbookError: it is not as it should be
        """
        return False

    def undo_commands(
        self, run: Promotion, before: dict[str, records.Before]
    ) -> list[str]:
        """Return the command lines with which a person would undo it."""
        raise NotImplementedError

    def undo(self, run: Promotion, before: dict[str, records.Before]) -> None:
        """Take the step back as far as it was carried out.

        :param before: how each service was before the run
        :raises RunbookError: it was refused or failed
        """
        raise NotImplementedError


class Freeze(Step):
    """Nothing may be created, deleted or changed while the rest is done."""

    name = "freeze"
    title = "Freeze the host"
    leaves = {"frozen": (True,)}

    def commands(self, run: Promotion) -> list[str]:
        return [_freeze_or_thaw(run, "freeze", "--disable")]

    def do(self, run: Promotion) -> None:
        try:
            run.cloud.freeze(run.what)
        except errors.RunbookError as error:
            # Cinder writes the row first and asks the service then, which
            # may be down; what counts here is the row.
            if not all(each.frozen for each in run.services()):
                raise
            run.report.note(f"{run.what} is frozen, but: {error}")

    def undo_commands(
        self, run: Promotion, before: dict[str, records.Before]
    ) -> list[str]:
        if all(each.frozen for each in before.values()):
            return []
        return [
            _freeze_or_thaw(run, "thaw", "--enable"),
            *(
                "openstack volume service set --disable --disable-reason "
                f"{shlex.quote(each.disabled_reason)} {name} cinder-volume"
                for name, each in before.items()
                if each.disabled_reason
            ),
        ]

    def undo(self, run: Promotion, before: dict[str, records.Before]) -> None:
        if all(each.frozen for each in before.values()):
            return
        if any(each.frozen for each in run.services()):
            _thaw(run)
        # Thawing enables a service, and one that is failed over was disabled.
        for name, each in before.items():
            if each.disabled_reason:
                run.cloud.disable(name, each.disabled_reason)


class Stop(Step):
    """The configuration must not change beneath a running service."""

    name = "stop"
    title = "Stop the volume service, and see that it is silent"
    leaves = {"service": (situation.STOPPED,)}

    def commands(self, run: Promotion) -> list[str]:
        return [
            each.storage_host.typed("stop", each.backend)
            for each in run.members
        ]

    def do(self, run: Promotion) -> None:
        for each in run.members:
            each.storage_host.stop(each.backend)

    def confirm(self, run: Promotion) -> bool:
        """See that no other process serves the backend.

        The wrong storage host may have been stopped, or the service may run
        there under another name as well. A service that lives reports.
        """
        deadline = time.monotonic() + run.options.silence_timeout
        before = run.services()
        while time.monotonic() < deadline:
            time.sleep(run.options.poll_interval)
            for old, new in zip(before, run.services(), strict=True):
                if new.updated_at != old.updated_at:
                    host = new.host.partition("@")[0]
                    raise errors.RunbookError(
                        f"{new.host} still reports (at {new.updated_at}) "
                        f"although the volume service was stopped on {host}: "
                        "another process serves it. See "
                        "storage_host_addresses in [runbook] and "
                        "volume_service in [host]."
                    )
        return True

    def undo_commands(
        self, run: Promotion, before: dict[str, records.Before]
    ) -> list[str]:
        return [
            each.storage_host.typed("start", each.backend)
            for each in run.members
            if before[each.name].running
        ]

    def undo(self, run: Promotion, before: dict[str, records.Before]) -> None:
        members = [each for each in run.members if before[each.name].running]
        for each in members:
            each.storage_host.start(each.backend)
        _wait_for_heartbeats(run, {each.name for each in members})


class RePoint(Step):
    """The backend's section names what it failed over to as its own."""

    name = "re_point"
    title = "Point the backend's section in cinder.conf at the new primary"
    leaves = {"section": (situation.GOAL,)}

    def commands(self, run: Promotion) -> list[str]:
        return [
            each.storage_host.typed("re-point", *each.re_point)
            for each in run.members
        ]

    def do(self, run: Promotion) -> None:
        for each in run.members:
            each.storage_host.re_point(each.re_point)

    def undo_commands(
        self, run: Promotion, before: dict[str, records.Before]
    ) -> list[str]:
        return [
            each.storage_host.typed("undo", each.backend)
            for each in run.members
            if before[each.name].section != before[each.name].goal
        ]

    def undo(self, run: Promotion, before: dict[str, records.Before]) -> None:
        for each in run.members:
            was = before[each.name]
            shown = run.settled(each)
            if situation.pointing(shown) == was.section:
                continue
            each.storage_host.stop(each.backend)
            each.storage_host.undo(each.backend)
            shown = each.storage_host.show(each.backend)
            if situation.pointing(shown) != was.section:
                raise errors.RunbookError(
                    f"[{each.backend}] in cinder.conf on "
                    f"{each.storage_host.name} is not as before the run, "
                    "although cinder-promote-host has undone its last "
                    "re-point. Correct it by hand."
                )


class Reset(Step):
    """Cinder forgets the fail-over; from here on there is no way back."""

    name = "reset"
    title = "Have Cinder forget the fail-over"
    leaves = {"row": (situation.PROMOTED,)}
    irreversible = _SINCE_RESET

    def commands(self, run: Promotion) -> list[str]:
        return [_openstack(run, "reset active backend")]

    def do(self, run: Promotion) -> None:
        run.cloud.reset_active_backend(run.what)


class Start(Step):
    """The service starts with the new primary."""

    name = "start"
    title = "Start the volume service, and wait until its driver works"
    # A driver may report replication at once, and Cinder enables it then.
    leaves = {
        "service": (situation.RUNNING,),
        "row": (situation.PROMOTED, situation.PROTECTED),
    }
    irreversible = _SINCE_RESET

    def commands(self, run: Promotion) -> list[str]:
        return [
            each.storage_host.typed("start", each.backend)
            for each in run.members
        ]

    def do(self, run: Promotion) -> None:
        for each in run.members:
            each.storage_host.start(each.backend)

    def confirm(self, run: Promotion) -> bool:
        _wait_for_heartbeats(run, {each.name for each in run.members})
        return True


class Thaw(Step):
    """The host may be used again."""

    name = "thaw"
    title = "Thaw the host"
    leaves = {"frozen": (False,)}
    irreversible = _SINCE_RESET

    def commands(self, run: Promotion) -> list[str]:
        return [_freeze_or_thaw(run, "thaw", "--enable")]

    def do(self, run: Promotion) -> None:
        _thaw(run)


class Enable(Step):
    """The new target is filled."""

    name = "enable"
    title = "Enable replication to the new target"
    leaves = {"row": (situation.PROTECTED,)}
    irreversible = _SINCE_RESET

    def commands(self, run: Promotion) -> list[str]:
        return [_openstack(run, "enable replication")]

    def do(self, run: Promotion) -> None:
        run.cloud.replication_enable(run.what)


class WaitInSync(Step):
    """The new target could take over."""

    name = "wait_in_sync"
    title = "Wait until the new target is in sync"
    irreversible = _SINCE_RESET

    def commands(self, run: Promotion) -> list[str]:
        option = "--cluster" if run.what.is_cluster else "--host"
        return [
            f"openstack volume service replication list {option} {run.what}"
        ]

    def do(self, run: Promotion) -> None:
        """Wait.

        :raises RunbookError: a volume can't be protected, or the time is over
        """
        answered = time.monotonic()

        def look() -> protection.Sync | None:
            nonlocal answered
            try:
                seen = self._look(run)
            except errors.APIError:
                # It may take hours, in which the API may be restarted.
                silent = time.monotonic() - answered
                if silent > run.options.service_timeout:
                    raise
                return None
            answered = time.monotonic()
            return seen

        def late(seen: protection.Sync | None) -> str:
            text = protection.names(seen.pending) if seen else "unknown"
            return (
                f"{run.what} is not in sync after {run.options.sync_timeout} "
                f"seconds: {text}."
            )

        seen = waiting.wait_until(
            look,
            lambda seen: seen is not None and not seen.pending,
            late,
            timeout=run.options.sync_timeout,
            interval=run.options.poll_interval,
        )
        assert seen is not None
        if seen.failed:
            raise errors.RunbookError(
                "The copies of these volumes failed: "
                f"{protection.names(seen.failed)}. Look at the target and at "
                "the log of the volume service."
            )
        if seen.lost:
            run.report.note(
                "These volumes were not in sync when the host was failed "
                "over, so they are in error and not protected: "
                f"{protection.names(seen.lost)}."
            )
        if seen.unknown:
            run.report.note(
                "The backend does not tell how far these volumes are, which "
                "is to be looked up in the storage itself: "
                f"{protection.names(seen.unknown)}."
            )

    def _look(self, run: Promotion) -> protection.Sync:
        services = run.services()
        for each in services:
            if (each.replication_status, each.active_backend_id) != (
                "enabled",
                None,
            ):
                raise errors.RunbookError(
                    f"{each.host} is no longer protected, somebody changed "
                    f"it: {situation.describe_row(each)}."
                )
        hosts = {each.host for each in services}
        seen = protection.look(run.cloud, run.what.text, hosts)
        run.report.progress(seen)
        return seen


# After the checks, which touch nothing.
STEPS: list[Step] = [
    Freeze(),
    Stop(),
    RePoint(),
    Reset(),
    Start(),
    Thaw(),
    Enable(),
    WaitInSync(),
]


def path() -> list[situation.Expected]:
    """Return what a service is like before the first and after each step.

    Until the service is stopped it may run or not, and until the section is
    re-pointed it may be so already: both are the operator's affair.
    """
    expected: dict[str, Any] = {
        "row": (situation.FAILED_OVER,),
        "section": (situation.BEFORE, situation.GOAL),
    }
    found: list[situation.Expected] = [dict(expected)]
    for step in STEPS:
        expected.update(step.leaves)
        found.append(dict(expected))
    return found


def _thaw(run: Promotion) -> None:
    try:
        run.cloud.thaw(run.what)
    except errors.RunbookError as error:
        if any(each.frozen for each in run.services()):
            raise
        run.report.note(f"{run.what} is thawed, but: {error}")


def _wait_for_heartbeats(run: Promotion, names: set[str]) -> None:
    """Wait until some of the services work.

    A service writes its row when its process begins, before its driver is
    initialised, and counts as up from then on. Only a working driver makes
    it write again: so two changes are waited for.
    """
    seen: dict[str, list[str | None]] = {}

    def look() -> list[requests.VolumeService]:
        services = [each for each in run.services() if each.host in names]
        for each in services:
            times = seen.setdefault(each.host, [each.updated_at])
            if times[-1] != each.updated_at:
                times.append(each.updated_at)
        return services

    def late(services: list[requests.VolumeService]) -> str:
        silent = [each.host for each in services if not working(each)]
        return (
            f"The driver of {' and '.join(silent)} does not work "
            f"{run.options.service_timeout} seconds after the start of the "
            "volume service, which is running but sends no heartbeat. Its "
            "log says why."
        )

    def working(service: requests.VolumeService) -> bool:
        return service.up and len(seen[service.host]) > 2

    waiting.wait_until(
        look,
        lambda services: all(map(working, services)),
        late,
        timeout=run.options.service_timeout,
        interval=run.options.poll_interval,
    )


def _openstack(run: Promotion, command: str) -> str:
    option = " --cluster" if run.what.is_cluster else ""
    return f"openstack volume service {command} {run.what}{option}"


def _freeze_or_thaw(run: Promotion, action: str, option: str) -> str:
    if run.what.is_cluster:  # no client has a command for it
        return (
            f'curl -X PUT -H "X-Auth-Token: $TOKEN" -H \'OpenStack-API-'
            f"Version: volume 3.26' -H 'Content-Type: application/json' "
            f"-d {shlex.quote(json.dumps(run.what.body))} "
            f"$ENDPOINT/os-services/{action}"
        )
    return f"openstack volume host set {option} {run.what}"
