"""What a declaration may leave out, and what it is then."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ml_assets.spec.errors import DeclarationError
from ml_assets.spec.loader import spec_from_mapping
from ml_assets.spec.model import ModelSpec
from ml_assets.spec.reference import markdown
from ml_assets.spec.training import Split
from ml_assets_tests import tiny


def short(**label: Any) -> dict[str, Any]:
    """The spender without everything that follows from the rest."""
    mapping = tiny.mapping() | {"registered_model": "main.models.spender_v2"}
    left = {"table", "sources", "keys", "tags"}
    for part in ("label", "scoring"):
        dropped = left - {"keys"} if part == "scoring" else left
        mapping[part] = {k: v for k, v in mapping[part].items() if k not in dropped}
    mapping["label"] |= label
    return {k: v for k, v in mapping.items() if k not in {"training_set", "split"}}


def built(mapping: dict[str, Any]) -> ModelSpec:
    return spec_from_mapping(mapping, origin="here")


def test_tables_are_called_like_the_registered_model_in_its_catalog() -> None:
    spec = built(short())
    tables = (spec.training_set, spec.label.table, spec.scoring.table)
    assert tables == (
        "main.training.spender_v2",
        "main.labels.spender_v2",
        "main.predictions.spender_v2",
    )


def test_sources_keys_and_tags_are_those_of_the_rest() -> None:
    spec = built(short())
    tables = spec.feature_tables
    assert spec.label.sources == spec.scoring.sources == tuple(tiny.mapping()["sources"])
    assert spec.label.keys == tuple(dict.fromkeys(k for t in tables for k in t.primary_keys))
    assert spec.label.tags == {"domain": tables[0].tags["domain"], "model": "spender"}


def test_what_is_written_stays() -> None:
    full = tiny.mapping()
    spec = built(full)
    assert spec.label.table == full["label"]["table"]
    assert spec.label.event_time == full["label"]["event_time"]
    assert spec.scoring.sources == tuple(full["scoring"]["sources"])
    assert spec.training_set == full["training_set"]


@pytest.mark.parametrize(
    ("horizon", "split", "days"),
    [("3 days", {}, 3), ("3 days", {"embargo": "2 days"}, 2), ("1 hour", {}, 1), (None, {}, 1)],
)
def test_the_embargo_is_not_shorter_than_the_horizon(
    horizon: str | None, split: dict[str, str], days: int
) -> None:
    mapping = short(**({"horizon": horizon} if horizon else {})) | {"split": split}
    assert built(mapping).split.embargo == timedelta(days=days)


def test_the_event_time_is_guessed_of_reused_tables_alone() -> None:
    owner = tiny.spec()
    mapping = short()
    del mapping["label"]["event_time"]
    reused = mapping | {"model": "other", "feature_tables": [{"reuse": "shop/spender/activity"}]}
    spec = spec_from_mapping(reused, origin="here", owners=[owner])
    assert spec.label.event_time == owner.feature_table("activity").event_time
    with pytest.raises(DeclarationError) as caught:
        built(mapping)
    assert "label.event_time" in str(caught.value)
    assert "the field is missing" in str(caught.value)


def test_without_a_registered_model_its_name_is_not_invented() -> None:
    mapping = short()
    del mapping["registered_model"]
    with pytest.raises(DeclarationError) as caught:
        built(mapping)
    fields = ("registered_model", "training_set", "label.table", "scoring.table")
    assert all(f"here: {field}\n" in str(caught.value) for field in fields)


def test_the_reference_and_the_schema_say_what_may_be_left_out() -> None:
    assert "| `training_set` | three-level name | `<catalog>.training.<model>` |" in markdown()
    needed = ModelSpec.model_json_schema()
    assert "training_set" not in needed["required"]
    assert needed["$defs"]["Label"]["required"] == ["transform", "name", "column"]
    assert {"table", "sources"} <= set(needed["$defs"]["FeatureTable"]["required"])


@pytest.mark.parametrize(("split", "days"), [({}, 3), ({"embargo": timedelta(days=1)}, 1)])
def test_a_split_that_was_built_in_python_has_the_embargo_too(
    split: dict[str, Any], days: int
) -> None:
    spec = built(short(horizon="3 days") | {"split": Split(holdout=0.3, **split)})
    assert (spec.split.embargo, spec.split.holdout) == (timedelta(days=days), 0.3)
