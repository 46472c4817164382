"""Tests against a real Databricks workspace, for people who have one; see docs/databricks.md.

They cost money and need credentials, so they are collected only when ``ML_ASSETS_WORKSPACE_TESTS`` is 1.
"""

from __future__ import annotations

import os

VARIABLE = "ML_ASSETS_WORKSPACE_TESTS"


def enabled() -> bool:
    """Whether somebody asked for them."""
    return os.environ.get(VARIABLE) == "1"
