"""A classifier whose prediction is its probability of class 1: exactly, and without classes of ours."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from lightgbm import LGBMClassifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRFClassifier

from ml_assets.platform.model_storage import TRUSTED_TYPES
from ml_assets.steps.training.probability_model import probability_model

if TYPE_CHECKING:
    from pathlib import Path

CLASSIFIERS = [
    XGBClassifier(n_estimators=5),
    XGBClassifier(n_estimators=5, scale_pos_weight=3, base_score=0.3),
    XGBClassifier(n_estimators=5, booster="dart", rate_drop=0.3),
    XGBRFClassifier(n_estimators=5),
    make_pipeline(StandardScaler(), XGBClassifier(n_estimators=5)),
    LGBMClassifier(n_estimators=5, class_weight="balanced", verbose=-1),
    RandomForestClassifier(5),
    ExtraTreesClassifier(5),
    GradientBoostingClassifier(n_estimators=5),
    HistGradientBoostingClassifier(max_iter=5),
    make_pipeline(StandardScaler(), LogisticRegression()),
    CalibratedClassifierCV(RandomForestClassifier(5), cv=2, method="isotonic"),
]


@pytest.fixture(scope="module")
def rows() -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    features = pd.DataFrame({"a": rng.normal(size=300), "b": rng.normal(size=300)})
    labels = (features["a"] + rng.normal(size=300) > 0).to_numpy()
    return features, labels.astype("int64")


def made(classifier: Any, rows: tuple[pd.DataFrame, np.ndarray]) -> Any:
    features, labels = rows
    first = np.unique(labels, return_index=True)[1]
    return probability_model(classifier, features.iloc[first], labels[first])


@pytest.mark.parametrize("classifier", CLASSIFIERS, ids=lambda c: type(c).__name__)
def test_it_predicts_what_the_classifier_says_of_class_1(
    classifier: Any, rows: tuple[pd.DataFrame, np.ndarray]
) -> None:
    features, labels = rows
    expected = classifier.fit(features, labels).predict_proba(features)[:, 1]
    model = made(classifier, rows)
    assert model.predict(features).tolist() == expected.tolist()
    stored = skops.io.dumps(model)
    types = set(skops.io.get_untrusted_types(data=stored))
    assert types <= TRUSTED_TYPES
    again = skops.io.loads(stored, trusted=sorted(types))
    assert again.predict(features).tolist() == expected.tolist()


def test_it_is_scored_where_ml_assets_is_not_installed(
    rows: tuple[pd.DataFrame, np.ndarray], tmp_path: Path
) -> None:
    features, labels = rows
    classifier = HistGradientBoostingClassifier(max_iter=5).fit(features, labels)
    model = made(classifier, rows)
    skops.io.dump(model, tmp_path / "model.skops")
    features.to_parquet(tmp_path / "rows.parquet")
    code = (
        "import sys, skops.io, pandas; sys.modules['ml_assets'] = None; "
        "types = skops.io.get_untrusted_types(file='model.skops'); "
        "model = skops.io.load('model.skops', trusted=types); "
        "print(model.predict(pandas.read_parquet('rows.parquet')).sum())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    expected = classifier.predict_proba(features)[:, 1].sum()
    assert float(done.stdout) == pytest.approx(expected, rel=1e-12)
