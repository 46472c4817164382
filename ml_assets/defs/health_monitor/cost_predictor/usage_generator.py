"""An invented billing history of realistic shape, the same rows for the same seed.

What it imitates, and how much of it there is:

- **Workspaces** of different sizes, some opened later than others; each buys some of the SKUs.
- **Growth** by a sixth a year on average, and a level that wanders slowly (AR(1)).
- **Weekly rhythm**: interactive SKUs rest at weekends, scheduled ones hardly.
- **Spikes**: on about one day in a hundred a SKU runs away, to 2.5 to 6 times its usual, for up to
  three days.
- **Gaps**: a third of the workspaces is used only now and then, and every one is closed for some
  days once or twice a year. A day without usage has no records.
- **Late records**: a record arrives 1 to 14 hours after its hour, often on the next day.
- **Corrections**: 1.5 % of the records are taken back 2 to 25 days later by a ``RETRACTION`` with
  the negative quantity; four of five of these are replaced by a ``RESTATEMENT`` on the same day.
- **Prices** of some SKUs change once.

Columns and types are those that Databricks documents for ``system.billing.usage`` and
``system.billing.list_prices``; of the structs ``usage_metadata`` and ``product_features`` the fields
that belong to these products. Nothing in it is a real account, workspace or person.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from ml_assets.defs.health_monitor.cost_predictor import system_tables as system

if TYPE_CHECKING:
    from numpy.typing import NDArray

Rows = dict[str, "NDArray[Any]"]

RETRACTED, RESTATED = 0.015, 0.8
SPIKES = 0.008
OPENED_LATER, SPORADIC = 0.25, 0.33
#: Shares of weekdays and of days at weekends on which a workspace is used that is used now and then.
SPORADIC_DAYS = (0.75, 0.3)


class Sku(NamedTuple):
    """A product as it is billed: at which hours its records lie, and how it rests at weekends."""

    name: str
    product: str
    unit: str
    usage_type: str
    price: float
    hours: tuple[int, ...]
    weekend: float
    daily: float
    share: float


SKUS = (
    Sku("ENTERPRISE_JOBS_COMPUTE", "JOBS", "DBU", "COMPUTE_TIME", 0.20, (1, 3), 0.8, 150, 1.0),
    Sku("ENTERPRISE_ALL_PURPOSE_COMPUTE", "ALL_PURPOSE", "DBU", "COMPUTE_TIME", 0.65, (9, 15), 0.15, 70, 0.8),
    Sku("ENTERPRISE_SERVERLESS_SQL_COMPUTE_US_EAST_N_VIRGINIA", "SQL", "DBU", "COMPUTE_TIME", 0.70, (10, 17), 0.2, 60, 0.7),
    Sku("ENTERPRISE_DLT_CORE_COMPUTE", "DLT", "DBU", "COMPUTE_TIME", 0.30, (5,), 0.9, 90, 0.4),
    Sku("ENTERPRISE_SERVERLESS_REAL_TIME_INFERENCE_US_EAST_N_VIRGINIA", "MODEL_SERVING", "DBU", "COMPUTE_TIME", 0.07, (12, 20), 0.6, 200, 0.3),
    Sku("ENTERPRISE_DATABRICKS_STORAGE_US_EAST_N_VIRGINIA", "DEFAULT_STORAGE", "DSU", "STORAGE_SPACE", 0.023, (22,), 1.0, 300, 0.5),
)  # fmt: skip
#: By SKU: the share of the history after which its price changes, and by how much.
PRICE_CHANGES = {0: (0.55, 1.10), 2: (0.4, 0.93)}


@dataclass(frozen=True)
class BillingHistory:
    """A history of ``days`` days from ``start`` on (UTC); the last day is not over in its records."""

    workspaces: int = 36
    days: int = 549
    start: str = "2024-07-01"
    seed: int = 20_240_701

    def usage(self) -> pd.DataFrame:
        """Make the rows of ``system.billing.usage``: what was ingested until the last day."""
        original = self._originals
        rng = np.random.default_rng(self.seed + 1)
        retraction, restatement = _corrections(original, rng)
        parts = [original, retraction, restatement]
        rows = {name: np.concatenate([part[name] for part in parts]) for name in original}
        ingested = rows["ingested"] < self.days
        rows = {name: values[ingested] for name, values in rows.items()}
        order = np.lexsort((rows["hour"], rows["workspace"], rows["ingested"]))
        rows = {name: values[order] for name, values in rows.items()}
        return system.usage_frame(rows, SKUS, first_day=self._first_day, rng=rng)

    def list_prices(self) -> pd.DataFrame:
        """Make the rows of ``system.billing.list_prices``: one for each price that was ever listed."""
        opened = self._first_day - pd.Timedelta(days=365)
        rows: list[tuple[Sku, float, pd.Timestamp, pd.Timestamp | None]] = []
        for i, sku in enumerate(SKUS):
            if i not in PRICE_CHANGES:
                rows.append((sku, sku.price, opened, None))
                continue
            share, factor = PRICE_CHANGES[i]
            changed = self._first_day + pd.Timedelta(days=int(share * self.days))
            rows += [(sku, sku.price, opened, changed), (sku, sku.price * factor, changed, None)]
        return system.prices_frame(rows)

    @cached_property
    def _originals(self) -> Rows:
        """One entry per workspace, SKU, day and hour that something was used in."""
        rng = np.random.default_rng(self.seed)
        parts = [self._of_workspace(w, rng) for w in range(self.workspaces)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _of_workspace(self, workspace: int, rng: np.random.Generator) -> Rows:
        days = np.arange(self.days)
        size = rng.lognormal(0, 0.35)
        growth = np.exp(rng.normal(0.15, 0.1) * days / 365)
        level = size * growth * np.exp(_wandering(self.days, 0.7, 0.10, rng))
        used = self._used(rng)
        parts = []
        for number, sku in enumerate(SKUS):
            bought = rng.random() < sku.share
            quantity = sku.daily * rng.lognormal(0, 0.3) * level
            quantity *= np.where(self._weekend, sku.weekend, 1.0) * _spikes(self.days, rng)
            if bought:
                parts.append(_records(workspace, number, quantity, used, rng))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _used(self, rng: np.random.Generator) -> NDArray[np.bool_]:
        """On which days a workspace is used at all."""
        used = np.ones(self.days, bool)
        if rng.random() < OPENED_LATER:
            used[: int(rng.integers(0, self.days // 2))] = False
        if rng.random() < SPORADIC:
            weekday, weekend = (rng.random(self.days) < share for share in SPORADIC_DAYS)
            used &= np.where(self._weekend, weekend, weekday)
        for _ in range(rng.integers(1, 4)):
            closed = int(rng.integers(0, self.days))
            used[closed : closed + int(rng.integers(2, 10))] = False
        return used

    @property
    def _first_day(self) -> pd.Timestamp:
        return pd.Timestamp(self.start, tz="UTC")

    @property
    def _weekend(self) -> NDArray[np.bool_]:
        saturday = 5
        return np.asarray((np.arange(self.days) + self._first_day.dayofweek) % 7 >= saturday)


def _records(
    workspace: int,
    sku: int,
    daily: NDArray[np.float64],
    used: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Rows:
    """Spread a day's quantity over the hours of a SKU; each hour is one record."""
    hours = np.array(SKUS[sku].hours)
    day = np.repeat(np.flatnonzero(used), len(hours))
    hour = day * 24 + np.tile(hours, used.sum())
    noise = rng.lognormal(0, 0.12, len(day))
    ingested = hour + 1 + rng.integers(1, 15, len(day))
    return {
        "workspace": np.full(len(day), workspace),
        "sku": np.full(len(day), sku),
        "hour": hour,
        "quantity": np.round(daily[day] / len(hours) * noise, 6),
        "type": np.full(len(day), "ORIGINAL", dtype=object),
        "ingested": ingested // 24,
    }


