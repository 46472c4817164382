"""The page of all examples, written from what they did."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from examples.broken.gallery import examples
from ml_assets.steps.library_errors import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from examples.broken.gallery import Example
    from examples.broken.running import Outcome

PATH = Path(__file__).parents[2] / "docs" / "broken.md"
_HEAD = """\
# Broken on purpose

Every mistake that the golden rules are there for, made once: a small shop whose declaration, data or
stored tables are broken in one place, the check that turns red, and what it says. Everything else
stays green, and nothing downstream of the red asset runs; a check that only warns stops nothing.

```
python -m examples.broken                   # list them
python -m examples.broken random_split      # run one in a temporary folder
```

Each is a folder of `examples/broken/`: `example.yaml` holds the difference to the
[shop's declaration](../examples/broken/shop/defs.yaml), `features.py` another transform, and
`break_it.py` what somebody does by hand, past the product. This page is written by
`python -m examples.broken --page`, and a test runs every example and holds the page against it.
"""

_ERRORS = """\
## When a library is faster

The checks turn red before a library can complain. Where one still does (inside a step, or while a check is
measured), the failure names the rule, the cause and the fix, and keeps the library's own error as its cause.
A message alone proves nothing: what is stored decides which check is meant, and when it is as it should be
the library's error is shown as it is. A packaged model that raises on raw keys fails `ml03_score_replay`.
"""


def written(outcomes: Mapping[str, Outcome]) -> str:
    """Write the page from the outcome of each example, by name."""
    known = examples()
    rows = [f"| [{e.name}](#{e.name}) | `{e.red}` | {_where(e)} | {e.title} |" for e in known]
    table = ["| example | red check | on | what is wrong |", "|---|---|---|---|", *rows]
    sections = ["\n".join(_section(e, outcomes[e.name])) for e in known]
    parts = [_HEAD.rstrip(), "\n".join(table), *sections, _errors()]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _errors() -> str:
    rows = [
        f"| {' · '.join(f'`{w}`' for w in row.words.split(' / '))} | {' · '.join(f'`{c}`' for c in row.checks)} |"
        for row in TABLE
    ]
    return "\n".join(
        [_ERRORS, "| what the library says | what the failure names |", "|---|---|", *rows]
    )


def message_of(example: Example, outcome: Outcome) -> tuple[str, str, str]:
    """The check that turned red, what it says, and the fix; of a refusal the loader's words."""
    if outcome.refused is not None:
        refusal = outcome.refused
        found = f"{refusal.where}: found {refusal.found}; expected {refusal.expected}."
        return str(refusal.rule), found, refusal.fix
    verdict = outcome.red.get((example.asset, example.red)) or next(
        iter(outcome.red.values()), None
    )
    if verdict is None:
        return "nothing", "every check is green", "this example does not break what it should"
    return verdict.check, verdict.message, verdict.fix


def _section(example: Example, outcome: Outcome) -> Iterator[str]:
    check, message, fix = message_of(example, outcome)
    yield f"## {example.name}\n"
    yield f"{example.title}.\n"
    yield from _difference(example)
    yield f"**{check}** on {_where(example)}:\n"
    yield f"> {message}\n>\n> **Fix:** {fix}\n"
    for other, reason in example.also.items():
        yield f"Also red: `{other}`, {reason}.\n"
    yield _rest(outcome)


def _difference(example: Example) -> Iterator[str]:
    if example.change:
        shown = yaml.safe_dump(dict(example.change), sort_keys=False, default_flow_style=None)
        yield f"```yaml\n{shown}```\n"
    for file in ("features.py", "break_it.py"):
        path = example.folder / file
        if path.exists():
            code = path.read_text(encoding="utf-8")
            yield f"```python\n{_code(code)}```\n"


def _code(text: str) -> str:
    """What a file does, without what it imports."""
    found = re.search(r"^(def|class) ", text, re.MULTILINE)
    return text[found.start() :] if found else text


def _where(example: Example) -> str:
    return "the declaration" if example.asset == "declaration" else f"`{example.asset}`"


def _rest(outcome: Outcome) -> str:
    if outcome.refused is not None:
        return "The declaration is refused: nothing runs."
    if outcome.red and all(verdict.severity == "warn" for verdict in outcome.red.values()):
        return "A warning: everything downstream runs."
    skipped = [asset for asset in outcome.reports if asset in outcome.skipped]
    listed = ", ".join(f"`{asset}`" for asset in skipped)
    return f"Did not run: {listed}." if listed else "Nothing stands downstream of it."
