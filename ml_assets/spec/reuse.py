"""How a declaration names a feature table or a source that another model makes."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from ml_assets.spec.base import TYPE_NAME, ColumnName, Declared, Duration, Number
from ml_assets.spec.wording import CHECK, refusal, shown

_PART = r"[A-Za-z_][A-Za-z0-9_]{0,127}"
_PATH = re.compile(rf"({_PART})/({_PART})/({_PART})")


def check_reuse_path(value: str) -> str:
    """Accept ``project/model/name``.

    Raises
    ------
    ValueError
        Everything else.

    >>> check_reuse_path("shop/churn/activity")
    'shop/churn/activity'
    """
    if not _PATH.fullmatch(value):
        raise refusal(
            shown(value),
            expected="project/model/name: whose it is, and its name there",
            fix="write all three parts as in the owner's defs.yaml, for example shop/churn/activity",
        )
    return value


ReusePath = Annotated[
    str,
    AfterValidator(check_reuse_path),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_PATH.pattern}$", TYPE_NAME: "project/model/name"}
    ),
]


def owner_of(path: str) -> str:
    """Name the model that a path leads to.

    >>> owner_of("shop/churn/activity")
    'shop/churn'
    """
    return path.rpartition("/")[0]


class ReusedSource(Declared):
    """A source of another model, under a name of one's own: one table, and one asset in Dagster."""

    reuse: ReusePath = Field(examples=["shop/churn/visits"])
    """The source: ``project/model/name``, as its owner declares it."""


class ReusedTable(Declared):
    """A feature table of another model: made and checked there, once, and looked up here, too.

    Everything that is not said here is as its owner declares it.
    """

    reuse: ReusePath = Field(examples=["shop/churn/activity"])
    """The feature table: ``project/model/name``, as its owner declares it."""
    columns: tuple[ColumnName, ...] | None = Field(
        default=None, min_length=1, examples=[["visits_7d"]]
    )
    """The features that this model takes, in its order; without it, all of them."""
    lookback: Duration | None = Field(
        default=None, examples=["3 hours"], json_schema_extra={CHECK: "ml06_future_feature"}
    )
    """How old a row may be at this model's as-of time; without it, as the owner says."""
    min_coverage: Number | None = Field(
        default=None,
        ge=0,
        le=1,
        examples=[0.9],
        json_schema_extra={CHECK: "ml03_lookup_coverage"},
    )
    """Share of this model's keys that must find a row; without it, as the owner says."""
