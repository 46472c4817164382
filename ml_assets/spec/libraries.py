"""Which library a fitted model is of, told without importing the library."""

from __future__ import annotations


def is_xgboost(model: object) -> bool:
    """Tell whether a model is one of XGBoost's scikit-learn estimators, or derived from one.

    >>> is_xgboost("a model of another library")
    False
    """
    return any(c.__module__ == "xgboost.sklearn" for c in type(model).__mro__)
