"""A package made on a laptop is scored by the real client, and the other way round: same predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from databricks.feature_engineering import FeatureEngineeringClient
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from xgboost import XGBClassifier, XGBRegressor

from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.spec.catalog import TableLayout
from ml_assets_tests import tiny
from ml_assets_tests.conformance.platforms import databricks
from ml_assets_tests.conformance.shim.engine import new_session
from ml_assets_tests.platform.contract.tables import rows_of
from ml_assets_tests.platform.shop import Shop, make_shop

if TYPE_CHECKING:
    from ml_assets.platform.databricks import DatabricksPlatform

KEYS = ["customer", "asked_at"]
LAYOUT = TableLayout("shop.predictions.spender")
KINDS = ["classifier", "classifier of texts", "regressor"]


@dataclass(frozen=True)
class Both:
    """The same shop on both platforms, which share MLflow; a fitted model and its training rows."""

    laptop: Shop
    cluster: Shop
    model: Any
    rows: pd.DataFrame

    @property
    def features(self) -> pd.DataFrame:
        return self.rows[list(self.laptop.spec.features)]

    def ask(self, platform: DatabricksPlatform | EmbeddedPlatform, uri: str) -> list[float]:
        """Score all keys by our own platform."""
        spec = self.laptop.spec
        keys = platform.spark.createDataFrame(self.rows[KEYS])
        staged = platform.features.stage_scores(spec, keys, uri, LAYOUT)
        return in_order(pd.DataFrame(rows_of(staged.frame)))

    def ask_client(self, uri: str) -> list[float]:
        """Score all keys by the real client alone, as a user's notebook would."""
        keys = self.cluster.keys(self.rows[KEYS])
        kind = {"long": "long", "double": "double"}[self.laptop.spec.output_type]
        scored = FeatureEngineeringClient().score_batch(
            model_uri=uri,
            df=keys,
            result_type=kind,
            env_manager="local",
            use_spark_native_join=True,
        )
        return in_order(pd.DataFrame(rows_of(scored)))


def in_order(scored: pd.DataFrame) -> list[float]:
    return scored.sort_values(KEYS)["prediction"].tolist()


@pytest.fixture(scope="module", params=KINDS)
def both(request, tmp_path_factory):
    home = tmp_path_factory.mktemp("both") / "home"
    engine = new_session(home / "unused")
    with databricks(home) as (platform, _):
        strings = request.param == "classifier of texts"
        laptop = make_shop(EmbeddedPlatform(home, engine), strings=strings)
        cluster = make_shop(platform, strings=strings)
        if request.param == "regressor":
            laptop, cluster = (regression(shop) for shop in (laptop, cluster))
        rows = laptop.training_set()
        yield Both(laptop, cluster, fit(request.param, rows, laptop.spec), rows)


def regression(shop: Shop) -> Shop:
    """Predict the amount itself, a double, in a declaration that is otherwise the same."""
    spec = tiny.spec(
        model_type="regression",
        label={**_label(), "name": "spent"},
        estimator={"class": "xgboost.XGBRegressor"},
        gates={"rmse": {"max": 100.0}},
        feature_tables=[t.model_dump(by_alias=True) for t in shop.spec.feature_tables],
    )
    labels = shop.platform.tables.read(shop.spec.label.table)
    spent = labels.selectExpr("customer", "asked_at", "spends * 1.5D + 0.25D AS spent")
    shop.platform.tables.stage(spent, TableLayout(spec.label.table)).publish()
    return Shop(shop.platform, spec)


def _label() -> dict[str, Any]:
    label = tiny.mapping()["label"]
    return {k: v for k, v in label.items() if k not in {"threshold", "label_sources"}}


def fit(kind: str, rows: pd.DataFrame, spec: Any) -> Any:
    features, label = rows[list(spec.features)], rows[spec.label.name]
    if kind == "regressor":
        return XGBRegressor(n_estimators=8, max_depth=3).fit(features, label)
    model = XGBClassifier(n_estimators=8, max_depth=3)
    if kind == "classifier of texts":
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        columns = ColumnTransformer([("text", encoder, ["city"])], remainder="passthrough")
        model = Pipeline([("columns", columns), ("model", model)])
    return model.fit(features, label)


def expected(both: Both) -> list[float]:
    return in_order(both.rows[KEYS].assign(prediction=both.model.predict(both.features)))


def test_the_training_sets_are_equal(both):
    ours, theirs = (
        s.training_set().sort_values(KEYS, ignore_index=True) for s in (both.laptop, both.cluster)
    )
    pd.testing.assert_frame_equal(ours, theirs)


def test_a_package_of_the_laptop_is_scored_by_the_client(both):
    uri = both.laptop.log(both.model, both.features.head(3))
    wanted = pytest.approx(expected(both), rel=1e-6)
    assert both.ask_client(uri) == wanted
    assert both.ask(both.cluster.platform, uri) == wanted
    assert both.ask(both.laptop.platform, uri) == wanted


def test_a_package_of_the_cluster_is_scored_on_the_laptop(both):
    uri = both.cluster.log(both.model, both.features.head(3))
    wanted = pytest.approx(expected(both), rel=1e-6)
    assert both.ask(both.laptop.platform, uri) == wanted
    assert both.ask_client(uri) == wanted


def test_both_say_the_same_of_their_packages(both):
    said = []
    for shop in (both.laptop, both.cluster):
        info = shop.platform.features.package_info(shop.log(both.model, both.features.head(3)))
        said.append((info.flavor, info.inputs, info.outputs, info.has_input_example))
    assert said[0] == said[1]
