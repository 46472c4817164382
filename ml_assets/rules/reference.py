"""The table of all checks for the documentation, made from the registry and the declared limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from ml_assets.rules.registry import RULES
from ml_assets.rules.rule import AssetKind
from ml_assets.spec.model_types import KINDS
from ml_assets.spec.reference import limits_of

if TYPE_CHECKING:
    from ml_assets.rules.rule import Rule

BEGIN, END = "<!-- checks:begin -->", "<!-- checks:end -->"
_SEVERITIES = {"error": "**blocks**", "warn": "warns"}


def markdown_table() -> str:
    """Write one row per check: where it stands, whether it blocks, what it asks for, its limits."""
    rows = [f"| {' | '.join(_cells(rule))} |" for rule in RULES]
    head = "| check | asset | | what it asks for | limits, with their defaults | model types |"
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])


def markdown_summary() -> str:
    """Write one row per asset: the names of its checks."""
    rows = ["| asset | blocks | warns |", "|---|---|---|"]
    for asset in get_args(AssetKind):
        mine = [rule for rule in RULES if rule.asset == asset]
        cells = (
            " ".join(f"`{rule.check}`" for rule in mine if rule.severity == severity)
            for severity in _SEVERITIES
        )
        rows.append(f"| {' | '.join((f'`{asset}`', *cells))} |")
    return "\n".join(rows)


#: What stands between the markers of each document.
DOCUMENTS = {"docs/checks.md": markdown_table, "README.md": markdown_summary}


def fill(text: str, table: str) -> str:
    """Put a table between the markers of a document.

    >>> fill("a <!-- checks:begin --> STALE <!-- checks:end --> b", "NEW").split()
    ['a', '<!--', 'checks:begin', '-->', 'NEW', '<!--', 'checks:end', '-->', 'b']
    """
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"


def _cells(rule: Rule) -> tuple[str, ...]:
    limits = ", ".join(f"`{field}: {default}`" for field, default in limits_of(rule.check))
    severity = _SEVERITIES[rule.severity]
    return (f"`{rule.check}`", rule.asset, severity, rule.title, limits, _model_types(rule))


def _model_types(rule: Rule) -> str:
    """Name the model types that have a check; nothing when all do."""
    having = [name for name in KINDS if rule.applies(_Typed(name))]  # type: ignore[arg-type]
    if len(having) == len(KINDS):
        return ""
    missing = [name for name in KINDS if name not in having]
    return f"not {', '.join(missing)}" if len(missing) < len(having) else ", ".join(having)


class _Typed:
    """As much of a declaration as ``Rule.applies`` may look at."""

    def __init__(self, model_type: Any) -> None:
        self.model_type, self.kind = model_type, KINDS[model_type]
        self.label_classes = (0, 1, 2) if self.kind.declared_classes else self.kind.label_classes


if __name__ == "__main__":
    from pathlib import Path

    for name, table in DOCUMENTS.items():
        document = Path(name)
        document.write_text(fill(document.read_text(encoding="utf-8"), table()), encoding="utf-8")
