"""The Jobs API for one-time runs, and the life of a run."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ml_assets_tests.emulator import submission
from ml_assets_tests.emulator.environments import InstallError
from ml_assets_tests.emulator.processes import TaskProcess
from ml_assets_tests.emulator.runs import End, Run
from ml_assets_tests.emulator.web import ApiError, Call, invalid, page, route

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.routing import Route

    from ml_assets_tests.emulator.compute import Compute
    from ml_assets_tests.emulator.environments import TaskEnvironments
    from ml_assets_tests.emulator.identity import Identity
    from ml_assets_tests.emulator.volumes import Volumes

API = "/api/2.2/jobs/runs"
TICK = 0.02
FAILED = "Workload failed, see run output for details"
CANCELLED = End("CANCELED", "Run cancelled.")
TIMED_OUT = End("TIMEDOUT", "The run exceeded its timeout and was terminated.")


@dataclass
class Jobs:
    """All runs of one workspace. Each active run is followed by a thread of its own."""

    volumes: Volumes
    compute: Compute
    identity: Identity
    environments: TaskEnvironments
    folder: Path
    #: Variables of every task's process, beside those of the task.
    task_variables: dict[str, str] = field(default_factory=dict)
    #: How long a run waits for compute, in seconds; ``hold_pending`` is for ever.
    pending_seconds: float = 0.0
    hold_pending: bool = False
    #: When set, runs end with this message because no cluster came up.
    no_cluster: str = ""
    #: How long a cancelled process may take to end by itself, in seconds.
    patience: float = 2.0
    runs: dict[int, Run] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1000, 10))
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def active(self) -> list[Run]:
        """Give the runs that may still do something."""
        return [run for run in self.runs.values() if run.active]

    def stop(self) -> None:
        """Kill everything and wait until all runs have ended."""
        self.patience = 0.0
        for run in self.active():
            run.cancelled.set()
        for thread in self._threads:
            thread.join(30)

    def routes(self) -> list[Route]:
        """Serve the runs."""
        return [
            route("POST", f"{API}/submit", self._submit),
            route("GET", f"{API}/get", lambda call: self._run(call).view(self.identity.host)),
            route("GET", f"{API}/list", self._list),
            route("GET", f"{API}/get-output", self._output),
            route("POST", f"{API}/cancel", self._cancel),
            route("POST", f"{API}/delete", self._delete),
        ]

    def _submit(self, call: Call) -> dict[str, int]:
        body = call.json
        submission.check(body, self.compute, self.environments.runtimes)
        token = body.get("idempotency_token")
        with self._lock:
            if token and token in self.tokens:
                if self.tokens[token] not in self.runs:
                    raise invalid("The run of this idempotency_token was deleted.")
                return {"run_id": self.tokens[token]}
            run = Run(next(self._ids), body, self.identity.user)
            self.runs[run.run_id] = run
            if token:
                self.tokens[token] = run.run_id
            name = f"run-{run.run_id}"
            thread = threading.Thread(target=self._live, args=(run,), name=name, daemon=True)
            self._threads.append(thread)
        thread.start()
        return {"run_id": run.run_id}

    def _found(self, run_id: int) -> Run:
        if run_id not in self.runs:
            raise invalid(f"Run {run_id} does not exist.")
        return self.runs[run_id]

    def _run(self, call: Call) -> Run:
        return self._found(_number(call.required("run_id")))

    def _list(self, call: Call) -> dict[str, Any]:
        if call.flag("active_only") and call.flag("completed_only"):
            raise invalid("active_only and completed_only cannot both be true.")
        wanted = [
            run
            for run in sorted(self.runs.values(), key=lambda run: -run.started)
            if not (call.flag("active_only") and not run.active)
            and not (call.flag("completed_only") and run.active)
            and run.started >= int(call.query.get("start_time_from") or 0)
            and call.query.get("run_type", "SUBMIT_RUN") == "SUBMIT_RUN"
        ]
        tasks = call.flag("expand_tasks")
        rows = [run.view(self.identity.host, tasks=tasks) for run in wanted]
        found = page(rows, call, 25, "runs", "limit")
        return {**found, "has_more": "next_page_token" in found}

    def _output(self, call: Call) -> dict[str, Any]:
        asked = _number(call.required("run_id"))
        if asked in self.runs:
            text = "Retrieving the output of runs with multiple tasks is not supported. Please retrieve the output of each individual task run instead."
            raise invalid(text)
        run = self._found(asked - 1)
        output = run.process.output() if run.process and not run.active else run.output
        return {"metadata": run.task_view(self.identity.host), **output}

    def _cancel(self, call: Call) -> dict[str, Any]:
        run = self._found(_number(call.json.get("run_id")))
        if run.active:
            run.life = "TERMINATING"
            run.cancelled.set()
        return {}

    def _delete(self, call: Call) -> dict[str, Any]:
        run = self._found(_number(call.json.get("run_id")))
        if run.active:
            raise ApiError(400, "INVALID_STATE", "The run is active and cannot be deleted.")
        del self.runs[run.run_id]
        return {}

    def _live(self, run: Run) -> None:
        """Follow a run from its start to its end."""
        try:
            end = self._pend(run) or self._attempt(run)
        except Exception as error:
            # A bug of the emulator must not leave a run that never ends.
            run.output = {"error": f"emulator: {error!r}"}
            run.finish(End("FAILED", f"emulator: {error!r}", life="INTERNAL_ERROR"))
            raise
        run.finish(end)

    def _pend(self, run: Run) -> End | None:
        ready = time.monotonic() + self.pending_seconds
        while self.hold_pending or time.monotonic() < ready:
            if run.cancelled.wait(TICK):
                return CANCELLED
            if run.overdue:
                return TIMED_OUT
        if self.no_cluster:
            return End("FAILED", self.no_cluster, life="INTERNAL_ERROR")
        return CANCELLED if run.cancelled.is_set() else None

    def _attempt(self, run: Run) -> End:
        """Start the task, and once more when it fails, as often as Databricks would."""
        end = self._execute(run)
        while end.result == "FAILED" and run.attempt < submission.retries(run.task):
            if run.cancelled.is_set():
                return CANCELLED
            run.attempt += 1
            end = self._execute(run)
        return end

    def _execute(self, run: Run) -> End:
        try:
            python = self.environments.python(self._libraries(run))
        except (InstallError, ApiError) as error:
            run.output = {"error": f"Library installation failed: {error}"}
            serverless = "environment_key" in run.task
            life = "TERMINATED" if serverless else "INTERNAL_ERROR"
            return End("FAILED", run.output["error"], life)
        with self._lock:
            if run.cancelled.is_set():
                return CANCELLED
            run.life = "RUNNING"
        run.process = TaskProcess.start(
            python,
            self._command(run),
            folder=self.folder,
            name=str(run.task_run_id),
            variables=self._variables(run),
        )
        end = self._watch(run, run.process)
        run.process.sweep()
        if end:
            return end
        return End("FAILED", FAILED) if run.process.process.returncode else End("SUCCESS")

    def _watch(self, run: Run, process: TaskProcess) -> End | None:
        """Wait for the process; None when it ended by itself."""
        while not process.ended:
            if run.cancelled.wait(TICK):
                process.stop(self.patience)
                return CANCELLED
            if run.overdue:
                process.stop(self.patience)
                return TIMED_OUT
        return None

    def _libraries(self, run: Run) -> list[str]:
        lines = submission.dependencies(run.body)
        local = [str(self.volumes.local(s)) if s.startswith("/") else s for s in lines]
        if cluster := self._cluster(run):
            local += self.environments.runtimes[cluster["spark_version"]]
        return local

    def _cluster(self, run: Run) -> dict[str, Any] | None:
        if existing := run.task.get("existing_cluster_id"):
            return self.compute.cluster(existing)
        return run.task.get("new_cluster")

    def _variables(self, run: Run) -> dict[str, str]:
        cluster = self._cluster(run) or {}
        version = cluster.get("spark_version", "client.4").split("-")[0].removesuffix(".x")
        own = {"DATABRICKS_RUNTIME_VERSION": version, **self.task_variables}
        return own | (cluster.get("spark_env_vars") or {})

    def _command(self, run: Run) -> list[str]:
        if wheel := run.task.get("python_wheel_task"):
            named = ["wheel", wheel["package_name"], wheel["entry_point"]]
            return [*named, *(wheel.get("parameters") or [])]
        script = run.task["spark_python_task"]
        path = self.volumes.local(script["python_file"])
        return ["file", str(path), *(script.get("parameters") or [])]


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise invalid(f"run_id {value!r} is not a number") from None
