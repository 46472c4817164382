"""Grants: who may use what a model writes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from ml_assets.spec.catalog import TableLayout
from ml_assets.spec.grants import Grant, granted, model_grants, table_grants
from ml_assets_tests import tiny

GRANTS = {
    "analysts": {"tables": ["SELECT"]},
    "ml engineers": {"tables": ["SELECT", "MODIFY"], "model": ["EXECUTE"]},
    "app@example.com": {"model": ["EXECUTE"]},
}


def test_tables_and_model_apart():
    grants = tiny.spec(grants=GRANTS).grants
    assert table_grants(grants) == {"analysts": ("SELECT",), "ml engineers": ("SELECT", "MODIFY")}
    assert model_grants(grants) == {"ml engineers": ("EXECUTE",), "app@example.com": ("EXECUTE",)}


def test_a_layout_gets_the_grants_of_tables_and_keeps_the_rest():
    layout = TableLayout("a.b.t", primary_keys=("k",), tags={"x": "y"})
    found = granted(layout, {"bi": Grant(tables=("SELECT",)), "app": Grant(model=("EXECUTE",))})
    assert found == TableLayout(
        "a.b.t", primary_keys=("k",), tags={"x": "y"}, grants={"bi": ("SELECT",)}
    )


def test_nothing_is_granted_unless_it_is_declared():
    assert tiny.spec().grants == {}
    assert granted(TableLayout("a.b.t"), tiny.spec().grants).grants == {}


def test_grants_survive_the_way_to_the_cluster():
    spec = tiny.spec(grants=GRANTS)
    again = type(spec).model_validate(spec.model_dump(mode="json", by_alias=True))
    assert again.grants == spec.grants
    assert again.hash == spec.hash != tiny.spec().hash


@pytest.mark.parametrize(
    ("grants", "said"),
    [
        ({"bi": {"tables": ["select"]}}, "SELECT"),
        ({"bi": {"tables": ["DROP"]}}, "SELECT"),
        ({"bi": {"model": ["SELECT"]}}, "EXECUTE"),
        ({"bi": {}}, "a principal without privileges"),
        ({"bi": {"table": ["SELECT"]}}, "tables"),
        ({"bi` TO `x": {"tables": ["SELECT"]}}, "without quotes"),
        ({"bi; DROP": {"tables": ["SELECT"]}}, "without quotes"),
        ({" bi": {"tables": ["SELECT"]}}, "Catalog Explorer"),
        ({"": {"tables": ["SELECT"]}}, "Catalog Explorer"),
        ({"None": {"tables": ["SELECT"]}}, "unset"),
    ],
)
def test_what_cannot_be_granted_is_refused_in_words_that_teach(grants, said):
    with pytest.raises(ValidationError, match=said):
        tiny.spec(grants=grants)
