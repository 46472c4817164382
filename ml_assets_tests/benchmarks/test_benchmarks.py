"""The benchmarks compare like with like: every contestant gives the same answer, on little data."""

from __future__ import annotations

import importlib
import json

import pytest

from benchmarks import __main__ as command
from benchmarks import data, harness, pit_join
from benchmarks.harness import Figure, Run

SCALE = 0.001
SIDES = sorted(
    {
        side
        for figure in command.FIGURES
        for side in (figure.ours, figure.other, *figure.beside.values())
        if side
    }
)


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "SCRATCH", tmp_path)
    monkeypatch.setattr(data, "SCRATCH", tmp_path)


@pytest.mark.parametrize("side", SIDES)
def test_every_side_is_there(side):
    module, _, function = side.partition(":")
    assert callable(getattr(importlib.import_module(f"benchmarks.{module}"), function))


def test_all_joins_give_the_same_rows(spark):
    joins = (
        pit_join.ours,
        pit_join.duckdb_keys_first,
        pit_join.pandas_merge_asof,
        pit_join.polars_join_asof,
    )
    sides = {join.__name__: join(SCALE) for join in joins}
    assert len({s.answer for s in sides.values()}) == 1, sides
    assert all(s.seconds > 0 and s.rows == 5000 for s in sides.values())


def test_different_answers_stop_a_figure(monkeypatch):
    answers = iter(["1", "2"])
    monkeypatch.setattr(harness, "_start", lambda *_: Run(1.0, 1, next(answers), "", 1))
    with pytest.raises(AssertionError, match="the answers differ"):
        harness.measure(Figure("f", "", "a:b", "a:c", target=1.0, rounds=1), SCALE)


@pytest.mark.parametrize(
    ("kind", "target", "measured", "met"),
    [
        ("ratio", 1.5, 1.5, True),
        ("ratio", 1.4, 1.5, False),
        ("seconds beyond", 1.0, 1.0, True),
        ("peak MB", 99.0, 100.0, False),
    ],
)
def test_the_median_decides(monkeypatch, kind, target, measured, met):
    seconds = {"a:ours": iter([9.0, 3.0, 1.0]), "a:other": iter([2.0, 2.0, 2.0])}
    monkeypatch.setattr(
        harness, "_start", lambda side, *_: Run(next(seconds[side]), 5, "", "", 100)
    )
    figure = Figure("f", "", "a:ours", "a:other", target=target, kind=kind, rounds=3)
    (result,) = harness.measure(figure, SCALE)
    assert (result.ours_seconds, result.other_seconds, result.ratio) == (3.0, 2.0, 1.5)
    assert (result.measured, result.met) == (measured, met)


def test_a_side_that_fails_is_shown():
    with pytest.raises(RuntimeError, match="no_such_side"):
        harness._start("pit_join:no_such_side", SCALE, {})


def test_new_lines_replace_those_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results.jsonl")
    monkeypatch.setattr(harness, "_start", lambda *_: Run(2.0, 5, "", "", 100))
    one, two = (
        harness.measure(Figure(name, "", "a:b", None, 1.0, "peak MB", rounds=1), SCALE)
        for name in ("one", "two")
    )
    command._keep([*one, *two])
    command._keep(two)
    lines = [json.loads(line) for line in command.RESULTS.read_text().splitlines()]
    assert [line["name"] for line in lines] == ["one", "two"]
    assert set(lines[0]["machine"]) == {"cpus", "memory_gb", "python", "system"}
    assert "one" in command.table([*one, *two])
