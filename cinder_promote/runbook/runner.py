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

"""Begin a run, go on with it, take it back."""

from collections.abc import Sequence
import contextlib
import dataclasses

from oslo_config import cfg

from cinder_promote.runbook import (
    cloud,
    errors,
    preflight,
    records,
    report,
    situation,
    steps,
)
from cinder_promote.runbook.promotion import Promotion

# Exit statuses, besides 2 for a command line that is not understood.
EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_BLOCKED = 3


class Runbook:
    """The verbs that change something.

    Each returns an exit status, and raises RunbookError when it was refused
    or failed.

    :param options: the values of group [runbook]
    """

    def __init__(
        self,
        api: cloud.Cloud,
        options: cfg.ConfigOpts.GroupAttr,
        reporter: report.Reporter,
    ) -> None:
        self._cloud = api
        self._options = options
        self._report = reporter
        self._store = records.Records(options.state_directory)

    def run(
        self, what: cloud.Name, to: str, replicate_to: Sequence[str]
    ) -> int:
        """Promote a host, or go on with that."""
        asked = (what, to, list(replicate_to))
        with self._store.locked(what.text):
            record = self._store.read(what.text)
            if record and record.unfinished:
                if _asked_for(record) != asked:
                    raise errors.RunbookError(
                        f"There is an unfinished run of {what}, to "
                        f"{record.to} with {', '.join(record.replicate_to)} "
                        "as its target. Resume or undo that first."
                    )
                return self._go_on(record)
            if record and record.state == records.DONE:
                if _asked_for(record) == asked and self._is_protected(record):
                    self._say_done(record)
                    return EXIT_DONE
            return self._begin(*asked)

    def dry_run(
        self, what: cloud.Name, to: str, replicate_to: Sequence[str]
    ) -> int:
        """Make the checks, and tell what a run would do."""
        record = self._store.read(what.text)
        if record and record.unfinished:
            run = self._promotion(record)
            where = record.describe(self._store.at_work(record.name))
            self._report.note(f"There is an unfinished run of {what} {where}.")
            todo = _todo(record)
            blocked = False
        else:
            members = preflight.members(self._cloud, what)
            run = self._make(what, members, to, replicate_to)
            blocked = self._look(run).blocked
            todo = list(steps.STEPS)
        for step in todo:
            self._begun(step, run)
        self._report.result(
            "Nothing was changed.", {"dry_run": True, "blocked": blocked}
        )
        return EXIT_BLOCKED if blocked else EXIT_DONE

    def resume(self, name: str | None) -> int:
        """Go on with a run that was interrupted."""
        name = self._store.unfinished(name).name
        with self._store.locked(name):
            return self._go_on(self._store.unfinished(name))

    def undo(self, name: str | None, dry_run: bool = False) -> int:
        """Go back to where a run began, if that is safe."""
        if name is None:
            name = self._store.unfinished(None).name
        with self._store.locked(name):
            record = self._store.read(name)
            if record is None:
                raise errors.RunbookError(
                    f"There is no record of a run of {name}."
                )
            if record.state == records.UNDONE:
                self._say_undone(record)
                return EXIT_DONE
            return self._go_back(record, dry_run)

    # Forward

    def _begin(
        self, what: cloud.Name, to: str, replicate_to: list[str]
    ) -> int:
        members = preflight.members(self._cloud, what)
        run = self._make(what, members, to, replicate_to)
        with contextlib.ExitStack() as locks:
            self._lock(locks, run)
            checks = self._look(run)
            if checks.blocked:
                self._report.result(
                    "Nothing was changed: something is in the way.",
                    {"blocked": True},
                    done=False,
                )
                return EXIT_BLOCKED
            record = self._store.write(
                records.Record(
                    name=what.text,
                    is_cluster=what.is_cluster,
                    to=to,
                    replicate_to=replicate_to,
                    members=checks.before,
                )
            )
            return self._take_all(run, record, locks)

    def _look(self, run: Promotion) -> preflight.Preflight:
        checks = preflight.Preflight(run, self._store)
        checks.look()
        return checks

    def _go_on(self, record: records.Record) -> int:
        if record.state == records.UNDOING:
            raise errors.RunbookError(
                f"The run of {record.name} is being undone; finish that with "
                f"'cinder-promote undo {record.name}'."
            )
        run = self._promotion(record)
        with contextlib.ExitStack() as locks:
            self._lock(locks, run)
            if steps.Start.name not in record.finished:
                self._require_no_other(run)
            return self._take_all(run, record, locks)

    def _take_all(
        self,
        run: Promotion,
        record: records.Record,
        locks: contextlib.ExitStack,
    ) -> int:
        now = None
        for step in _todo(record):
            if not step.leaves:
                # From here on others may have the service stopped.
                locks.close()
            try:
                now = self._take(step, run, record, now)
                record = self._store.write(
                    dataclasses.replace(
                        record,
                        begun=None,
                        finished=[*record.finished, step.name],
                    )
                )
            except errors.RunbookError as error:
                raise errors.RunbookError(
                    f"{error} Step {step.name} is not finished; "
                    f"{_next(step, record)}"
                ) from error
        record = self._store.write(
            dataclasses.replace(record, state=records.DONE)
        )
        self._say_done(record)
        return EXIT_DONE

    def _take(
        self,
        step: steps.Step,
        run: Promotion,
        record: records.Record,
        now: list[situation.Situation] | None,
    ) -> list[situation.Situation] | None:
        """Carry out one step, or find that it has been.

        :param now: how things are, if that was looked at just now
        :returns: the same for the next step
        """
        number = steps.STEPS.index(step)
        if not step.leaves:
            self._begun(step, run)
            self._store.write(dataclasses.replace(record, begun=step.name))
            step.do(run)
            self._report.finished(step.name, False)
            return None
        if now is None:
            now = self._situations(run, record)
            self._require(
                now,
                number,
                "The record does not agree with what is there, so nothing was "
                "done",
            )
        self._begun(step, run)
        self._store.write(dataclasses.replace(record, begun=step.name))
        found = _position(now) > number
        if not found:
            step.do(run)
            now = self._situations(run, record)
            self._require(now, number + 1, f"{step.name} was carried out")
        still_so = not any(each.differences(step.leaves) for each in now)
        took_time = still_so and step.confirm(run)
        self._report.finished(step.name, found)
        return None if took_time else now

    def _require(
        self, now: list[situation.Situation], number: int, said: str
    ) -> None:
        """See that every service has come as far as the record says."""
        wrong = [
            text
            for each in now
            if situation.position(each, _PATH) not in range(number, _END)
            for text in each.differences(_PATH[number])
        ]
        if wrong:
            after = f" after {steps.STEPS[number - 1].name}" if number else ""
            raise errors.RunbookError(
                f"{said}: {', and '.join(wrong)}, which is not what is "
                f"expected{after}."
            )

    # Back

    def _go_back(self, record: records.Record, dry_run: bool) -> int:
        run = self._promotion(record)
        with contextlib.ExitStack() as locks:
            self._lock(locks, run)
            self._require_no_other(run)
            self._require_way_back(run, record)
            taken = [
                step
                for step in reversed(steps.STEPS)
                if step.name in record.finished or step.name == record.begun
            ]
            back = [step for step in taken if not step.irreversible]
            if dry_run:
                for step in back:
                    self._begun(step, run, undo=record)
                self._report.result("Nothing was changed.", {"dry_run": True})
                return EXIT_DONE
            record = self._store.write(
                dataclasses.replace(record, state=records.UNDOING)
            )
            for step in back:
                self._begun(step, run, undo=record)
                try:
                    step.undo(run, record.members)
                except errors.RunbookError as error:
                    raise errors.RunbookError(
                        f"{error} Undoing {step.name} is not finished; when "
                        "that is put right, 'cinder-promote undo "
                        f"{record.name}' goes on."
                    ) from error
                self._report.finished(step.name, False)
            self._require_back(run, record)
            record = self._store.write(
                dataclasses.replace(record, state=records.UNDONE, begun=None)
            )
        self._say_undone(record)
        return EXIT_DONE

    def _require_way_back(
        self, run: Promotion, record: records.Record
    ) -> None:
        """See that going back is safe, of every service."""
        now = self._situations(run, record)
        for each in now:
            if each.row != situation.FAILED_OVER:
                raise errors.RunbookError(
                    f"The run of {record.name} can't be undone, nothing was "
                    f"changed: {each.texts['row']}; "
                    f"{_why_no_way_back(record, each)}."
                )
            if each.section == situation.OTHER:
                raise errors.RunbookError(
                    f"The run of {record.name} was not undone, nothing was "
                    f"changed: {each.texts['section']}. Correct it by hand."
                )

    def _require_back(self, run: Promotion, record: records.Record) -> None:
        services = run.services()
        for service, each in zip(
            services, self._situations(run, record), strict=True
        ):
            before = record.members[service.host]
            expected = {
                "row": (situation.FAILED_OVER,),
                "frozen": (before.frozen,),
                "service": (situation.RUNNING,)
                if before.running
                else (situation.RUNNING, situation.STOPPED),
            }
            wrong = each.differences(expected)
            if wrong:
                raise errors.RunbookError(
                    f"Everything was undone, but {', and '.join(wrong)}, "
                    "which is not as before the run."
                )

    # Parts

    def _make(
        self,
        what: cloud.Name,
        members: Sequence[str],
        to: str,
        replicate_to: Sequence[str],
    ) -> Promotion:
        return Promotion(
            what,
            members,
            to,
            replicate_to,
            self._cloud,
            self._options,
            self._report,
        )

    def _promotion(self, record: records.Record) -> Promotion:
        return self._make(
            record.what,
            list(record.members),
            record.to,
            record.replicate_to,
        )

    def _lock(self, locks: contextlib.ExitStack, run: Promotion) -> None:
        """Keep out the runs of other backends of the same storage hosts."""
        for host in sorted(run.hosts):
            locks.enter_context(self._store.locked(host))

    def _require_no_other(self, run: Promotion) -> None:
        for found in self._store.needing_stopped(run.what.text, run.hosts):
            raise errors.RunbookError(
                f"The run of {found.name} needs the volume service on the "
                f"same storage host stopped: finish that first "
                f"(cinder-promote resume {found.name})."
            )

    def _situations(
        self, run: Promotion, record: records.Record
    ) -> list[situation.Situation]:
        shown = [run.settled(each) for each in run.members]
        # The rows last: what the storage host waited for may change them.
        return [
            situation.of_service(
                service,
                seen,
                record.to,
                record.members[service.host].section,
                record.members[service.host].goal,
            )
            for service, seen in zip(run.services(), shown, strict=True)
        ]

    def _is_protected(self, record: records.Record) -> bool:
        return all(
            (each.replication_status, each.active_backend_id, each.frozen)
            == ("enabled", None, False)
            for each in self._promotion(record).services()
        )

    def _begun(
        self,
        step: steps.Step,
        run: Promotion,
        undo: records.Record | None = None,
    ) -> None:
        number = f"{steps.STEPS.index(step) + 1} of {len(steps.STEPS)}"
        if undo is None:
            commands = step.commands(run)
            title = step.title
        else:
            commands = step.undo_commands(run, undo.members)
            title = f"Undo: {step.title}"
        self._report.begun(number, step.name, title, commands)

    def _say_done(self, record: records.Record) -> None:
        self._report.result(
            f"{record.name} is promoted to {record.to} and protected by "
            f"{', '.join(record.replicate_to)}, since {record.changed_at}.",
            {"host": record.name, "state": record.state},
        )

    def _say_undone(self, record: records.Record) -> None:
        self._report.result(
            f"{record.name} is failed over to {record.to} again, as before "
            f"the run, since {record.changed_at}.",
            {"host": record.name, "state": record.state},
        )


_PATH = steps.path()
_END = len(_PATH)


def _position(now: Sequence[situation.Situation]) -> int:
    """Return how far all services have come that are on the path."""
    found = [situation.position(each, _PATH) for each in now]
    return min(number for number in found if number is not None)


def _todo(record: records.Record) -> list[steps.Step]:
    return [step for step in steps.STEPS if step.name not in record.finished]


def _asked_for(
    record: records.Record,
) -> tuple[cloud.Name, str, list[str]]:
    return record.what, record.to, record.replicate_to


def _why_no_way_back(record: records.Record, now: situation.Situation) -> str:
    """Say why a host is not failed over to where the run found it."""
    for step in steps.STEPS:
        if not step.irreversible:
            continue
        taken = step.name in record.finished
        if taken or (
            step.name == record.begun and not now.differences(step.leaves)
        ):
            return step.irreversible
    return "somebody changed that while the run was interrupted"


def _next(step: steps.Step, record: records.Record) -> str:
    back = (
        ""
        if step.irreversible
        else f", and 'cinder-promote undo {record.name}' goes back"
    )
    return (
        f"when that is put right, 'cinder-promote resume {record.name}' "
        f"goes on{back}."
    )
