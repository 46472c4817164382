"""The log of a Delta table: its history, and commits that change nothing but its metadata."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


def latest(table: Path) -> int:
    """Return the latest version; -1 when there is no table."""
    return max((int(p.stem) for p in _commits(table)), default=-1)


def metadata(table: Path) -> dict[str, Any]:
    """Return the table's current metadata action, its schema parsed."""
    for path in sorted(_commits(table), reverse=True):
        for action in _actions(path):
            if "metaData" in action:
                found: dict[str, Any] = action["metaData"]
                return {**found, "schema": json.loads(found["schemaString"])}
    raise FileNotFoundError(table)


def change_metadata(
    table: Path,
    change: Callable[[dict[str, Any]], None],
    operation: str,
    parameters: dict[str, str],
) -> None:
    """Commit what ``change`` does to the metadata (``schema`` holds the parsed schema)."""
    found = metadata(table)
    change(found)
    found["schemaString"] = json.dumps(found.pop("schema"))
    info = {
        "timestamp": time.time_ns() // 1_000_000,
        "operation": operation,
        "operationParameters": parameters,
        "isBlindAppend": False,
        "engineInfo": "shim",
    }
    path = _log(table) / f"{latest(table) + 1:020}.json"
    with path.open("x", encoding="utf-8") as file:
        file.writelines(json.dumps(a) + "\n" for a in ({"commitInfo": info}, {"metaData": found}))


def change_column(
    table: Path, column: str, change: Callable[[dict[str, Any]], None], parameters: dict[str, str]
) -> None:
    """Commit a change of one column of the schema."""

    def apply(found: dict[str, Any]) -> None:
        change(next(f for f in found["schema"]["fields"] if f["name"].lower() == column.lower()))

    change_metadata(table, apply, "CHANGE COLUMN", {"column": column, **parameters})


def history(table: Path) -> list[dict[str, Any]]:
    """List the commits, the latest first, as ``DESCRIBE HISTORY`` does."""
    return [
        {"version": int(path.stem), **_info(path)} for path in sorted(_commits(table), reverse=True)
    ]


def stamp(table: Path, versions: Iterable[int], user_metadata: str) -> None:
    """Write the user's metadata into commits: the engine here does not know that option."""
    for version in versions:
        _edit(table, version, "commitInfo", lambda info: info.update(userMetadata=user_metadata))


def allow_nulls(table: Path, versions: Iterable[int]) -> None:
    """Let all columns of a schema that was written with rows be nullable, as Delta does.

    NOT NULL comes from statements only; the engine here takes it over from the frame.
    """

    def change(action: dict[str, Any]) -> None:
        schema = json.loads(action["schemaString"])
        for field in schema["fields"]:
            field["nullable"] = True
        action["schemaString"] = json.dumps(schema)

    for version in versions:
        _edit(table, version, "metaData", change)


def _edit(table: Path, version: int, kind: str, change: Callable[[dict[str, Any]], None]) -> None:
    path = _log(table) / f"{version:020}.json"
    actions = list(_actions(path))
    for action in actions:
        if kind in action:
            change(action[kind])
    path.write_text("".join(json.dumps(a) + "\n" for a in actions), encoding="utf-8")
    path.with_suffix(".crc").unlink(missing_ok=True)  # it repeats what has just been changed


def _log(table: Path) -> Path:
    return table / "_delta_log"


def _commits(table: Path) -> list[Path]:
    return [p for p in _log(table).glob("*.json") if p.stem.isdigit()]


def _actions(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def _info(path: Path) -> dict[str, Any]:
    return next((a["commitInfo"] for a in _actions(path) if "commitInfo" in a), {})
