"""What the Jobs API says about a job run, in the few words that matter here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from databricks.sdk.service.jobs import Run

_WAITING = frozenset({"BLOCKED", "PENDING", "QUEUED", "WAITING_FOR_RETRY"})
_ENDED = frozenset({"INTERNAL_ERROR", "SKIPPED", "TERMINATED"})


@dataclass(frozen=True)
class Status:
    """One look at a job run of one task.

    ``task_run_id`` is None before the task exists; ``ended_at`` are seconds since 1970.
    """

    life: str
    result: str
    message: str
    url: str
    task_run_id: int | None
    task_life: str
    ended_at: float = 0.0

    @classmethod
    def of(cls, run: Run) -> Status:
        """Read the answer of ``jobs.get_run``."""
        state, tasks = run.state, run.tasks or []
        task = max(tasks, key=lambda t: t.attempt_number or 0, default=None)  # the latest attempt
        return cls(
            life=_word(state and state.life_cycle_state),
            result=_word(state and state.result_state),
            message=(state and state.state_message) or "",
            url=run.run_page_url or "",
            task_run_id=task.run_id if task else None,
            task_life=_word(task and task.state and task.state.life_cycle_state),
            ended_at=(run.end_time or 0) / 1000,
        )

    @property
    def seconds_ago(self) -> float:
        """How long ago it ended, in seconds; it does not count when it runs."""
        return time.time() - self.ended_at

    @property
    def ended(self) -> bool:
        """Nothing runs any more, and the result is final."""
        return self.life in _ENDED

    @property
    def stopping(self) -> bool:
        """The task does no more work."""
        return self.ended or self.life == "TERMINATING"

    @property
    def waiting(self) -> bool:
        """The task has not started: its machines, its environment or its turn are missing."""
        return not self.stopping and (self.life in _WAITING or self.task_life in _WAITING)

    @property
    def succeeded(self) -> bool:
        """It ended, and well."""
        return self.ended and self.result == "SUCCESS"

    def __str__(self) -> str:
        """State, result and what Databricks says about it.

        >>> print(Status("TERMINATED", "FAILED", "Task x failed", "", None, ""))
        TERMINATED FAILED: Task x failed
        """
        words = " ".join(word for word in (self.life, self.result) if word)
        return f"{words}: {self.message}" if self.message else words


#: Before the first look.
UNKNOWN = Status("PENDING", "", "", "", None, "")


def _word(value: Any) -> str:
    """The name of an enum's member; empty for None."""
    return str(value.value) if value else ""
