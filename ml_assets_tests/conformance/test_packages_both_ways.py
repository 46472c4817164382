"""A package made on a laptop is scored by the real client, and the other way round: same predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from databricks.feature_engineering import FeatureEngineeringClient
from lightgbm import LGBMClassifier
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from xgboost import XGBClassifier, XGBRegressor

from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.platform.package_layout import raw_model_folder
from ml_assets.spec.catalog import TableLayout
from ml_assets.steps.training.metrics import JUDGED
from ml_assets_tests import tiny
from ml_assets_tests.conformance.platforms import databricks
from ml_assets_tests.conformance.shim.engine import new_session
from ml_assets_tests.platform.contract.tables import rows_of
from ml_assets_tests.platform.shop import Shop, make_shop

if TYPE_CHECKING:
    from ml_assets.platform.databricks import DatabricksPlatform
    from ml_assets.spec.model import ModelSpec

KEYS = ["customer", "asked_at"]
LAYOUT = TableLayout("shop.predictions.spender")
TEXTS = "texts"
#: One of each model type, and of each library and format that a model is stored in.
CASES = {
    TEXTS: (tiny.spec, XGBClassifier(n_estimators=8, max_depth=3)),
    "binary": (tiny.spec, XGBClassifier(n_estimators=8, max_depth=3)),
    "multiclass": (tiny.multiclass, LGBMClassifier(n_estimators=8, verbose=-1)),
    "probability": (tiny.probability, XGBClassifier(n_estimators=8, max_depth=3)),
    "stacked probability": (tiny.probability, HistGradientBoostingClassifier(max_iter=8)),
    "regression": (tiny.regression, XGBRegressor(n_estimators=8, max_depth=3)),
    "anomaly": (tiny.anomaly, IsolationForest(n_estimators=8, random_state=0)),
}


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

    def ask(self, platform: DatabricksPlatform | EmbeddedPlatform, uri: str) -> pd.DataFrame:
        """Score all keys by our own platform."""
        spec = self.laptop.spec
        keys = platform.spark.createDataFrame(self.rows[KEYS])
        staged = platform.features.stage_scores(spec, keys, uri, LAYOUT)
        return in_order(pd.DataFrame(rows_of(staged.frame)))

    def ask_client(self, uri: str) -> list[float]:
        """Score all keys by the real client alone, as a user's notebook would."""
        keys = self.cluster.keys(self.rows[KEYS])
        scored = FeatureEngineeringClient().score_batch(
            model_uri=uri,
            df=keys,
            result_type=self.laptop.spec.output_type,
            env_manager="local",
            use_spark_native_join=True,
        )
        found: list[float] = in_order(pd.DataFrame(rows_of(scored)))["prediction"].tolist()
        return found


def in_order(scored: pd.DataFrame) -> pd.DataFrame:
    return scored.sort_values(KEYS, ignore_index=True)


each_type = pytest.mark.parametrize(
    ("shops", "case"),
    [(TEXTS if case == TEXTS else "numbers", case) for case in CASES],
    indirect=["shops"],
    ids=list(CASES),
)


@pytest.fixture(scope="module")
def shops(request, tmp_path_factory):
    """The tables on both platforms, and the training set; labels do not matter for a package."""
    home = tmp_path_factory.mktemp("both") / "home"
    engine = new_session(home / "unused")
    with databricks(home) as (platform, _):
        strings = request.param == TEXTS
        laptop = make_shop(EmbeddedPlatform(home, engine), strings=strings)
        cluster = make_shop(platform, strings=strings)
        yield laptop, cluster, laptop.training_set()


@pytest.mark.parametrize("shops", [TEXTS, "numbers"], indirect=True)
def test_the_training_sets_are_equal(shops):
    ours, theirs = (
        s.training_set().sort_values(KEYS, ignore_index=True) for s in (shops[0], shops[1])
    )
    pd.testing.assert_frame_equal(ours, theirs)


def declared(case: str, shop: Shop) -> ModelSpec:
    """The tiny model of a type, in the tables of the shop."""
    make, _ = CASES[case]
    label = {**make().label.model_dump(), "table": shop.spec.label.table, "name": "spends"}
    tables = [t.model_dump(by_alias=True) for t in shop.spec.feature_tables]
    return make(label=label, feature_tables=tables)


def fit(case: str, rows: pd.DataFrame, spec: ModelSpec) -> Any:
    features, amount = rows[list(spec.features)], rows["amount"].fillna(0).to_numpy()
    labels = np.digitize(amount, [5, 15]) if spec.class_names else (amount > 8).astype("int64")
    if spec.label_classes is None:
        labels = amount
    model = CASES[case][1]
    if case == TEXTS:
        encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
        columns = ColumnTransformer([("text", encoder, ["city"])], remainder="passthrough")
        model = Pipeline([("columns", columns), ("model", model)])
    else:
        features = features.astype("float64")
    model = model.fit(features, labels) if spec.kind.learns_label else model.fit(features)
    first = np.unique(labels, return_index=True)[1]
    return JUDGED[spec.model_type].served(model, features.iloc[first], labels[first])


@pytest.fixture
def both(shops, case):
    laptop, cluster, rows = shops
    spec = declared(case, laptop)
    model = fit(case, rows, spec)
    return Both(Shop(laptop.platform, spec), Shop(cluster.platform, spec), model, rows)


@each_type
def test_packages_are_scored_alike_by_all_whoever_made_them(both):
    """By both platforms, by the client as in a notebook, and by MLflow from the files alone."""
    spec, known = both.laptop.spec, in_order(both.rows[KEYS].assign(prediction=predicted(both)))
    wanted = pytest.approx(known["prediction"].tolist(), rel=1e-6)
    uris = [s.log(both.model, both.features.head(3)) for s in (both.laptop, both.cluster)]
    client = both.ask_client(uris[0])
    assert client == wanted
    assert {type(value) for value in client} == {int if spec.output_type == "long" else float}
    named = [spec.class_names[code] for code in client] if spec.class_names else None
    for uri in uris:
        for platform in (both.laptop.platform, both.cluster.platform):
            scored = both.ask(platform, uri)
            assert scored["prediction"].tolist() == wanted
            assert (scored["predicted_class"].tolist() if named else None) == named
    raw = raw_model_folder(both.cluster.platform.features._packages.folder(uris[1]))
    plain = np.asarray(mlflow.pyfunc.load_model(str(raw)).predict(inputs(both))).tolist()
    assert plain == pytest.approx(predicted(both).tolist(), rel=1e-6)

    said = []
    for shop, uri in zip((both.laptop, both.cluster), uris, strict=True):
        info = shop.platform.features.package_info(uri)
        said.append((info.flavor, info.inputs, info.outputs, info.has_input_example, info.classes))
    assert said[0] == said[1]


def inputs(both: Both) -> pd.DataFrame:
    return both.features.astype({c: "float64" for c in both.features if c != "city"})


def predicted(both: Both) -> np.ndarray:
    return np.asarray(both.model.predict(inputs(both)))
