"""What runs inside a Databricks job: ``python -m ml_assets.remote``, started by the orchestrator.

It reads the ``Work`` that Dagster Pipes hands over, does its tasks on the platform of the job, and
answers each with a ``Report``. Dagster itself is not needed here, only ``dagster-pipes``.
"""

from __future__ import annotations

import argparse
import logging
import os
from importlib import metadata
from typing import TYPE_CHECKING, Any

from ml_assets.spec.errors import SpecError, did_you_mean
from ml_assets.spec.redaction import redacted, redacted_values

#: What of a report is text for people. The rest names tables and versions: other steps read it.
_FOR_PEOPLE = ("error", "skipped", "verdicts")

if TYPE_CHECKING:
    from dagster_pipes import PipesContext

    from ml_assets.platform.protocol import Platform
    from ml_assets.steps.recipe import Recipe
    from ml_assets.steps.work import Report, Work

#: Which platform the job uses. Jobs of ours use Databricks; tests set ``embedded``.
PLATFORM_VARIABLE = "ML_ASSETS_TASK_PLATFORM"
_PLATFORMS = ("databricks", "embedded")


class WorkFailedError(Exception):
    """Ends the job as failed, so that Databricks' own list of runs tells the truth."""


def main() -> None:
    """Do the work that this process was started for.

    Raises
    ------
    WorkFailedError
        After every task was reported: when one failed, or a blocking check is red.
    SpecError
        When this code understands the declaration in another way than the orchestrator's, or when
        the process was started without a request.
    """
    from dagster_pipes import (
        PipesCliArgsParamsLoader,
        PipesUnityCatalogVolumesContextLoader,
        open_dagster_pipes,
    )

    from ml_assets.remote.messages import PromptWriter

    loader = PipesCliArgsParamsLoader()  # type: ignore[no-untyped-call]
    if not loader.is_dagster_pipes_process():
        raise SpecError(
            "ml_assets.remote",
            found="a start without the parameters of Dagster Pipes",
            expected="a start by a Dagster run, which submits a job run",
            fix="materialize assets in Dagster with ML_ASSETS_PLATFORM=databricks",
        )
    with open_dagster_pipes(
        params_loader=loader,
        context_loader=PipesUnityCatalogVolumesContextLoader(),
        message_writer=PromptWriter(interval=_message_seconds()),
    ) as pipes:
        answer(pipes)


def answer(pipes: PipesContext) -> None:
    """Do the work in the context's extras and report through the context; see ``main``."""
    from ml_assets.steps.recipe import default_recipe
    from ml_assets.steps.work import CODE, WORK, Work

    _forward_logs(pipes.log)
    refuse_other_code(pipes.extras.get(CODE))
    work = Work.from_json(pipes.get_extra(WORK))
    do(work, open_platform(), default_recipe(), pipes)


def refuse_other_code(sent: str | None) -> None:
    """Refuse to run other code than the wheel that was sent with the request.

    A running cluster keeps a wheel of the same version, or one that an earlier job run installed.

    Raises
    ------
    SpecError
        Naming both versions. Nothing is checked when the request names none.
    """
    found = metadata.version("ml_assets")
    if sent is not None and sent != found:
        raise SpecError(
            "ml_assets in the job",
            found=f"version {found}",
            expected=f"version {sent}, the wheel that was sent",
            fix="restart the cluster: it holds the wheel of an earlier job run. Give every wheel that "
            "you build yourself a version of its own",
        )


def do(work: Work, platform: Platform, recipe: Recipe, pipes: PipesContext) -> None:
    """Do the tasks, report each, then the end; see ``main``."""
    from ml_assets.steps.work import DONE, REPORT
    from ml_assets.steps.worker import run, stopped

    def send(report: Report) -> None:
        pipes.report_custom_message({REPORT: shown(report)})

    reports = run(work, platform, recipe, send)
    pipes.report_custom_message({DONE: len(reports)})
    if bad := stopped(reports):
        raise WorkFailedError(redacted("\n\n".join(map(_reason, bad))))


def shown(report: Report) -> dict[str, Any]:
    """A report as it is sent: its texts for people without secrets, its names as they are."""
    values = report.to_json()
    return values | {name: redacted_values(values[name]) for name in _FOR_PEOPLE}


def open_platform() -> Platform:
    """Open the platform that ``ML_ASSETS_TASK_PLATFORM`` names; Databricks' when nothing is said.

    Raises
    ------
    SpecError
        When there is none of that name.
    """
    name = os.environ.get(PLATFORM_VARIABLE) or _PLATFORMS[0]
    if name == "databricks":
        from ml_assets.platform.databricks import DatabricksPlatform

        return DatabricksPlatform()
    if name == "embedded":
        from ml_assets.platform.embedded import EmbeddedPlatform

        return EmbeddedPlatform()
    raise SpecError(
        PLATFORM_VARIABLE,
        found=repr(name),
        expected=" or ".join(_PLATFORMS) + did_you_mean(name, _PLATFORMS),
        fix=f"unset {PLATFORM_VARIABLE} in the job's environment",
    )


def _message_seconds() -> float:
    """Read how many seconds lie between two looks for something new to send."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--message-seconds", type=float, default=5.0)
    known, _ = parser.parse_known_args()
    return float(known.message_seconds)


def _reason(report: Report) -> str:
    if report.error:
        return f"{report.asset}: {report.error.message}\n{report.error.traceback}"
    red = "; ".join(f"{v.check}: {v.message} Fix: {v.fix}" for v in report.verdicts if v.stops)
    return f"{report.asset}: {red}"


def _forward_logs(to: logging.Logger) -> None:
    """Show what the package logs on Dagster's run page, too."""
    ours = logging.getLogger("ml_assets")
    ours.setLevel(logging.INFO)
    ours.addHandler(_Forward(to))


class _Forward(logging.Handler):
    """Hands records to Pipes' logger, which sends texts."""

    def __init__(self, to: logging.Logger) -> None:
        super().__init__(logging.INFO)
        self._to = to

    def emit(self, record: logging.LogRecord) -> None:
        self._to.log(record.levelno, redacted(self.format(record)))
