"""Every model type with the estimators that people declare: packaged, loaded and scored alike."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from ml_assets.spec.catalog import TableLayout
from ml_assets.spec.errors import TrainingError
from ml_assets.steps.training.estimator import as_model_inputs, make_estimator, make_model
from ml_assets.steps.training.metrics import JUDGED
from ml_assets_tests import tiny
from ml_assets_tests.platform.contract.tables import rows_of
from ml_assets_tests.platform.shop import START, Shop, make_shop

KEYS = ["customer", "asked_at"]
LAYOUT = TableLayout("shop.predictions.spender")
TINY = {
    "binary_classification": tiny.spec,
    "multiclass_classification": tiny.multiclass,
    "probability": tiny.probability,
    "regression": tiny.regression,
    "anomaly_detection": tiny.anomaly,
}
TREES = {"n_estimators": 5, "max_depth": 3, "random_state": 0}
QUIET = {**TREES, "verbose": -1}
FOREST, BOOSTED = "sklearn.ensemble.RandomForest", "sklearn.ensemble.GradientBoosting"
HIST = "sklearn.ensemble.HistGradientBoosting"
CLASSIFIERS = [
    ("lightgbm.LGBMClassifier", QUIET, "lightgbm"),
    (f"{FOREST}Classifier", TREES, "sklearn"),
    (f"{HIST}Classifier", {"max_iter": 5}, "sklearn"),
]
CASES = [
    *(("binary_classification", *c) for c in CLASSIFIERS),
    ("binary_classification", f"{BOOSTED}Classifier", TREES, "sklearn"),
    ("binary_classification", "sklearn.ensemble.ExtraTreesClassifier", TREES, "sklearn"),
    (
        "binary_classification",
        "ml_assets_tests.platform.contract.test_model_types.calibrated",
        {},
        "sklearn",
    ),
    ("multiclass_classification", "xgboost.XGBClassifier", TREES, "xgboost"),
    *(("multiclass_classification", *c) for c in CLASSIFIERS),
    ("probability", "xgboost.XGBClassifier", TREES, "xgboost"),
    *(("probability", path, params, "sklearn") for path, params, _ in CLASSIFIERS),
    ("probability", "ml_assets_tests.platform.contract.test_model_types.scaled", {}, "sklearn"),
    ("regression", "lightgbm.LGBMRegressor", QUIET, "lightgbm"),
    ("regression", f"{FOREST}Regressor", TREES, "sklearn"),
    ("regression", f"{HIST}Regressor", {"max_iter": 5}, "sklearn"),
    ("regression", f"{BOOSTED}Regressor", TREES, "sklearn"),
    ("anomaly_detection", "sklearn.ensemble.IsolationForest", {"n_estimators": 9}, "sklearn"),
]


def scaled():
    """A Pipeline, as a user's function may return it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression())


def calibrated():
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import LinearSVC

    return CalibratedClassifierCV(LinearSVC(random_state=0), cv=2)


class Packaged:
    """A model of one type in a shop whose tables are those of all types."""

    def __init__(self, shop, rows, case):
        kind, path, params, self.flavor = case
        self.strings = [c for c in rows if c == "city"]
        label = {**TINY[kind]().label.model_dump(), "table": shop.spec.label.table}
        tables = [t.model_dump(by_alias=True) for t in shop.spec.feature_tables]
        self.spec = TINY[kind](
            label={**label, "name": "spends"},
            estimator={"class": path, "params": params},
            feature_tables=tables,
        )
        self.shop, self.judged = Shop(shop.platform, self.spec), JUDGED[kind]
        self.rows = rows.sort_values(KEYS, ignore_index=True)
        self.features = as_model_inputs(self.rows[list(self.spec.features)], self.strings)
        self.model = self.fitted()
        self.uri = self.shop.log(self.model, self.features.head(3))

    def fitted(self):
        amount = self.rows["amount"].fillna(0).to_numpy()
        numbers = [n for n in self.spec.features if n not in self.strings]
        model = make_model(self.spec, make_estimator(self.spec), self.strings, numbers)
        if not self.spec.kind.learns_label:
            return model.fit(self.features)
        labels = amount if self.spec.label_classes is None else np.digitize(amount, [5, 15])
        if self.spec.label_classes == (0, 1):
            labels = (labels > 1).astype("int64")
        first = np.unique(labels, return_index=True)[1]
        model.fit(self.features, labels)
        return self.judged.served(model, self.features.iloc[first], labels[first])

    def score(self, rows):
        staged = self.shop.platform.features.stage_scores(
            self.spec, self.shop.keys(rows), self.uri, LAYOUT, {"model_version": 1}
        )
        found = pd.DataFrame(rows_of(staged.frame), columns=staged.frame.columns)
        staged.discard()
        return found.sort_values(KEYS, ignore_index=True)


