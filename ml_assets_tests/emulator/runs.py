"""A job run, and what the Jobs API shows of it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ml_assets_tests.emulator.processes import TaskProcess

ACTIVE = ("PENDING", "RUNNING", "TERMINATING")


class End(NamedTuple):
    """How a run ended: its result, the message of its task, and the life cycle state."""

    result: str
    message: str = ""
    life: str = "TERMINATED"


@dataclass
class Run:
    """One submitted run with its one task. Times are milliseconds since 1970."""

    run_id: int
    body: dict[str, Any]
    user: str
    life: str = "PENDING"
    #: How often its task was started once more.
    attempt: int = 0
    end: End | None = None
    started: int = field(default_factory=lambda: int(time.time() * 1000))
    ended: int = 0
    process: TaskProcess | None = None
    #: What a failed installation leaves instead of a process's output.
    output: dict[str, Any] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def task(self) -> dict[str, Any]:
        """The task as submitted."""
        return self.body["tasks"][0]

    @property
    def task_run_id(self) -> int:
        """The id of the task's own run, which is not the id of the run."""
        return self.run_id + 1

    @property
    def active(self) -> bool:
        """Whether it may still do something."""
        return self.life in ACTIVE

    @property
    def timeout(self) -> float | None:
        """Seconds after which it is ended; None is never."""
        limits = (self.body.get("timeout_seconds"), self.task.get("timeout_seconds"))
        return min((limit for limit in limits if limit), default=None)

    @property
    def overdue(self) -> bool:
        """Whether its time is up."""
        return self.timeout is not None and time.time() * 1000 > self.started + 1000 * self.timeout

    def finish(self, end: End) -> None:
        """Write down the end; from now on it never changes."""
        self.ended = int(time.time() * 1000)
        self.end, self.life = end, end.life

    def view(self, host: str, *, tasks: bool = True) -> dict[str, Any]:
        """Give what ``runs/get`` gives."""
        message = self.end.message if self.end else ""
        if self.end and self.end.result == "FAILED":
            message = f"Task {self.task['task_key']} failed with message: {message}."
        common = self._common(host)
        found = {
            **common,
            "run_id": self.run_id,
            "job_id": self.run_id + 2,
            "run_name": self.body.get("run_name") or "Untitled",
            "number_in_job": self.run_id,
            "creator_user_name": self.user,
            "run_type": "SUBMIT_RUN",
            "format": "MULTI_TASK",
            "state": self._state(message),
        }
        return found | ({"tasks": [self.task_view(host)]} if tasks else {})

    def task_view(self, host: str) -> dict[str, Any]:
        """Give what is shown of the task's own run."""
        message = self.end.message if self.end else ""
        own = {"run_id": self.task_run_id, "attempt_number": self.attempt}
        return {**self.task, **self._common(host), **own, "state": self._state(message)}

    def _common(self, host: str) -> dict[str, Any]:
        page = f"{host}/?o=0#job/{self.run_id + 2}/run/{self.run_id}"
        spent = (self.ended or int(time.time() * 1000)) - self.started
        times = {"start_time": self.started, "end_time": self.ended, "execution_duration": spent}
        return {"run_page_url": page, **times}

    def _state(self, message: str) -> dict[str, Any]:
        if self.end is None:
            text = {"PENDING": "Waiting for compute", "RUNNING": "In run"}.get(self.life, "")
            return {"life_cycle_state": self.life, "state_message": text}
        ended = {"life_cycle_state": self.end.life, "result_state": self.end.result}
        return {
            **ended,
            "state_message": message,
            "user_cancelled_or_timedout": self.end.result in {"CANCELED", "TIMEDOUT"},
        }
