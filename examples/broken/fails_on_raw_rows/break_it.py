"""What somebody does by hand."""

from __future__ import annotations

from pyspark.sql import functions as F
from sklearn.linear_model import LogisticRegression

from examples.broken.by_hand import Stored, build_again, overwrite, replace_model, training_rows


def break_it(stored: Stored) -> None:
    """Nulls are filled in the training code, not in the model, and then a customer leaves."""
    rows = training_rows(stored)
    features = rows[[*stored.spec.features]].fillna(0.0)
    replace_model(stored, LogisticRegression(max_iter=1000).fit(features, rows["spends"]))
    customers = stored.platform.tables.read("shop.raw.customers")
    overwrite(stored, "shop.raw.customers", customers.where(F.col("customer") != "c03"))
    build_again(stored, "features/profile")
