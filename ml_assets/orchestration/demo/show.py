"""The summary of a run as a person reads it in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console
    from rich.table import Table

    from ml_assets.orchestration.demo.summary import CheckLine, RunSummary


def show_summary(console: Console, summary: RunSummary) -> None:
    """Print the red checks first, then assets, checks and the registered version."""
    if summary.red or summary.errors:
        show_problems(console, summary)
    for table in (_assets(summary), _checks(summary)):
        console.print()
        console.print(table)
    show_version(console, summary)


def show_problems(console: Console, summary: RunSummary) -> None:
    """Print each red check with message and fix, and the errors that are no check's."""
    console.print()
    for check in summary.red:
        console.print(f"[bold red]✗ {check.check}[/] on {check.asset}", highlight=False)
        console.print(f"{_plain(check.text)}\n", markup=False, highlight=False)
    judged = {check.asset for check in summary.red}
    told = {check.check for check in summary.red}
    for error, asset in _first_of_each(summary.errors).items():
        if asset not in judged and not any(f"**{check}**" in error for check in told):
            console.print(f"[bold red]✗ {asset} failed[/]", highlight=False)
            console.print(f"{error}\n", markup=False, highlight=False)


def _first_of_each(errors: Mapping[str, str]) -> dict[str, str]:
    """Each error once, with the first asset that it kept from being made: a step may make many."""
    return {error: asset for asset, error in reversed(list(errors.items()))}


def show_version(console: Console, summary: RunSummary) -> None:
    """Print the registered version, its alias, and its holdout metrics beside the baseline's."""
    values = summary.values_of("model_version")
    if not values:
        return
    version, champion = values.get("model_version"), values.get("champion")
    alias = "champion" if version == champion else f"not champion; that is version {champion}"
    alias = "not champion; there is none yet" if champion is None else alias
    name = values.get("registered_model")
    console.print(f"\n[bold]{name}[/] version [bold]{version}[/] ({alias})\n", highlight=False)
    metrics = [n.removeprefix("holdout_") for n in values if n.startswith("holdout_")]
    table = _table("metric", ">holdout", ">constant baseline")
    for metric in metrics:
        row = (values[f"holdout_{metric}"], values.get(f"baseline_{metric}"))
        table.add_row(metric, *(_number(value) for value in row))
    console.print(table)


def _assets(summary: RunSummary) -> Table:
    table = _table("asset", ">rows", "stored as", ">version", ">seconds")
    for line in summary.assets:
        table.add_row(
            line.asset,
            f"{line.rows:,}" if line.rows is not None else "",
            line.where or f"[dim]{line.state}[/]",
            line.version,
            f"{line.seconds:.1f}" if line.seconds is not None else "",
        )
    return table


def _checks(summary: RunSummary) -> Table:
    table = _table("asset", "check", "", "what was measured")
    before = ""
    for check in summary.checks:
        asset = check.asset if check.asset != before else ""
        table.add_row(asset, check.check, _mark(check), _escaped(check.text))
        before = check.asset
    return table


def _mark(check: CheckLine) -> str:
    if check.passed:
        return "[green]✓[/]"
    return "[red]✗[/]" if check.red else "[yellow]![/]"


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        right = column.startswith(">")
        table.add_column(
            column.lstrip(">"),
            justify="right" if right else "left",
            no_wrap=column in ("asset", "check"),
            overflow="fold",
        )
    return table


def _plain(text: str) -> str:
    """Take the Markdown out of a check's text."""
    return text.replace("**", "").replace("```", "").strip()


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(" ".join(_plain(text).split()))


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value if value is not None else "")
