"""A job run that is being waited for: what it reports while it runs, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ml_assets.orchestration.databricks.errors import JobRunError, as_failure, said
from ml_assets.orchestration.databricks.job import Job
from ml_assets.spec.errors import MlAssetsError
from ml_assets.steps.work import DONE, REPORT, Report, Work

if TYPE_CHECKING:
    import dagster as dg

    from ml_assets.orchestration.databricks.pipes import SessionReader
    from ml_assets.orchestration.databricks.status import Status

#: Metadata that says where the work is done.
RUN_URL, RUN_ID = "databricks_run_url", "databricks_run_id"
#: Seconds that a job run may go on beyond its own timeout before it is cancelled from here.
_OVERTIME = 600.0
#: Seconds that messages of a successful job run may be late.
_GRACE = 10.0


@dataclass(kw_only=True)
class JobRun(Job):
    """The job run of one ``Work``, with the session that its reports arrive in."""

    work: Work
    session: dg.PipesSession
    reader: SessionReader
    _seen: list[Report] = field(default_factory=list)
    _messages: int = 0
    _done: int | None = None
    _began: float = field(default_factory=time.monotonic)
    _started: float | None = None
    _looked: float = 0.0
    _pulled: float = 0.0

    def look(self, *, tell: bool = True) -> Status:
        """Ask for the state once; see ``Job.look``."""
        status = super().look(tell=tell)
        self._looked = time.monotonic()
        if self._started is None and not status.waiting:
            self._started = self._looked
        return status

    def reports(self) -> Iterator[Report]:
        """Yield each report as it arrives, and return when the job run ended with all its work told.

        A report with an error or with red verdicts is yielded like any other, and explains a failed
        job run.

        Raises
        ------
        dagster.Failure
            When the job run ended in another way, or was cancelled here because it never started, did
            not end, or could not be asked for its state. The job's traceback and page are in it.
        """
        try:
            while not self.status.ended:
                yield from self._arrived()
                self._refuse_to_wait_for_ever()
                time.sleep(self.patience.tick)
                if time.monotonic() - self._looked >= self.patience.poll:
                    self.look()
            yield from self._last_ones()
            if problem := self._problem():
                raise problem
        except MlAssetsError as error:
            raise self._failure(error) from error

    def _arrived(self) -> Iterator[Report]:
        """Read new messages when it is time, and the job has started at all."""
        now = time.monotonic()
        if not self.status.waiting and now - self._pulled >= self.patience.messages:
            self._pulled = now
            yield from self._pull()

    def _pull(self) -> Iterator[Report]:
        self.reader.pull()
        for message in self.session.get_custom_messages()[self._messages :]:
            self._messages += 1
            if REPORT in message:
                yield self._asked_for(self._read(message[REPORT]))
            elif DONE in message:
                self._done = int(message[DONE])

    def _asked_for(self, report: Report) -> Report:
        """Refuse a report that is not the one of the next task."""
        asked = [(task.asset, task.build) for task in self.work.tasks]
        self._seen.append(report)
        if [(r.asset, r.build) for r in self._seen] == asked[: len(self._seen)]:
            return report
        raise JobRunError(
            self.name,
            found=f"a report of {report.asset}",
            expected=f"reports of {', '.join(asset for asset, _ in asked)}, in this order",
            fix=_OTHER_VERSION,
        )

    def _read(self, values: Mapping[str, Any]) -> Report:
        try:
            return Report.from_json(values)
        except (KeyError, TypeError) as error:
            raise JobRunError(
                self.name,
                found=f"a report that this code cannot read: {said(error)}",
                expected="a report of the same version of ml_assets",
                fix=_OTHER_VERSION,
            ) from error

    def _last_ones(self) -> Iterator[Report]:
        give_up = time.monotonic() + (_GRACE if self.status.succeeded else 0.0)
        yield from self._pull()
        while self._done is None and time.monotonic() < give_up:
            time.sleep(self.patience.tick)
            yield from self._pull()

    def _refuse_to_wait_for_ever(self) -> None:
        now = time.monotonic()
        if self._started is None and now - self._began > self.patience.pending:
            raise JobRunError(
                self.name,
                found=f"still {self.status} after {self.patience.pending:g} seconds",
                expected="that it starts within pending_deadline_seconds",
                fix="look on its page what it waits for (machines, a pool, quota, a library); then "
                "correct the compute, or raise pending_deadline_seconds",
            )
        if self._started and now - self._started > self.patience.run + _OVERTIME:
            raise JobRunError(
                self.name,
                found=f"still {self.status}, {_OVERTIME:g} seconds beyond its timeout",
                expected=f"that Databricks ends it after {self.patience.run:g} seconds",
                fix="look at its page, and execute again",
            )

    def _problem(self) -> JobRunError | None:
        """What is wrong with how it ended; None when every task was reported and that explains it."""
        asked = [(task.asset, task.build) for task in self.work.tasks]
        told = [(report.asset, report.build) for report in self._seen]
        explained = any(r.error or any(v.stops for v in r.verdicts) for r in self._seen)
        if self._done == len(asked) and told == asked and (self.status.succeeded or explained):
            return None
        missing = [asset for asset, build in asked if (asset, build) not in told]
        silent = "" if self._done is not None else ", without the last message of ml_assets"
        untold = f"; nothing is known of {', '.join(missing)}" if missing else ""
        return JobRunError(
            self.name,
            found=f"{self.status}{silent}{untold}",
            expected="SUCCESS, one report for each task, and the last message",
            fix=_FIXES.get(self.status.result, _FIXES["FAILED"]),
        )

    def _failure(self, error: MlAssetsError) -> dg.Failure:
        """Stop the job run, and add to the error what is known of it."""
        of_cancelling = self.cancel()
        shown = {RUN_URL: self.url, RUN_ID: str(self.run_id)}
        if self.status.ended and not (of_cancelling or self.status.succeeded):
            shown["traceback of the job"] = self.output()
        failure = as_failure(error, {name: text for name, text in shown.items() if text})
        parts = [str(error), of_cancelling, shown.get("traceback of the job", "")]
        failure.description = "\n\n".join(part for part in parts if part)
        return failure


_OTHER_VERSION = "install the same version of ml_assets on both sides: remove `wheel:`, or build that wheel again"
_FIXES = {
    "FAILED": "see the job's traceback below and its page; then execute again what is missing",
    "CANCELED": "somebody cancelled it in Databricks: execute again what is missing",
    "TIMEDOUT": "it reached timeout_seconds: see its page, raise it or give it more machines",
    "SUCCESS": "see its page: is the wheel there of the same version as the code here?",
}
