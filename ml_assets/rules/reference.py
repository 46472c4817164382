"""The table of all checks for the documentation, made from the registry."""

from __future__ import annotations

from ml_assets.rules.registry import RULES

BEGIN, END = "<!-- checks:begin -->", "<!-- checks:end -->"


def markdown_table() -> str:
    """Write one row per check: where it stands, whether it blocks, what it asks for."""
    rows = [
        f"| `{r.check}` | {r.asset} | {'blocks' if r.severity == 'error' else 'warns'} | {r.title} |"
        for r in RULES
    ]
    return "\n".join(["| check | asset | | what it asks for |", "|---|---|---|---|", *rows])


def fill(text: str) -> str:
    r"""Put the table between the markers of a document.

    >>> fill("a\\n<!-- checks:begin -->\\nSTALE\\n<!-- checks:end -->\\nb").count("STALE")
    0
    """
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{markdown_table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    from pathlib import Path

    readme = Path("README.md")
    readme.write_text(fill(readme.read_text(encoding="utf-8")), encoding="utf-8")
