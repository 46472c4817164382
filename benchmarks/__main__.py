"""``python -m benchmarks [NAME …] [--scale 0.1]``: run the figures, print a table, keep the lines."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from benchmarks import (
    cleaning,
    databricks_overhead,
    demo,
    facts,
    leakage,
    load,
    pit_join,
    promotion,
    scoring,
)
from benchmarks.harness import ROOT, SCRATCH, machine, measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.harness import Result

RESULTS = ROOT / "benchmarks" / "results.jsonl"
FIGURES = (
    *load.FIGURES,
    *pit_join.FIGURES,
    *cleaning.FIGURES,
    *scoring.FIGURES,
    *facts.FIGURES,
    *leakage.FIGURES,
    *promotion.FIGURES,
    *demo.FIGURES,
    *databricks_overhead.FIGURES,
)


def main() -> int:
    """Return 0 when every target is met."""
    options = _options()
    chosen = [f for f in FIGURES if not options.names or f.name in options.names]
    SCRATCH.mkdir(parents=True, exist_ok=True)
    about = machine()
    print(", ".join(f"{key} {value}" for key, value in about.items()), flush=True)
    results: list[Result] = []
    for figure in chosen:
        print(f"\n{figure.name}: {figure.title}", flush=True)
        rounds = min(figure.rounds, options.rounds or figure.rounds)
        beside = figure.beside if options.beside else {}
        results += measure(replace(figure, rounds=rounds, beside=beside), options.scale)
    print("\n" + table(results))
    if options.scale == 1.0:
        _keep(results)
        print(f"\nwritten to {RESULTS.relative_to(ROOT)}")
    else:
        print("\na quick look: not written (use --scale 1)")
    return 0 if all(r.met is not False for r in results) else 1


def table(results: Sequence[Result]) -> str:
    """Lay the results out for reading."""
    head = ("figure", "ours", "other", "ratio", "target", "met", "peak MB", "rows")
    lines = [head, *(_cells(r) for r in results)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    lines.insert(1, tuple("-" * w for w in widths))
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _cells(result: Result) -> tuple[str, ...]:
    target = {
        "ratio": f"<= {result.target}",
        "seconds beyond": f"<= +{result.target} s",
        "peak MB": f"<= {result.target} MB",
    }.get(result.kind, "")
    return (
        result.name,
        f"{result.ours_seconds:.2f} s",
        "" if result.other_seconds is None else f"{result.other_seconds:.2f} s",
        "" if result.ratio is None else f"{result.ratio:.2f}",
        target,
        {True: "yes", False: "NO", None: ""}[result.met],
        str(result.peak_mb),
        f"{result.rows:,}" if result.rows else "",
    )


def _keep(results: Sequence[Result]) -> None:
    """Replace the lines of the figures that were run; the others stay."""
    old = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    lines = {json.loads(line)["name"]: line for line in old}
    lines |= {r.name: json.dumps(asdict(r)) for r in results}
    RESULTS.write_text("".join(f"{line}\n" for line in lines.values()), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = [f.name for f in FIGURES]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--scale", type=float, default=1.0, help="rows, as a share (default 1)")
    parser.add_argument("--rounds", type=int, help="fewer rounds than the figure asks for")
    parser.add_argument(
        "--no-beside", dest="beside", action="store_false", help="leave out the slow contestants"
    )
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(names)):
        parser.error(f"no figure called {', '.join(unknown)}; there are {', '.join(names)}")
    return options


if __name__ == "__main__":
    raise SystemExit(main())
