"""Fit the declared estimator, and judge it on the holdout."""
