"""A class of our own: skops refuses what it does not know."""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression


class Cautious(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """A logistic regression with a name of its own."""
