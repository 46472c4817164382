"""What a catalog holds about tables and models: plain values that every room understands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ml_assets.spec.tables import FeatureTable

_TECHNICAL = "\n\nTechnical: "


@dataclass(frozen=True)
class ColumnInfo:
    """A stored column; ``type`` is Spark's simple string (``double``, ``bigint``)."""

    name: str
    type: str
    comment: str = ""
    nullable: bool = True


@dataclass(frozen=True)
class TableLayout:
    """What a table is to be stored as: the platform writes it into the table's own metadata.

    ``grants`` are privileges by principal, where there is access control: on Databricks.
    """

    name: str
    primary_keys: tuple[str, ...] = ()
    event_time: str | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    comments: Mapping[str, str] = field(default_factory=dict)
    not_null: tuple[str, ...] = ()
    grants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class TableInfo:
    """What is stored about a table now; ``exists`` is False (and the rest empty) when it is absent.

    ``version`` counts every commit; ``data_version`` is the last commit that changed data.
    """

    name: str
    exists: bool
    uri: str = ""
    version: int = -1
    data_version: int = -1
    primary_keys: tuple[str, ...] = ()
    event_time: str | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[ColumnInfo, ...] = ()

    @property
    def column_names(self) -> tuple[str, ...]:
        """Column names in stored order."""
        return tuple(c.name for c in self.columns)


@dataclass(frozen=True)
class PackageInfo:
    """What is stored in a packaged model, read back from its files.

    ``inputs`` are the (name, type) columns that the raw model receives, in order; ``outputs`` are
    the signature's output types; an empty tuple means that the signature has none. ``classes`` are
    the names of the predicted codes 0, 1, …, when the package states them; ``pickled`` is the format
    when the model is stored as a pickle.
    """

    uri: str
    flavor: str | None
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[str, ...]
    signature_inputs: tuple[str, ...]
    has_input_example: bool
    pip_requirements: tuple[str, ...]
    classes: tuple[str, ...] = ()
    pickled: str | None = None


def describe(business: str, technical: str) -> str:
    """Join both descriptions into the one text that a catalog stores.

    >>> parse_description(describe("Late flights.", "Hourly."))
    ('Late flights.', 'Hourly.')
    """
    return (
        f"{business.strip()}{_TECHNICAL}{technical.strip()}"
        if technical.strip()
        else business.strip()
    )


def parse_description(text: str) -> tuple[str, str]:
    """Split a stored text into (business, technical); a missing part is empty."""
    business, _, technical = text.partition(_TECHNICAL)
    return business.strip(), technical.strip()


def feature_layout(table: FeatureTable) -> TableLayout:
    """Derive how a declared feature table is stored."""
    return TableLayout(
        name=table.table,
        primary_keys=table.primary_keys,
        event_time=table.event_time,
        description=describe(table.business, table.technical),
        tags=dict(table.tags),
        comments={
            **dict.fromkeys(table.primary_keys, "primary key"),
            **(
                {table.event_time: "event time: when the row became known, UTC"}
                if table.event_time
                else {}
            ),
            **{name: column.comment for name, column in table.columns.items()},
        },
        not_null=table.keys,
    )
