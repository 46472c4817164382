"""Seeds for a laptop: an invented billing history in the shape of Databricks' system tables.

On Databricks the tables exist and are Databricks' own: nothing here runs there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.defs.health_monitor.cost_predictor.usage_generator import BillingHistory

if TYPE_CHECKING:
    import pandas as pd

HISTORY = BillingHistory()


def usage() -> pd.DataFrame:
    """Invent ``system.billing.usage``: 36 workspaces, a year and a half."""
    return HISTORY.usage()


def list_prices() -> pd.DataFrame:
    """Invent ``system.billing.list_prices`` for the SKUs of ``usage``."""
    return HISTORY.list_prices()
