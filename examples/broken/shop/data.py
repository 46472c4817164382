"""The shop's data: generated, always the same."""

from __future__ import annotations

import numpy as np
import pandas as pd

CUSTOMERS, DAYS = 60, 45


def visits() -> pd.DataFrame:
    """One row per customer and day; what is spent the next day depends on it, with noise."""
    rng = np.random.default_rng(11)
    rows = CUSTOMERS * DAYS
    frame = pd.DataFrame(
        {
            "customer": np.repeat([f"c{i:02}" for i in range(CUSTOMERS)], DAYS),
            "day": np.tile(pd.date_range("2024-01-01", periods=DAYS, tz="UTC"), CUSTOMERS),
            "amount": rng.gamma(3.0, 4.0, rows).round(2),
            "visits": rng.integers(1, 9, rows),
        }
    )
    noise = rng.normal(0, 6, rows)
    return frame.assign(spent=(0.6 * frame["amount"] + frame["visits"] + noise).clip(lower=0))


def customers() -> pd.DataFrame:
    """One row per customer."""
    age = np.random.default_rng(12).integers(18, 80, CUSTOMERS).astype("float64")
    return pd.DataFrame({"customer": [f"c{i:02}" for i in range(CUSTOMERS)], "age": age})
