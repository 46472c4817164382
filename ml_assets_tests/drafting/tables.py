"""Small tables of different shapes, as they come to ``ml-assets new``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ml_assets.drafting.command import new_model
from ml_assets.drafting.draft import Wanted

if TYPE_CHECKING:
    from pathlib import Path

MARK = re.compile(r"'TODO: (?:[^']|'')*'|\"TODO: [^\"]*\"|TODO: [^,}\n]*")


def orders(rows: int = 600) -> pd.DataFrame:
    """Events with an id each: was it returned? With what only the warehouse knows later."""
    rng = np.random.default_rng(3)
    price = rng.gamma(2.0, 20.0, rows).round(2)
    returned = price / 40 + rng.normal(0, 0.6, rows) > 1.2
    ordered = pd.Timestamp("2024-03-01", tz="UTC") + pd.to_timedelta(
        np.sort(rng.uniform(0, 90 * 24, rows)).round(3), unit="h"
    )
    return pd.DataFrame(
        {
            "order_id": [f"o{i:05d}" for i in range(rows)],
            "ordered_at": ordered,
            "customer_id": rng.integers(1, 60, rows),
            "price": np.where(rng.random(rows) < 0.05, np.nan, price),
            "channel": rng.choice(["app", "web", None], rows),
            "currency": "EUR",
            "gift": rng.random(rows) < 0.2,
            "refund": np.where(returned, price, 0.0),
            "closed_at": ordered + pd.to_timedelta(rng.integers(3, 30, rows), unit="D"),
            "visits_after": rng.integers(0, 5, rows),
            "is_returned": returned,
        }
    )


def stations(days: int = 40) -> pd.DataFrame:
    """A row per station and day, with the number of trips, which is put together from two others."""
    rng = np.random.default_rng(5)
    dates = pd.date_range("2024-01-01", periods=days, freq="D")
    frame = pd.DataFrame(
        [(day, station) for day in dates for station in ("North", "South", "West")],
        columns=["day", "station"],
    )
    size = frame["station"].map({"North": 10, "South": 30, "West": 60})
    frame["rain_mm"] = rng.gamma(1.0, 3.0, len(frame)).round(1)
    frame["members"] = (size + rng.normal(0, 3, len(frame))).round().clip(0).astype(int)
    frame["guests"] = (size / 3 + rng.normal(0, 2, len(frame))).round().clip(0).astype(int)
    frame["trips"] = frame["members"] + frame["guests"]
    frame["day"] = frame["day"].dt.strftime("%d.%m.%Y")
    return frame


def tickets(rows: int = 400) -> pd.DataFrame:
    """Column names as spreadsheets have them, two texts as the label, times as text."""
    rng = np.random.default_rng(11)
    opened = pd.Timestamp("2024-05-01") + pd.to_timedelta(np.arange(rows) * 37 % 9973, unit="h")
    words = rng.integers(5, 300, rows)
    late = words / 150 + rng.normal(0, 0.4, rows) > 1.3
    return pd.DataFrame(
        {
            "Ticket No": np.arange(rows) + 1000,
            "Opened (local)": opened.strftime("%Y-%m-%d %H:%M:%S"),
            "Words/Text": words,
            "prediction": rng.normal(size=rows),
            "Product": rng.choice(["alpha", "beta, new", "it's"], rows),
            "Late?": np.where(late, "yes", "no"),
        }
    )


def subscribers(every: str = "MS", keys: int = 30, periods: int = 12) -> pd.DataFrame:
    """A row per customer and calendar month (or another pandas frequency): who left, and why."""
    rng = np.random.default_rng(7)
    days = pd.date_range("2022-01-31", periods=periods, freq=every, tz="UTC")
    index = pd.MultiIndex.from_product([[f"c{i:03}" for i in range(keys)], days])
    frame = index.to_frame(index=False, name=["customer_id", "day"])
    frame["Support calls"] = rng.poisson(2, len(frame))
    frame["plan"] = rng.choice(["basic", "pro", None], len(frame))
    left = frame["Support calls"] + rng.normal(0, 1, len(frame)) > 3
    frame["churned"] = np.where(left, "Yes", "No")
    frame["churn_reason"] = np.where(left, rng.choice(["price", "service"], len(frame)), None)
    return frame


def declare(
    frame: pd.DataFrame, root: Path, name: str = "shop/returns", wanted: Wanted | None = None
) -> tuple[Path, str]:
    """Write a frame to a CSV and a model from it; give the model's folder and what was said."""
    root.mkdir(parents=True, exist_ok=True)
    file = root / "rows.csv"
    frame.to_csv(file, index=False)
    said = new_model(name, str(file), wanted or Wanted(), root)
    return root / name, said


def fill(folder: Path) -> None:
    """Replace every mark, as a person would."""
    file = folder / "defs.yaml"
    file.write_text(MARK.sub("'Known by its owner'", file.read_text("utf-8")), "utf-8")
