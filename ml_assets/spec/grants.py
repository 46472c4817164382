"""Who may use what a model writes: tables and the registered model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from ml_assets.spec.base import TYPE_NAME, Declared, Frozen
from ml_assets.spec.wording import refusal, shown

if TYPE_CHECKING:
    from ml_assets.spec.catalog import TableLayout

_PRINCIPAL = re.compile(r"[^\s`'\"\\;](?:[^`'\"\\;\x00-\x1f]{0,253}[^\s`'\"\\;])?")


def check_principal(value: str) -> str:
    """Accept the name of a user, a group or a service principal.

    >>> check_principal("ml engineers"), check_principal("ann@example.com")
    ('ml engineers', 'ann@example.com')
    """
    if not _PRINCIPAL.fullmatch(value) or value == "None":
        raise refusal(
            shown(value),
            expected="a user's e-mail address, a group's name or a service principal's id, without "
            "quotes, backslashes and semicolons",
            fix="write the name as Catalog Explorer shows it (an unset {{ env.X }} becomes None)",
        )
    return value


Principal = Annotated[
    str,
    AfterValidator(check_principal),
    WithJsonSchema({"type": "string", "maxLength": 255, TYPE_NAME: "name"}),
]


class Grant(Declared):
    """What one principal may do. On a laptop there is no access control: nothing is granted there."""

    tables: tuple[Literal["SELECT", "MODIFY"], ...] = Field(default=(), examples=[["SELECT"]])
    """Privileges on every table that the model writes."""
    model: tuple[Literal["EXECUTE"], ...] = Field(default=(), examples=[["EXECUTE"]])
    """Privileges on the registered model."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.tables and not self.model:
            raise refusal(
                "a principal without privileges",
                expected="tables, model or both",
                fix="write for example tables: [SELECT], or remove the principal; removing it "
                "revokes nothing",
            )
        return self


Grants = Frozen[Principal, Grant]


def table_grants(grants: Mapping[str, Grant]) -> dict[str, tuple[str, ...]]:
    """Give the privileges on tables, by principal.

    >>> table_grants({"bi": Grant(tables=("SELECT",)), "app": Grant(model=("EXECUTE",))})
    {'bi': ('SELECT',)}
    """
    return {who: grant.tables for who, grant in grants.items() if grant.tables}


def model_grants(grants: Mapping[str, Grant]) -> dict[str, tuple[str, ...]]:
    """Give the privileges on the registered model, by principal.

    >>> model_grants({"app": Grant(model=("EXECUTE",))})
    {'app': ('EXECUTE',)}
    """
    return {who: grant.model for who, grant in grants.items() if grant.model}


def granted(layout: TableLayout, grants: Mapping[str, Grant]) -> TableLayout:
    """Add the declared privileges to a table's layout."""
    return replace(layout, grants=table_grants(grants))
