"""Whole steps and checks in which a library raises."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import functions as F
from sklearn.linear_model import LogisticRegression

from ml_assets.rules.registry import checks_for
from ml_assets.rules.unmeasured import broken_rule
from ml_assets.spec.errors import LibraryError
from ml_assets.steps.execution import Inputs
from ml_assets.steps.handles import RunHandle
from ml_assets.steps.recipe import default_recipe
from ml_assets.steps.worker import check
from ml_assets_tests import tiny
from ml_assets_tests.steps.changed import rewritten
from ml_assets_tests.steps.helpers import TRACE, run_steps
from ml_assets_tests.steps.provoked import FEATURES, rows

if TYPE_CHECKING:
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Outcome
    from ml_assets_tests.steps.conftest import Shop


class Greedy(LogisticRegression):
    """Claims to take NaN, and does not."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def retrained(shop: Shop, spec: ModelSpec, version: int | None = None) -> Outcome:
    handles = {a: h for a, h in shop.handles.items() if a in {"labels", "training_set"} or "/" in a}
    if version is not None:
        handles["training_set"] = replace(handles["training_set"], delta_version=version)
    return run_steps(spec, shop.platform, handles=handles, until="trained_model")["trained_model"]


def test_a_step_that_trains_on_unmatched_rows_says_which_lookup_to_mend(shop: Shop) -> None:
    spec = tiny.spec(
        estimator={"class": ".steps.test_library_errors_in_steps.Greedy", "params": {}},
    )
    with pytest.raises(LibraryError) as raised:
        retrained(shop, spec)
    assert raised.value.rule == "ml03_lookup_coverage"
    assert raised.value.where == "features/profile"
    assert isinstance(raised.value.__cause__, ValueError)
    assert "Input X contains NaN" in raised.value.found


def test_a_step_that_trains_on_continuous_labels_shows_them(shop: Shop) -> None:
    label = F.col("spends") + F.col("visits") / 4
    version = rewritten(shop.platform, "shop.training.spender", "spends", label)
    with pytest.raises(LibraryError, match=r"Invalid classes inferred") as raised:
        retrained(shop, tiny.spec(), version)
    assert raised.value.rule == "ml05_binary_labels"
    assert "label.threshold" in raised.value.fix


def test_a_check_that_meets_such_an_error_is_red_with_the_rule(shop: Shop) -> None:
    """Somebody's own package: its lookups are the declared ones, its model was fitted on others."""
    spec, made = tiny.spec(), shop.handles["trained_model"]
    assert isinstance(made, RunHandle)
    inner = LogisticRegression().fit(rows()[["visits", "age"]], rows()["spends"])
    example = shop.platform.tables.read(spec.training_set).toPandas()[FEATURES].head(3)
    uri = shop.platform.features.log_model(
        spec, inner, run_id=made.run_id, input_example=example.assign(visits=1.0, age=1.0)
    )
    handle = replace(made, model_uri=uri)
    step = default_recipe().step(spec, "trained_model")
    with pytest.raises(LibraryError) as raised:
        check(
            step,
            spec,
            shop.platform,
            default_recipe(),
            Inputs(step.asset, {step.asset: handle}, TRACE),
        )
    assert raised.value.rule == "ml02_inputs_match_features"
    verdict = broken_rule(checks_for(spec, step.asset), raised.value)
    assert verdict is not None
    assert "feature names should match" in verdict.message