@pytest.fixture(scope="module")
def shops(lasting):
    """One at a time: a shop replaces the tables of the one before."""
    made = {}

    def make(*, strings):
        if strings not in made:
            made.clear()
            shop = make_shop(lasting, strings=strings)
            made[strings] = shop, shop.training_set()
        return made[strings]

    return make


@pytest.fixture(scope="module", params=CASES, ids=lambda c: f"{c[0]}-{c[1].rpartition('.')[2]}")
def packaged(request, shops):
    return Packaged(*shops(strings=False), request.param)


@pytest.fixture(
    scope="module", params=[c for c in CASES if c[3] == "xgboost" or "Isolation" in c[1]], ids=str
)
def with_text(request, shops):
    return Packaged(*shops(strings=True), (*request.param[:3], "sklearn"))


def check(packaged):
    """Raw keys, of which one is unknown, are scored as the model in memory scores their features."""
    spec, features = packaged.spec, packaged.shop.platform.features
    info = features.package_info(packaged.uri)
    assert (info.flavor, info.outputs) == (packaged.flavor, (spec.output_type,))
    assert (info.classes, info.pickled) == (spec.class_names, None)
    needed = {r.partition("==")[0] for r in info.pip_requirements}
    assert ("lightgbm" in needed) is ("lightgbm" in spec.estimator_class)

    nobody = pd.DataFrame({"customer": ["nobody"], "asked_at": [START + timedelta(days=4)]})
    unknown = dict.fromkeys(spec.features, np.nan)
    known = packaged.features.assign(**packaged.rows[KEYS])
    both = pd.concat([known, nobody.assign(**unknown)], ignore_index=True)
    both = both.sort_values(KEYS, ignore_index=True)
    inputs = as_model_inputs(both[list(spec.features)], packaged.strings)
    expected = np.asarray(packaged.model.predict(inputs), dtype="float64")
    found = packaged.score(both[KEYS])
    kind = {"long": "int64", "double": "float64"}[spec.output_type]
    assert found["prediction"].dtype == kind
    np.testing.assert_allclose(found["prediction"], expected, rtol=1e-6)
    assert features.predict(packaged.uri, inputs).tolist() == found["prediction"].tolist()
    if spec.class_names:
        names = [spec.class_names[code] for code in found["prediction"]]
        assert list(found.columns[2:4]) == ["prediction", "predicted_class"]
        assert found["predicted_class"].tolist() == names
        assert set(names) == {"little", "some", "much"}
    else:
        assert "predicted_class" not in found
    if spec.predicted_classes is not None:
        assert set(found["prediction"]) == set(spec.predicted_classes)

    loaded = features.load_model(packaged.uri)
    ours, theirs = (packaged.judged.score(m, inputs) for m in (packaged.model, loaded))
    np.testing.assert_array_equal(ours, theirs)


def test_raw_keys_get_the_predictions_of_the_model_in_memory(packaged):
    check(packaged)


class Nearest(ClassifierMixin, BaseEstimator):
    """A classifier of our own: it can only be stored as a pickle."""

    def fit(self, X, y):
        self.rows_, self.labels_ = np.nan_to_num(X), np.asarray(y)
        return self

    def predict(self, X):
        far = np.abs(np.nan_to_num(X)[:, None, :] - self.rows_[None, :, :]).sum(axis=2)
        return self.labels_[far.argmin(axis=1)]


def test_a_pickle_is_scored_when_it_is_declared_and_says_so(shops):
    shop, rows = shops(strings=False)
    features = as_model_inputs(rows[list(shop.spec.features)], ())
    model = Nearest().fit(features, rows["spends"])
    with pytest.raises(TrainingError, match=r"Nearest"):
        shop.log(model, features.head(3))
    spec = shop.spec.model_copy(
        update={"estimator": shop.spec.estimator.model_copy(update={"allow_pickle": True})}
    )
    allowed = Shop(shop.platform, spec)
    uri = allowed.log(model, features.head(3))
    info = shop.platform.features.package_info(uri)
    assert (info.flavor, info.pickled) == ("sklearn", "cloudpickle")
    assert any(r.startswith("cloudpickle==") for r in info.pip_requirements)
    staged = shop.platform.features.stage_scores(spec, shop.keys(rows[KEYS]), uri, LAYOUT)
    found = pd.DataFrame(rows_of(staged.frame)).sort_values(KEYS, ignore_index=True)
    staged.discard()
    assert found["prediction"].tolist() == rows.sort_values(KEYS)["spends"].tolist()


def test_also_with_a_string_among_the_features(with_text):
    check(with_text)
