"""``ml-assets promote``, ``rollback``, ``champion`` and ``history``: arguments in, lines of text out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_assets.steps.serving.version_tags import FORCED, PASSED, REFUSED

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.serving.moves import Move
    from ml_assets.steps.serving.serving_history import Event, Standing

    Say = Callable[[argparse.Namespace], str]

_MODEL = "PROJECT/MODEL"
_HEAD = ("when (UTC)", "what", "version", "before", "who", "why")
_REASON_WIDTH = 100


def add_commands(commands: Any, show: Callable[[Say], Any]) -> None:
    """Add the four commands to a parser of commands; ``show`` makes one print what it says."""
    promote = commands.add_parser("promote", help="make a version the champion: it serves then")
    promote.add_argument("model", metavar=_MODEL)
    promote.add_argument("--version", type=int, metavar="N", help="default: the latest")
    promote.add_argument("--reason", required=True, metavar="TEXT", help="kept with the promotion")
    promote.add_argument(
        "--force",
        action="store_true",
        help="also a version that did not pass its gates, or predicts something else than declared",
    )
    promote.set_defaults(run=show(_promote))
    rollback = commands.add_parser("rollback", help="make the champion before this one serve again")
    rollback.add_argument("model", metavar=_MODEL)
    rollback.add_argument("--reason", required=True, metavar="TEXT", help="kept with the rollback")
    rollback.set_defaults(run=show(_rollback))
    champion = commands.add_parser("champion", help="show the version that serves")
    champion.add_argument("model", metavar=_MODEL)
    champion.set_defaults(run=show(_champion))
    history = commands.add_parser("history", help="list promotions and rollbacks, newest first")
    history.add_argument("model", metavar=_MODEL)
    history.add_argument("--scoring", action="store_true", help="also every batch of scores")
    history.add_argument("--most", type=_count, default=50, metavar="N", help="default 50")
    history.set_defaults(run=show(_history))


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _promote(arguments: argparse.Namespace) -> str:
    from ml_assets.orchestration.serving.desk import open_desk
    from ml_assets.steps.serving.promotion import promote

    opened = open_desk(arguments.model)
    move = promote(
        opened.desk,
        version=arguments.version,
        reason=arguments.reason,
        who=opened.who,
        force=arguments.force,
    )
    return moved(opened.desk.spec, move)


def _rollback(arguments: argparse.Namespace) -> str:
    from ml_assets.orchestration.serving.desk import open_desk
    from ml_assets.steps.serving.promotion import rollback

    opened = open_desk(arguments.model)
    move = rollback(opened.desk, reason=arguments.reason, who=opened.who)
    return moved(opened.desk.spec, move)


def _champion(arguments: argparse.Namespace) -> str:
    from ml_assets.orchestration.serving.desk import open_desk
    from ml_assets.steps.serving.serving_history import standing

    desk = open_desk(arguments.model).desk
    return described(desk.spec, standing(desk))


def _history(arguments: argparse.Namespace) -> str:
    from ml_assets.orchestration.serving.desk import open_desk
    from ml_assets.steps.serving.serving_history import history

    desk = open_desk(arguments.model).desk
    events = history(desk, scoring=arguments.scoring, most=arguments.most)
    return listed(desk.spec, events)


def moved(spec: ModelSpec, move: Move | None) -> str:
    """Say what a move did, and what to do now."""
    if move is None:
        return f"{spec.name}: that version is the champion already; nothing was changed."
    was = f", it was version {move.before}" if move.before else ""
    lines = [
        f"{spec.name}: the champion is version {move.version} now{was}.",
        f"  by      {move.who}",
        f"  reason  {move.reason}",
    ]
    if move.before:
        lines.append(f"  version {move.before} has the alias challenger")
    if move.other:
        lines.append(f"  it predicts something else than the declaration says: {move.other}")
        lines.append("next: declare what it predicts; until then its predictions are refused")
    elif move.forced:
        lines.append("  it did not pass its gates: its checks show that as a warning from now on")
        lines.append("next: execute the checks of model_version, then materialize predictions")
    else:
        lines.append("next: materialize predictions; the stored ones are of the champion before")
    return "\n".join(lines)


def described(spec: ModelSpec, found: Standing) -> str:
    """Describe the champion in lines."""
    gates = {
        PASSED: "passed every gate",
        FORCED: "promoted by FORCE, against what is known of it",
        REFUSED: "REFUSED by its gates: it does not serve",
    }
    lines = [
        f"{spec.name}: {spec.registered_model}",
        f"  champion    version {found.version}, {gates.get(found.gates, found.gates)}",
    ]
    if found.other:
        lines.append(f"  predicts    something else than the declaration says: {found.other}")
    if found.moved:
        lines.append(f"  since       {_time(found.moved.when)} UTC, by {found.moved.who}")
        lines.append(f"  reason      {found.moved.reason}")
    if found.metrics:
        shown = ", ".join(f"{name} {value:.4f}" for name, value in found.metrics.items())
        lines.append(f"  holdout     {shown}")
    back = f"version {found.rollback_to}" if found.rollback_to else "nothing: it is the first"
    if found.rollback_to is None:
        back = "nothing: its alias was set by hand"
    if found.rollback_trouble:
        lines.append(f"  rollback    impossible: {back} {found.rollback_trouble}")
    else:
        lines.append(f"  rollback    restores {back}")
    if found.challenger:
        refused = f", refused: {found.refused}" if found.refused else ""
        lines.append(f"  challenger  version {found.challenger}{refused}")
    lines += [f"  {purpose:<11} {url}" for purpose, url in found.runs.items()]
    return "\n".join(lines)


def listed(spec: ModelSpec, events: Sequence[Event]) -> str:
    """Lay events out as a table."""
    if not events:
        return f"{spec.name}: nobody was promoted yet."
    rows = [_HEAD, *(_cells(event) for event in events)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    )


def _cells(event: Event) -> tuple[str, ...]:
    what = {"promote": "promoted", "rollback": "rolled back", "score": "scored"}[event.action]
    what += ", forced" if event.forced else ""
    what += "" if event.status in {"FINISHED", ""} else f" ({event.status.lower()})"
    reason = event.reason.replace("\n", " ")
    if len(reason) > _REASON_WIDTH:
        reason = reason[: _REASON_WIDTH - 1] + "…"
    return (_time(event.when), what, event.version, event.before or "-", event.who, reason)


def _time(when: datetime | None) -> str:
    return when.strftime("%Y-%m-%d %H:%M:%S") if when else "unknown"