def _corrections(original: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Take some records back later, and replace most of these."""
    wrong = rng.random(len(original["hour"])) < RETRACTED
    retraction = {name: values[wrong] for name, values in original.items()}
    late = retraction["ingested"] + rng.integers(2, 26, wrong.sum())
    retraction |= {"ingested": late, "type": np.full(wrong.sum(), "RETRACTION", dtype=object)}
    again = rng.random(wrong.sum()) < RESTATED
    restatement = {name: values[again] for name, values in retraction.items()}
    factor = rng.uniform(0.4, 1.5, again.sum())
    restatement["quantity"] = np.round(restatement["quantity"] * factor, 6)
    restatement["type"] = np.full(again.sum(), "RESTATEMENT", dtype=object)
    retraction["quantity"] = -retraction["quantity"]
    return retraction, restatement


def _wandering(
    days: int, memory: float, noise: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """AR(1): each day remembers a share of the day before."""
    level, found = 0.0, np.empty(days)
    for day, shock in enumerate(rng.normal(0, noise, days)):
        level = memory * level + shock
        found[day] = level
    return found


def _spikes(days: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Factors of 1, but for spikes of one to three days."""
    factors = np.ones(days)
    for first in np.flatnonzero(rng.random(days) < SPIKES):
        factors[first : first + int(rng.integers(1, 4))] = rng.uniform(2.5, 6)
    return factors
