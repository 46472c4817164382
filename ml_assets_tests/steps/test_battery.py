"""The leakage battery and drift on stored tables: what is read, how it is sampled, what turns red."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pyspark.sql import functions as F

from ml_assets.rules.facts import ModelFacts, PredictionFacts, TrainingSetFacts
from ml_assets.rules.registry import judge
from ml_assets.steps.handles import RunHandle, TableHandle
from ml_assets.steps.measuring import batch_drift
from ml_assets.steps.measuring.drift import REFERENCE_FILE
from ml_assets.steps.measuring.sampling import collect_sample
from ml_assets.steps.serving.version_tags import DEVELOPMENT_TAG, EVALUATION_TAG
from ml_assets_tests import tiny
from ml_assets_tests.steps.helpers import measure, red
from ml_assets_tests.steps.test_changed_by_others import rewrite

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import SparkSession

    from ml_assets_tests.steps.conftest import Shop


def stored_training_set(shop: Shop, **thresholds: Any) -> TrainingSetFacts:
    spec = tiny.spec(thresholds=thresholds) if thresholds else tiny.spec()
    facts = measure(spec, shop.platform, "training_set", shop.handles["training_set"])
    assert isinstance(facts, TrainingSetFacts)
    return facts


def predictions(shop: Shop) -> PredictionFacts:
    facts = measure(tiny.spec(), shop.platform, "predictions", shop.handles["predictions"])
    assert isinstance(facts, PredictionFacts)
    return facts


def first_day_differs(frame: pd.DataFrame) -> pd.DataFrame:
    """The label as text, where it is known already: not for the first day."""
    known = frame["asked_at"] > frame["asked_at"].min()
    return frame.assign(city=frame["spends"].astype(str).where(known, None))


def numbered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(visits=np.random.default_rng(1).permutation(len(frame)))


LEAKS = [
    (
        lambda t: t.assign(amount=t["spends"] * 2.5),
        ["ml06_label_copy"],
    ),
    (first_day_differs, ["ml06_label_copy"]),
    (
        lambda t: t.assign(amount=t["spends"] + np.random.default_rng(1).normal(0, 0.2, len(t))),
        ["ml06_single_feature_power"],
    ),
    (numbered, ["ml06_keys_in_features"]),
    (lambda t: t.assign(age=t["asked_at"].astype("int64") / 3.6e12), ["ml06_keys_in_features"]),
    (lambda t: t.assign(__split=t["__split"].replace("holdout", "test")), ["ml06_time_overlap"]),
]


@pytest.mark.parametrize(("leak", "checks"), LEAKS, ids=range(len(LEAKS)))
def test_a_leak_in_a_stored_training_set_is_found(shop: Shop, leak: Any, checks: list[str]) -> None:
    rewrite(shop.platform, tiny.spec().training_set, leak)
    assert red(judge(tiny.spec(), "training_set", stored_training_set(shop))) == checks


def test_the_training_set_is_read_once_and_its_sample_once(
    finished: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(finished.platform.tables.read(tiny.spec().training_set))
    asked: list[str] = []
    for name in ("collect", "toPandas", "toArrow"):
        original = getattr(kind, name)

        def counted(frame: Any, original: Any = original, name: str = name) -> Any:
            asked.append(name)
            return original(frame)

        monkeypatch.setattr(kind, name, counted)
    stored_training_set(finished)
    assert [a for a in asked if a != "toArrow"] == ["collect", "toPandas"]


def test_a_large_training_set_is_sampled_and_says_so(
    finished: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = stored_training_set(finished).leakage
    assert whole is not None
    assert (whole.rows, whole.of_rows) == (640, 640)
    spec = tiny.spec()
    limited = spec.thresholds.model_copy(update={"leakage_rows": 300})
    small = spec.model_copy(update={"thresholds": limited})
    handle = finished.handles["training_set"]
    once, again = (
        measure(small, finished.platform, "training_set", handle).leakage for _ in range(2)
    )
    assert once == again
    assert (once.rows, once.of_rows) == (300, 640)
    powers = {f.name: f.power for f in once.features}
    assert powers["amount"] == pytest.approx(
        next(f.power for f in whole.features if f.name == "amount"), abs=0.05
    )


def test_a_sample_depends_on_nothing_but_the_keys(spark: SparkSession) -> None:
    rows, keys = 20_000, ["k", "t"]
    time = F.timestamp_micros(F.col("id") * 7_000_000)
    frame = spark.range(rows).select(
        F.concat(F.lit("k"), (F.col("id") % 5000).cast("string")).alias("k"), time.alias("t"), "id"
    )

    def drawn(source: Any, most: int) -> list[int]:
        found = collect_sample(source, keys, {"id": F.col("id")}, rows=rows, most=most)
        return [int(i) for i in found["id"]]

    some = drawn(frame, 1000)
    assert len(some) == len(set(some)) == 1000
    assert drawn(frame.orderBy(F.desc("id")).repartition(3), 1000) == some
    assert some != sorted(some)
    assert np.mean(some) == pytest.approx(rows / 2, rel=0.06)
    assert set(drawn(frame, 500)) <= set(some)
    assert sorted(drawn(frame, rows)) == list(range(rows))


def test_the_control_is_read_back_from_the_run(finished: Shop) -> None:
    spec, handle = tiny.spec(), finished.handles["trained_model"]
    facts = measure(spec, finished.platform, "trained_model", handle)
    assert isinstance(facts, ModelFacts)
    control = {k: v for k, v in facts.metrics.items() if k.startswith("control_")}
    assert control["control_roc_auc"] == pytest.approx(0.5, abs=0.05)
    assert (control["control_train_rows"], control["control_holdout_rows"]) == (640, 320)
    assert control["control_fits"] == 2


def test_a_control_that_cannot_run_is_a_warning_with_its_reason(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml_assets_tests.steps.helpers import run_steps

    def refuse(*_: Any, **__: Any) -> None:
        message = "no shuffled labels for me"
        raise ValueError(message)

    monkeypatch.setattr("ml_assets.steps.training.shuffled_control.shuffled_control", refuse)
    handles = {a: h for a, h in shop.handles.items() if a not in _TRAINED}
    outcome = run_steps(tiny.spec(), shop.platform, until="trained_model", handles=handles)
    made = outcome["trained_model"]
    assert red(made.verdicts) == ["ml06_shuffled_label_control"]
    assert isinstance(made.handle, RunHandle)
    tags = shop.platform.tracking.info(made.handle.run_id).tags
    assert tags["ml_assets.control_error"] == "ValueError: no shuffled labels for me"


_TRAINED = {"trained_model", "model_version", "predictions"}


def test_drift_is_measured_again_from_what_is_stored(finished: Shop) -> None:
    facts = predictions(finished)
    assert facts.drift is not None
    assert (facts.drift.unmeasured, facts.drift.rows) == ("", tiny.CUSTOMERS)
    assert facts.drift.reference_rows == 640
    names = [c.name for c in facts.drift.columns]
    assert names == ["amount", "visits", "city", "age", "prediction"]


def test_features_that_moved_after_training_are_named(shop: Shop) -> None:
    table = shop.handles["features/activity"]
    assert isinstance(table, TableHandle)
    rewrite(shop.platform, table.table, lambda t: t.assign(amount=t["amount"] * 100 + 50))
    verdicts = judge(tiny.spec(), "predictions", predictions(shop))
    assert red(verdicts) == ["predictions_drift"]
    drift = next(v for v in verdicts if not v.passed)
    assert [r["column"] for r in drift.table if r["drifted"]] == ["amount"]
    assert (drift.severity, drift.stops) == ("warn", False)


def unmeasured_drift(finished: Shop) -> str:
    verdicts = judge(tiny.spec(), "predictions", predictions(finished))
    assert red(verdicts) == ["predictions_drift"]
    drift = next(v for v in verdicts if not v.passed)
    assert (drift.severity, drift.stops) == ("warn", False)
    return drift.message


def test_without_a_development_run_drift_warns_and_says_why(shop: Shop) -> None:
    client, name = shop.platform.registry.store.client, tiny.spec().registered_model
    for tag in (DEVELOPMENT_TAG, EVALUATION_TAG):
        client.delete_model_version_tag(name, "1", tag)
    assert "no development run" in unmeasured_drift(shop)


def test_without_a_stored_reference_drift_warns_and_says_why(
    finished: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_drift, "REFERENCE_FILE", f"not_{REFERENCE_FILE}")
    assert "not_drift_reference.json" in unmeasured_drift(finished)


def test_the_tags_that_lead_to_the_reference_are_there(finished: Shop) -> None:
    spec, platform = tiny.spec(), finished.platform
    tags = platform.registry.tags(spec.registered_model, 1)
    assert DEVELOPMENT_TAG in tags or EVALUATION_TAG in tags
    references = batch_drift.read_references(spec, platform, 1)
    assert references.rows == 640
