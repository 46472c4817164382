"""A job run from outside: ask for its state, cancel it, read what it printed."""

from __future__ import annotations

import logging
import math
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ml_assets.orchestration.databricks.calls import Calls
from ml_assets.orchestration.databricks.errors import JobRunError, said
from ml_assets.orchestration.databricks.status import UNKNOWN, Status
from ml_assets.spec.errors import MlAssetsError
from ml_assets.spec.redaction import redacted

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

#: Seconds that cancelling may take before somebody is asked to do it by hand.
_CANCEL_PATIENCE = 60.0
_LOG_TAIL = 4000
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Patience:
    """Seconds: between two looks at the state and at the messages, and until it is given up."""

    poll: float
    messages: float
    pending: float
    run: float
    trouble: float

    @property
    def tick(self) -> float:
        """Seconds between two looks at the clock."""
        return min(self.poll, self.messages)

    @property
    def pause(self) -> float:
        """Seconds between two attempts of a call that failed."""
        return min(2.0, self.poll)

    def calls(self, *, forgiving: bool, at_most: float = math.inf) -> Calls:
        """Repeat failed calls for as long as trouble may last, and not longer than ``at_most``."""
        return Calls(min(self.trouble, at_most), self.pause, forgiving)


@dataclass
class Job:
    """A submitted job run of one task. ``status`` is what was last seen of it."""

    run_id: int
    client: WorkspaceClient
    patience: Patience
    log: logging.Logger
    status: Status = UNKNOWN

    @property
    def name(self) -> str:
        """The job run in a sentence."""
        return f"Databricks job run {self.run_id}"

    @property
    def url(self) -> str:
        """The page of the job run; empty before the first look at it."""
        return self.status.url

    def look(self, *, tell: bool = True) -> Status:
        """Ask for the state once, and log it when it changed (with ``tell``).

        Raises
        ------
        JobRunError
            When the job run was deleted.
        WorkspaceError
            When the workspace did not say.
        """
        from databricks.sdk.errors import NotFound

        calls = self.patience.calls(forgiving=True)
        try:
            run = calls(self.name, lambda: self.client.jobs.get_run(self.run_id))
        except NotFound as error:
            self.status = replace(self.status, life="TERMINATED", result="DELETED")
            raise self._lost(error) from error
        before, self.status = self.status, Status.of(run)
        if tell and self.status.life != before.life:
            self.log.info("%s: %s", self.name, self.status)
        return self.status

    def cancel(self) -> str:
        """Cancel the job run unless it has ended; say in a sentence what came of it."""
        if self.status.stopping:
            return ""
        give_up = time.monotonic() + _CANCEL_PATIENCE
        calls = self.patience.calls(forgiving=True, at_most=_CANCEL_PATIENCE)
        try:
            calls(f"cancelling {self.name}", lambda: self.client.jobs.cancel_run(self.run_id))
            while not (status := self.look()).stopping and time.monotonic() < give_up:
                time.sleep(self.patience.pause)
        except (MlAssetsError, OSError) as error:
            return f"It could not be cancelled ({said(error)}): cancel it on its page."
        if not status.stopping:
            return "It was told to stop and has not yet: look at its page."
        return "It was cancelled."

    def output(self) -> str:
        """The job's own traceback, or the end of what it printed, without what looks like a secret."""
        task_run_id = self.status.task_run_id
        if task_run_id is None:
            return ""
        calls = self.patience.calls(forgiving=True, at_most=_CANCEL_PATIENCE)
        try:
            output = calls(self.name, lambda: self.client.jobs.get_run_output(task_run_id))
        except (MlAssetsError, OSError) as error:
            return f"(the job's output could not be read: {said(error)})"
        found = [output.error_trace or (output.logs or "")[-_LOG_TAIL:]]
        if output.error and output.error not in found[0]:
            found.insert(0, output.error)
        return redacted(_COLOURS.sub("", "\n".join(found)).strip())

    def _lost(self, error: Exception) -> JobRunError:
        return JobRunError(
            self.name,
            found=said(error),
            expected="that a job run stays until its outcome is known",
            fix="somebody deleted it: execute again what is missing",
        )
