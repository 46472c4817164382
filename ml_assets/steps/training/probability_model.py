"""A classifier as a model whose ``predict`` gives the probability of class 1, as float64.

The result is made of XGBoost's and scikit-learn's own classes alone: it is loaded and scored where
ml_assets is not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_assets.spec.libraries import is_xgboost

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def probability_model(model: Any, features: pd.DataFrame, labels: np.ndarray) -> Any:
    """Return a model that predicts what the fitted classifier's ``predict_proba`` gives class 1.

    XGBoost's classifier (alone, or last in a pipeline) becomes its regressor on the same trees.
    Anything else becomes a pipeline: scikit-learn's ``StackingClassifier`` turns rows into the
    probability, and a linear regression with the coefficient 1 passes it on.

    ``features`` and ``labels`` are a few training rows with both classes.
    """
    from sklearn.pipeline import Pipeline

    if is_xgboost(model):
        return _as_regressor(model)
    if isinstance(model, Pipeline) and is_xgboost(model.steps[-1][1]):
        name, classifier = model.steps[-1]
        return Pipeline([*model.steps[:-1], (name, _as_regressor(classifier))])
    return _stacked(model, features, labels)


def _as_regressor(classifier: Any) -> Any:
    from xgboost import XGBRegressor

    regressor = XGBRegressor(**{**classifier.get_params(), "objective": "binary:logistic"})
    regressor.load_model(classifier.get_booster().save_raw("ubj"))
    return regressor


def _stacked(model: Any, features: pd.DataFrame, labels: np.ndarray) -> Any:
    import numpy as np
    from sklearn.ensemble import StackingClassifier
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import Pipeline

    stacked = StackingClassifier([("model", model)], cv="prefit", stack_method="predict_proba")
    stacked.fit(features, labels)
    passed_on = LinearRegression(fit_intercept=False).fit(np.array([[0.0], [1.0]]), [0.0, 1.0])
    passed_on.coef_ = np.array([1.0])
    return Pipeline([("probability", stacked), ("passed_on", passed_on)])
