"""What ``ml-assets new`` writes runs, from the source to predictions, once its marks are filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from ml_assets.drafting.draft import Wanted
from ml_assets.spec.loader import load_spec
from ml_assets_tests.drafting import tables
from ml_assets_tests.steps.helpers import red, run_steps

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ml_assets.platform.embedded import EmbeddedPlatform
    from ml_assets.spec.model import ModelSpec

    Declare = Callable[[str, pd.DataFrame, Wanted], ModelSpec]

CASES = {
    "orders": (tables.orders, Wanted(), "binary_classification"),
    "stations": (tables.stations, Wanted(), "regression"),
    "products": (tables.tickets, Wanted(label="Product"), "multiclass_classification"),
}


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Write a declaration, fill in its marks, and load it as a package of its own."""

    def declare(case: str, frame: pd.DataFrame, wanted: Wanted) -> ModelSpec:
        monkeypatch.syspath_prepend(tmp_path)
        folder, _ = tables.declare(frame, tmp_path / f"new_{case}", f"shop/{case}", wanted)
        tables.fill(folder)
        return load_spec(folder)

    return declare


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_model_runs_to_predictions(
    case: str, declared: Declare, platform: EmbeddedPlatform
) -> None:
    make, wanted, model_type = CASES[case]
    spec = declared(case, make(), wanted)
    assert spec.model_type == model_type
    outcomes = run_steps(spec, platform)
    assert {a: o.stopped for a, o in outcomes.items() if o.stopped} == {}
    assert list(outcomes)[-1] == "predictions"
    assert "ml03_lookup_coverage" not in red(outcomes["training_set"].verdicts)
    assert platform.tables.read(spec.scoring.table).count() >= 1


def test_two_texts_become_zero_and_one(declared: Declare, platform: EmbeddedPlatform) -> None:
    """Times and labels as text, in a table that exists, with names that are no names."""
    frame = tables.tickets()
    spec = declared("tickets", frame, Wanted())
    outcomes = run_steps(spec, platform, until="training_set")
    assert {a: o.stopped for a, o in outcomes.items() if o.stopped} == {}
    rows = platform.tables.read(spec.training_set).toPandas()
    assert rows["Late"].sum() == (frame["Late?"] == "yes").sum()
    assert rows["asked_at"].max() == pd.to_datetime(frame["Opened (local)"]).max()
    assert rows["Words_Text"].notna().all()


@pytest.mark.parametrize("every", ["MS", "ME"])
def test_a_month_is_known_when_the_next_one_s_row_is(
    every: str, declared: Declare, platform: EmbeddedPlatform
) -> None:
    frame = tables.subscribers(every)
    spec = declared(f"churn_{every.lower()}", frame, Wanted())
    run_steps(spec, platform, until="training_set")
    rows = platform.tables.read(spec.training_set).toPandas()
    assert len(rows) == len(frame) - frame["customer_id"].nunique()
    (as_of,) = [name for name in rows.columns if name.startswith("__as_of")]
    assert (rows[as_of] == rows["asked_at"]).all()
    before = frame.assign(
        asked_at=frame.groupby("customer_id")["day"].shift(-1).dt.tz_localize(None)
    )
    joined = rows.merge(before, on=["customer_id", "asked_at"], suffixes=("", "_row"))
    assert len(joined) == len(rows)
    assert (joined["Support_calls"] == joined["Support calls"]).all()
