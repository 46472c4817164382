"""What runs in the job instead of ``ml_assets.remote``: it speaks the protocol and does nothing else.

It is packed into a wheel of its own and runs in the emulator's bare environment. ``STAND_IN`` in the
environment says what it does beside answering each task: ``slow`` (half a second for each), ``long`` (three seconds),
``hang`` (after the first report), ``raise`` (at the second task), ``leak`` (with a token in the text), ``silent`` (no last message), ``red``
(a blocking check), ``broken`` (an error is reported), ``stranger`` (another asset is),
``newer`` (with a field that nobody knows).
Each task that is worked on leaves a line in the file ``WORKED``: work that is done twice is seen.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from dagster_pipes import PipesCliArgsParamsLoader

WORK, REPORT, DONE = "ml_assets/work", "ml_assets/report", "ml_assets/done"


def main() -> None:
    found = PipesCliArgsParamsLoader()
    context = json.loads(Path(found.load_context_params()["path"]).read_text())
    messages = Messages(Path(found.load_messages_params()["path"]))
    mode = os.environ.get("STAND_IN", "")
    tasks = context["extras"][WORK]["tasks"]
    messages.send("opened", extras={})
    for number, task in enumerate(tasks):
        if mode == "raise" and number == 1:
            raise ValueError("the column is missing")
        if mode == "leak":
            raise ValueError(
                "refused: Bearer dapi0123456789abcdef0123456789abcdef at b0ss:hunter2@db"
            )
        work_on(task, mode)
        messages.custom({REPORT: report(task, mode)})
        if mode == "hang":
            time.sleep(600)
    messages.send("log", message=f"arguments: {sys.argv[1:3]}", level="info")
    if mode != "silent":
        messages.custom({DONE: len(tasks)})
    messages.send("closed")
    if mode in {"red", "broken"}:
        raise RuntimeError("a task failed")


def work_on(task, mode):
    time.sleep({"slow": 0.5, "long": 3}.get(mode, 0))
    with Path(os.environ["WORKED"]).open("a") as lines:
        lines.write(task["asset"] + "\n")


def report(task, mode):
    verdict = {"check": "keys", "rule": "ML-00", "passed": False, "severity": "error"}
    verdict |= {"message": "red", "fix": "", "numbers": {}, "table": [], "blocking": True}
    error = {"message": "cannot be done", "traceback": "a traceback"} if mode == "broken" else None
    asset = "somebody" if mode == "stranger" and task["asset"] == "two" else task["asset"]
    known = {"asset": asset, "build": task["build"], "handle": {"rows": 1}, "details": {}}
    known |= {"table": None, "measured": {}, "skipped": "", "started": 1.0, "ended": 2.0}
    known |= {"mood": "fine"} if mode == "newer" else {}
    return {**known, "verdicts": [verdict] if mode == "red" else [], "error": error}


class Messages:
    """Writes each message as a chunk of its own, as soon as it is there."""

    def __init__(self, folder):
        self.folder, self.next = folder, 1

    def custom(self, payload):
        self.send("report_custom_message", payload=payload)

    def send(self, method, **params):
        message = {"__dagster_pipes_version": "0.1", "method": method, "params": params}
        part = self.folder / f".{self.next}.part"
        part.write_text(json.dumps(message))
        part.rename(self.folder / f"{self.next}.json")
        self.next += 1
