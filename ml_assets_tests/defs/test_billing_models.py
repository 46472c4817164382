"""The three billing models from end to end, on a smaller history: one feature table, made once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ml_assets.defs.health_monitor.cost_predictor.features import SCORED_DAYS
from ml_assets.defs.health_monitor.cost_predictor.usage_generator import BillingHistory
from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.rules.registry import checks_for
from ml_assets.spec.errors import DataError
from ml_assets.spec.loader import load_spec
from ml_assets.steps.graph import reused_by, steps_of
from ml_assets.steps.training_set import feature_columns
from ml_assets_tests.steps.helpers import red, run_steps

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.execution import Outcome
    from ml_assets.steps.handles import Handle

DEFS = Path(__file__).parents[2] / "ml_assets/defs/health_monitor"
MODELS = ("cost_predictor", "next_day_cost", "usage_anomaly")
HISTORY = BillingHistory(workspaces=16, days=300)

pytestmark = pytest.mark.slow


@dataclass
class Account:
    """A platform on which the models ran one after the other, the owner first."""

    platform: EmbeddedPlatform
    specs: dict[str, ModelSpec] = field(default_factory=dict)
    outcomes: dict[str, dict[str, Outcome]] = field(default_factory=dict)
    handles: dict[str, Handle] = field(default_factory=dict)

    def run(self, model: str) -> dict[str, Outcome]:
        spec = self.specs[model] = load_spec(DEFS / model)
        handles = {step.asset: self.handles[step.asset] for step in reused_by(spec)}
        self.outcomes[model] = run_steps(spec, self.platform, handles=handles)
        made = {asset: o.handle for asset, o in self.outcomes[model].items() if o.handle}
        shared = {a: h for a, h in made.items() if a.startswith(("sources/", "features/"))}
        self.handles |= shared
        return self.outcomes[model]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Account:
    platform = EmbeddedPlatform(home=tmp_path_factory.mktemp("account"), spark=spark)
    platform.tables.seed("system.billing.usage", HISTORY.usage)
    platform.tables.seed("system.billing.list_prices", HISTORY.list_prices)
    account = Account(platform)
    for model in MODELS:
        account.run(model)
    return account


@pytest.mark.parametrize("model", MODELS)
def test_every_step_ran_and_every_check_is_green(account: Account, model: str) -> None:
    spec, outcomes = account.specs[model], account.outcomes[model]
    assert list(outcomes) == [step.asset for step in steps_of(spec)]
    verdicts = {asset: outcome.verdicts for asset, outcome in outcomes.items()}
    assert {asset: red(found) for asset, found in verdicts.items() if red(found)} == {}
    for asset, found in verdicts.items():
        assert [v.check for v in found] == [rule.check for rule in checks_for(spec, asset)]


@pytest.mark.parametrize("model", MODELS)
def test_the_version_serves_and_scored_the_last_four_weeks(account: Account, model: str) -> None:
    spec, platform = account.specs[model], account.platform
    assert platform.registry.version_of(spec.registered_model, "champion") == 1
    scored = platform.tables.read(spec.scoring.table).toPandas()
    assert scored["workspace_id"].nunique() == HISTORY.workspaces
    assert scored["date"].nunique() == SCORED_DAYS
    assert scored["prediction"].notna().all()


def test_the_feature_table_was_made_once(account: Account) -> None:
    table = account.specs["cost_predictor"].feature_tables[0].table
    history = account.platform.tables.info(table)
    versions = {
        model: account.outcomes[model]["training_set"].handle.inputs[table]  # type: ignore[union-attr]
        for model in MODELS
    }
    assert set(versions.values()) == {history.version}
    assert "features/cost_prediction_features" not in account.outcomes["next_day_cost"]


@pytest.mark.parametrize("model", MODELS)
def test_no_feature_is_from_the_future_and_none_is_an_outcome(account: Account, model: str) -> None:
    spec = account.specs[model]
    frame = account.platform.tables.read(spec.training_set)
    assert feature_columns(spec, frame.columns) == list(spec.features)
    assert not set(spec.features) & set(spec.label.label_sources)
    assert frame.where("__as_of_cost_prediction_features > date").count() == 0
    assert frame.where("__as_of_cost_prediction_features = date").count() == frame.count()


def test_the_anomaly_s_labels_are_of_three_kinds(account: Account) -> None:
    spec = account.specs["usage_anomaly"]
    rows = account.platform.tables.read(spec.label.table).groupBy("usage_kind").count().collect()
    counts = {row["usage_kind"]: row["count"] for row in rows}
    assert set(counts) == {-1, 1, None}
    assert counts[-1] < 0.05 * counts[1]
    predicted = account.platform.tables.read(spec.scoring.table).select("prediction").distinct()
    assert {row[0] for row in predicted.collect()} <= {-1, 1}


def test_the_owner_s_new_declaration_makes_the_heirs_wait(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table was made by another declaration than the one that the heir now takes over."""
    spec = load_spec(DEFS / "next_day_cost")
    (table,) = spec.feature_tables
    other = spec.model_copy(
        update={"feature_tables": (table.model_copy(update={"owner_hash": "0" * 12}),)}
    )
    handles = {step.asset: account.handles[step.asset] for step in reused_by(spec)}
    message = "materialize health_monitor/cost_predictor/features/cost_prediction_features again"
    with pytest.raises(DataError, match=message):
        run_steps(other, account.platform, handles=handles)
