"""What a person sees who follows the link to a run's page: all runs, latest first."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

from ml_assets_tests.emulator.web import Call, route

if TYPE_CHECKING:
    from starlette.routing import Route

    from ml_assets_tests.emulator.jobs import Jobs
    from ml_assets_tests.emulator.runs import Run

STYLE = "body{font-family:sans-serif;margin:2em} pre{background:#f4f4f4;padding:1em}"


@dataclass
class Pages:
    """One page, open to every browser on this machine."""

    jobs: Jobs

    def routes(self) -> list[Route]:
        """Serve the page; what follows the # in a run's address never reaches a server."""
        return [route("GET", "/", self._runs)]

    def _runs(self, _: Call) -> HTMLResponse:
        runs = sorted(self.jobs.runs.values(), key=lambda run: -run.run_id)
        parts = "".join(map(_part, runs)) or "<p>No runs yet.</p>"
        title = "Job runs of the emulated workspace"
        head = f"<title>{title}</title><style>{STYLE}</style>"
        return HTMLResponse(f"<!doctype html>{head}<h1>{title}</h1>{parts}")


def _part(run: Run) -> str:
    state = f"{run.life} {run.end.result if run.end else ''}"
    log = run.process.output()["logs"] if run.process else ""
    name = escape(run.body.get("run_name") or "Untitled")
    return f"<h2>{run.run_id}: {name}</h2><p>{escape(state)}</p><pre>{escape(log[-5000:])}</pre>"
