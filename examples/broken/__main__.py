"""Look at an example: ``python -m examples.broken`` lists them, ``… NAME`` runs one.

``python -m examples.broken --page`` runs all and writes ``docs/broken.md`` again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from examples.broken import page
from examples.broken.copying import Shop
from examples.broken.gallery import examples
from examples.broken.running import Outcome, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from examples.broken.gallery import Example


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when an example did what it is there for."""
    parser = argparse.ArgumentParser(prog="python -m examples.broken", description=__doc__)
    parser.add_argument("name", nargs="?", help="the example to run")
    parser.add_argument("--page", action="store_true", help="write docs/broken.md again")
    asked = parser.parse_args(arguments)
    known = {example.name: example for example in examples()}
    if asked.page:
        with tempfile.TemporaryDirectory(prefix="ml_assets-broken-") as home:
            shop = Shop.built(Path(home).resolve())
            outcomes = {name: shop.outcome(example) for name, example in known.items()}
        page.PATH.write_text(page.written(outcomes), encoding="utf-8")
        return 0
    if asked.name not in known:
        for example in known.values():
            print(f"{example.name:28} {example.red:28} {example.title}")
        return 0 if asked.name is None else 2
    return _show(known[asked.name], _run(known[asked.name]))


def _run(example: Example) -> Outcome:
    from ml_assets.platform.embedded import EmbeddedPlatform

    with tempfile.TemporaryDirectory(prefix="ml_assets-broken-") as home:
        return run(example, EmbeddedPlatform(home=Path(home)))


def _show(example: Example, outcome: Outcome) -> int:
    print(f"{example.title}\n")
    for asset, report in outcome.reports.items():
        bad = [v for v in report.verdicts if not v.passed]
        how = "skipped" if report.skipped else "built" if report.build else "checked"
        print(f"{'RED ' if bad else '    '}{asset:22} {how}")
    check, message, fix = page.message_of(example, outcome)
    print(f"\n{check}: {message}\n\nFix: {fix}")
    return 0 if check == example.red else 1


if __name__ == "__main__":
    sys.exit(main())
