"""Submit Work as one one-time job run, or find the one that a killed launcher left behind."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from multiprocessing.util import Finalize  # as atexit, and also in the children of multiprocessing
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml_assets.orchestration.databricks.calls import Calls
from ml_assets.orchestration.databricks.errors import UnreachableError, WorkspaceError, said
from ml_assets.orchestration.databricks.job import Job
from ml_assets.orchestration.databricks.job_run import RUN_ID, RUN_URL, JobRun
from ml_assets.orchestration.databricks.session import SESSIONS, SessionName, of_runs, of_step
from ml_assets.orchestration.databricks.submission import Submission, mark
from ml_assets.orchestration.databricks.volume import VolumeFiles
from ml_assets.orchestration.databricks.wheel import Wheel, find_wheel
from ml_assets.platform.embedded.warehouse import home_folder
from ml_assets.spec.errors import MlAssetsError
from ml_assets.steps.work import CODE, WORK, Work

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

    from ml_assets.orchestration.databricks.pipes import SessionReader
    from ml_assets.orchestration.databricks.resource import DatabricksResource

#: Seconds to find out what became of a request whose answer was lost, before it is left alone.
_LAST_TRY = 15.0
#: Seconds after its end for which the results of a job run are taken for those of now.
_FRESH = 3600.0
_NOBODY_WAITS = (
    "%s, of Dagster run %s whose process died, is not for the work that is asked for now. %s"
)
_NOT_KNOWN = (
    "It is not known whether a job run was started (%s). Executing this step again finds it; or look "
    "for the id of this Dagster run in the workspace's list of job runs."
)


@dataclass(frozen=True)
class Launcher:
    """One op that has work for a cluster. Client, reader and session are its own: each works once."""

    resource: "DatabricksResource"
    context: dg.AssetExecutionContext
    work: Work
    whole: Work | None = None

    @contextmanager
    def job_run(self) -> Iterator[JobRun]:
        """Give a job run that does the work; leaving the block ends it, if it has not ended.

        REST calls before the job works: list the sessions, look for the wheel, make the session's
        folder, write the context, submit, ask for its page.
        """
        wanted = self._name(self.work)
        found = self._left_behind(wanted)
        with ExitStack() as stack:
            job = stack.enter_context(self._attempt(found)) if found else None
            if job and found and self._is_stale(job, found):
                stack.close()
                job = None
            yield job or stack.enter_context(self._attempt(wanted))

    def _left_behind(self, wanted: SessionName) -> SessionName | None:
        """Find the session to go on with, and end the others that nobody waits for.

        These are sessions of the same step: of this run and those it re-executes when they asked for
        other work, and of any other run that Dagster knows to have ended.
        """
        folders = self._files.names(f"{self._files.root}/{SESSIONS}")
        sessions = of_step(folders, self._step_key)
        ours = of_runs(sessions, self._ancestors())
        enough = [wanted, *([self._name(self.whole)] if self.whole else [])]
        same = [n for n in ours if any(n.same_work(o) for o in enough) and not self._is_known(n)]
        abandoned = [n for n in sessions if n not in ours and self._has_ended(n.dagster_run)]
        for name in [*ours, *abandoned]:
            if name not in same[:1]:
                self._retire(name)
        return same[0] if same else None

    def _is_known(self, name: SessionName) -> bool:
        """Whether its outcome was told already, and only its folder could not be removed."""
        stats = self.context.instance.get_run_step_stats(name.dagster_run, [self._step_key])
        return any(step.status and step.status.value == "SUCCESS" for step in stats)

    def _has_ended(self, run_id: str) -> bool:
        """Whether a Dagster run is over; one of another Dagster may be alive."""
        run = self.context.instance.get_run_by_id(run_id)
        return run is not None and run.is_finished

    def _ancestors(self) -> list[str]:
        """Name the run and those that it re-executes, latest first."""
        runs = [self.context.run.run_id]
        parent = self.context.run.parent_run_id
        while parent and parent not in runs:
            runs.append(parent)
            run = self.context.instance.get_run_by_id(parent)
            parent = run.parent_run_id if run else None
        return runs

    def _is_stale(self, job: JobRun, found: SessionName) -> bool:
        """Whether it failed before, or ended long ago: who executes again wants it done again."""
        ours = found.dagster_run == self.context.run.run_id
        if ours or not job.status.ended:
            return False
        if job.status.succeeded and job.status.seconds_ago < _FRESH:
            return False
        self.context.log.info("%s is of no use (%s): it is done once more", job.name, job.status)
        return True

    def _retire(self, name: SessionName) -> None:
        """Cancel what a killed launcher had asked for, and nobody waits for."""
        from databricks.sdk.service.jobs import RunType

        jobs = self._client.jobs
        listed = self._patient(
            "looking for an earlier job run",
            lambda: list(jobs.list_runs(active_only=True, run_type=RunType.SUBMIT_RUN)),
        )
        for run_id in [r.run_id for r in listed if (r.run_name or "").endswith(mark(name))]:
            if run_id is not None:
                job = Job(run_id, self._client, self.resource.patience, self.context.log)
                self.context.log.info(_NOBODY_WAITS, job.name, name.dagster_run, job.cancel())
        self._files.remove(f"{self._files.root}/{SESSIONS}/{name}")

    @contextmanager
    def _attempt(self, name: SessionName) -> Iterator[JobRun]:
        """Submit in the session, and clean up when the outcome is known.

        With the token of a session that is there already, the API gives the job run that exists:
        nothing is started twice, and its messages are read from the first on.
        """
        from ml_assets.orchestration.databricks import pipes

        wheel, work = self._wheel, self._work_of(name)
        folder = f"{self._files.root}/{SESSIONS}/{name}"
        injector = pipes.SessionInjector(self._files, folder)
        reader = pipes.SessionReader(self._files.with_calls(self._patient), folder)
        extras = {WORK: work.to_json(), CODE: self._local_wheel.version}
        with pipes.open_session(self.context, injector, reader, extras) as session:
            arguments = session.get_bootstrap_cli_arguments()
            submission = Submission(self.resource, work, name, wheel, arguments)
            job = JobRun(
                run_id=self._submit(submission, folder),
                work=work,
                client=self._client,
                patience=self.resource.patience,
                session=session,
                reader=reader,
                log=self.context.log,
            )
            net = Finalize(None, _cancel_at_exit, (job,), exitpriority=0)
            try:
                self._announce(job, name)
                yield job
            finally:
                net.cancel()
                if outcome := job.cancel():
                    self.context.log.info("%s: %s", job.name, outcome)
                if job.status.stopping:
                    self._tidy(folder, reader)

    def _submit(self, submission: Submission, folder: str) -> int:
        """Submit; when that fails, leave neither a job run nor a folder behind, as far as possible."""
        try:
            return submission.send(self._client, self._strict)
        except BaseException as error:
            refused = isinstance(error, WorkspaceError) and not isinstance(error, UnreachableError)
            if refused or self._withdraw(submission):
                self._tidy(folder, None)
            raise

    def _withdraw(self, submission: Submission) -> bool:
        """Cancel a job run that may have been started though its id never arrived."""
        calls = self.resource.patience.calls(forgiving=True, at_most=_LAST_TRY)
        try:
            run_id = submission.send(self._client, calls)
            calls(f"cancelling job run {run_id}", lambda: self._client.jobs.cancel_run(run_id))
        except (MlAssetsError, OSError) as error:
            self.context.log.warning(_NOT_KNOWN, said(error))
            return False
        self.context.log.info("Databricks job run %s was cancelled at once", run_id)
        return True

    def _announce(self, job: JobRun, name: SessionName) -> None:
        """Say where to look, before anything can fail: in the log, and on each selected asset."""
        known = "found again" if name.dagster_run != self.context.run.run_id else "submitted"
        self.context.log.info("%s was %s in %s", job.name, known, self._client.config.host)
        job.look(tell=False)
        self.context.log.info("%s: %s", job.name, job.url)
        self.context.log.info("%s: %s", job.name, job.status)
        metadata = {
            RUN_URL: dg.MetadataValue.url(job.url),
            RUN_ID: dg.MetadataValue.text(str(job.run_id)),
        }
        keys = set(self.context.selected_asset_keys)
        keys |= {key.asset_key for key in self.context.selected_asset_check_keys}
        for key in sorted(keys):
            self.context.log_event(dg.AssetObservation(asset_key=key, metadata=metadata))

    def _tidy(self, folder: str, reader: "SessionReader | None") -> None:
        """Remove the session's folder: what it was for is over."""
        try:
            self._files.with_calls(self._patient).remove(folder, reader.names() if reader else None)
        except (MlAssetsError, OSError) as error:
            self.context.log.warning("%s could not be removed: %s", folder, said(error))

    @cached_property
    def _client(self) -> "WorkspaceClient":
        return self.resource.workspace(retry_seconds=1)  # what is repeated, is repeated by Calls

    @cached_property
    def _strict(self) -> Calls:
        return self.resource.patience.calls(forgiving=False)

    @cached_property
    def _patient(self) -> Calls:
        return self.resource.patience.calls(forgiving=True)

    @cached_property
    def _files(self) -> VolumeFiles:
        return VolumeFiles(self._client, self._strict, self.resource.volume_path)

    @cached_property
    def _local_wheel(self) -> Wheel:
        return find_wheel(self.resource.wheel, home_folder() / "wheels")

    @cached_property
    def _wheel(self) -> str:
        return self._local_wheel.upload(self._files)

    @property
    def _step_key(self) -> str:
        return str(self.context.op_execution_context.op_handle)

    def _name(self, work: Work) -> SessionName:
        return SessionName.new(self.context.run.run_id, self._step_key, self._request(work))

    def _work_of(self, name: SessionName) -> Work:
        """What a session asked for: what is wanted now, or the whole of it."""
        return self.whole if self.whole and name.same_work(self._name(self.whole)) else self.work

    def _request(self, work: Work) -> dict[str, Any]:
        """What makes two launches the same work; when and by which run it is asked does not."""
        asked = {name: value for name, value in work.to_json().items() if name != "trace"}
        return {
            "work": asked,
            "wheel": self._local_wheel.digest,
            "compute": self.resource.compute.model_dump(mode="json"),
            "dependencies": list(self.resource.dependencies),
        }


def _cancel_at_exit(job: Job) -> None:
    """End a job run that nobody waits for any more, when the process ends.

    An interrupt that hits while the op is suspended at a ``yield`` raises nothing inside it, and its
    block is left only when the op is collected as garbage: that may be never.
    """
    Job(job.run_id, job.client, job.patience, logging.getLogger(__name__)).cancel()
