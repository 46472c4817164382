"""A declaration that takes feature tables and sources of another model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ml_assets.spec.errors import DeclarationError
from ml_assets.spec.loader import load_spec, spec_from_mapping
from ml_assets.spec.model import ModelSpec
from ml_assets.spec.owners import asset_path, is_reused
from ml_assets_tests import tiny

COMPONENT = "ml_assets.components.ModelComponent"


def reusing(**changes: Any) -> dict[str, Any]:
    """How much a customer spends, on the spender's features."""
    base = tiny.regression_mapping()
    return {
        **base,
        "sources": {
            "visits": {"reuse": "shop/spender/visits"},
            "customers": {"reuse": "shop/spender/customers"},
        },
        "feature_tables": [{"reuse": "shop/spender/activity"}, {"reuse": "shop/spender/profile"}],
        **changes,
    }


def declare(root: Path, mapping: dict[str, Any], folder: str | None = None) -> Path:
    """Write a declaration into its folder."""
    place = root / (folder or f"{mapping['project']}/{mapping['model']}")
    place.mkdir(parents=True)
    attributes = {name: value for name, value in mapping.items() if name != "package"}
    content = {"type": COMPONENT, "attributes": attributes}
    (place / "defs.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return place


def refusal_of(file: Path) -> str:
    with pytest.raises(DeclarationError) as caught:
        load_spec(file)
    return str(caught.value)


@pytest.fixture
def owner(tmp_path: Path) -> ModelSpec:
    return load_spec(declare(tmp_path, tiny.mapping()))


def test_what_is_reused_is_as_its_owner_declares_it(tmp_path: Path, owner: ModelSpec) -> None:
    spec = load_spec(declare(tmp_path, reusing()))
    assert spec.features == owner.features
    for mine, theirs in zip(spec.feature_tables, owner.feature_tables, strict=True):
        assert mine.reuse == f"shop/spender/{theirs.name}"
        assert mine.table == theirs.table
        assert mine.declared_hash == theirs.declared_hash
        assert mine.columns == theirs.columns
    assert spec.sources["visits"].table == owner.sources["visits"].table


def test_columns_lookback_and_coverage_are_the_reusing_model_s_own(
    tmp_path: Path, owner: ModelSpec
) -> None:
    entry = {
        "reuse": "shop/spender/activity",
        "columns": ["city", "amount"],
        "lookback": "1 day",
        "min_coverage": 0.5,
    }
    table = load_spec(declare(tmp_path, reusing(feature_tables=[entry]))).feature_tables[0]
    theirs = owner.feature_table("activity")
    assert list(table.columns) == ["city", "amount"]
    assert table.columns["amount"] == theirs.columns["amount"]
    assert (table.lookback, table.min_coverage) != (theirs.lookback, theirs.min_coverage)
    assert table.min_coverage == 0.5
    assert table.declared_hash == theirs.declared_hash


def test_asset_names_lead_to_the_owner(tmp_path: Path, owner: ModelSpec) -> None:
    spec = load_spec(declare(tmp_path, reusing()))
    assert asset_path(spec, "features/activity") == ("shop", "spender", "features", "activity")
    assert asset_path(spec, "sources/visits") == ("shop", "spender", "sources", "visits")
    assert asset_path(spec, "labels") == ("shop", "spending", "labels")
    assert is_reused(spec, "features/activity")
    assert not is_reused(owner, "features/activity")


def test_a_source_may_have_another_name_here(tmp_path: Path, owner: ModelSpec) -> None:
    base = reusing()
    label, scoring = ({**base[part], "sources": ["seen"]} for part in ("label", "scoring"))
    changes = {"label": label, "scoring": scoring}
    sources = {"seen": {"reuse": "shop/spender/visits"}}
    spec = load_spec(declare(tmp_path, reusing(sources=sources, **changes)))
    assert asset_path(spec, "sources/seen") == ("shop", "spender", "sources", "visits")
    assert spec.sources["seen"].table == owner.sources["visits"].table


def test_the_hash_follows_the_owner_s_declaration(tmp_path: Path) -> None:
    first = load_spec(declare(tmp_path / "a", tiny.mapping()))
    mine = load_spec(declare(tmp_path / "a", reusing()))
    changed = tiny.mapping()
    changed["feature_tables"][0]["transform"] = ".tiny.other"
    second = load_spec(declare(tmp_path / "b", changed))
    other = load_spec(declare(tmp_path / "b", reusing()))
    theirs = [s.feature_table("activity").declared_hash for s in (first, second)]
    assert theirs == [s.feature_table("activity").declared_hash for s in (mine, other)]
    assert theirs[0] != theirs[1]
    assert mine.hash != other.hash


def test_the_declaration_survives_the_way_to_a_job(tmp_path: Path, owner: ModelSpec) -> None:
    spec = load_spec(declare(tmp_path, reusing(feature_tables=[
        {"reuse": "shop/spender/activity", "columns": ["visits"]}
    ])))  # fmt: skip
    sent = ModelSpec.model_validate(spec.model_dump(mode="json", by_alias=True))
    assert sent.hash == spec.hash
    assert sent == spec


def test_in_python_the_owners_are_handed_over() -> None:
    owner = tiny.spec()
    spec = spec_from_mapping(reusing(), origin="here", owners=[owner])
    assert spec.feature_table("activity").table == owner.feature_table("activity").table
    with pytest.raises(DeclarationError, match=r"no model shop/spender.*") as caught:
        spec_from_mapping(reusing(), origin="here")
    assert "owners=" in str(caught.value)


def test_an_unknown_owner_is_named_with_the_closest_one(tmp_path: Path, owner: ModelSpec) -> None:
    text = refusal_of(
        declare(tmp_path, reusing(feature_tables=[{"reuse": "shop/spendr/activity"}]))
    )
    assert "feature_tables[0].reuse" in text
    assert "no model shop/spendr" in text
    assert "did you mean 'shop/spender'" in text


def test_an_unknown_table_source_or_column_is_named(tmp_path: Path, owner: ModelSpec) -> None:
    tables = [
        {"reuse": "shop/spender/activty"},
        {"reuse": "shop/spender/profile", "columns": ["aeg"]},
    ]
    sources = {**reusing()["sources"], "customers": {"reuse": "shop/spender/clients"}}
    text = refusal_of(declare(tmp_path, reusing(feature_tables=tables, sources=sources)))
    assert "3 problems" in text
    assert "shop/spender has no feature table 'activty'" in text
    assert "did you mean 'activity'" in text
    assert "'aeg', which shop/spender/profile does not have" in text
    assert "shop/spender has no source 'clients'" in text


def test_a_static_table_has_no_age_here_either(tmp_path: Path, owner: ModelSpec) -> None:
    tables = [{"reuse": "shop/spender/profile", "lookback": "1 day"}]
    text = refusal_of(declare(tmp_path, reusing(feature_tables=tables)))
    assert "feature_tables[0].lookback" in text
    assert "shop/spender/profile has no event_time" in text


def test_a_path_needs_three_parts_and_nothing_else_is_declared(
    tmp_path: Path, owner: ModelSpec
) -> None:
    tables = [{"reuse": "activity"}, {"reuse": "shop/spender/profile", "transform": ".x.y"}]
    text = refusal_of(declare(tmp_path, reusing(feature_tables=tables)))
    assert "project/model/name" in text
    assert "unknown field 'transform'" in text


def test_keys_that_the_label_lacks_are_named(tmp_path: Path, owner: ModelSpec) -> None:
    label = {**reusing()["label"], "keys": ["client"]}
    text = refusal_of(declare(tmp_path, reusing(label=label)))
    assert "'customer', which is not among label.keys" in text
    assert "feature_tables[0]" in text


def test_a_feature_that_two_tables_have_is_refused(tmp_path: Path, owner: ModelSpec) -> None:
    tables = [{"reuse": "shop/spender/activity"}, {"reuse": "shop/spender/activity"}]
    assert "already used by" in refusal_of(declare(tmp_path, reusing(feature_tables=tables)))


def test_what_is_reused_cannot_be_reused_from_there(tmp_path: Path, owner: ModelSpec) -> None:
    declare(tmp_path, reusing())
    third = reusing(model="third", feature_tables=[{"reuse": "shop/spending/activity"}])
    text = refusal_of(declare(tmp_path, third))
    assert "shop/spending does not make the feature table 'activity'" in text
    assert "write reuse: shop/spender/activity" in text


def test_a_circle_is_named(tmp_path: Path) -> None:
    one = tiny.mapping()
    one["feature_tables"].append({"reuse": "shop/spending/extra"})
    declare(tmp_path, one)
    two = declare(tmp_path, reusing())
    assert (
        "a circle: shop/spending reuses from shop/spender reuses from shop/spending"
        in refusal_of(two)
    )


def test_a_model_that_reuses_from_itself_is_a_circle(tmp_path: Path) -> None:
    one = tiny.mapping()
    one["feature_tables"].append({"reuse": "shop/spender/activity"})
    text = refusal_of(declare(tmp_path, one))
    assert "a circle: shop/spender reuses from shop/spender" in text


def test_an_owner_that_is_wrong_is_to_be_corrected_first(tmp_path: Path) -> None:
    declare(tmp_path, {**tiny.mapping(), "gates": {"rmse": {"max": 1}}})
    text = refusal_of(declare(tmp_path, reusing()))
    assert "the declaration of shop/spender is wrong" in text
    assert "rmse" in text


def test_an_owner_s_folder_is_called_like_what_it_declares(tmp_path: Path) -> None:
    declare(tmp_path, {**tiny.mapping(), "model": "other"}, folder="shop/spender")
    text = refusal_of(declare(tmp_path, reusing()))
    assert "declares shop/other" in text


def test_without_sources_a_model_has_those_of_the_tables_that_it_reuses(
    tmp_path: Path, owner: ModelSpec
) -> None:
    declare(tmp_path / "a", tiny.mapping())
    said = load_spec(declare(tmp_path / "a", reusing()))
    short = reusing()
    del short["sources"]
    spec = load_spec(declare(tmp_path, short))
    assert {name: s.reuse for name, s in spec.sources.items()} == {
        "visits": "shop/spender/visits",
        "customers": "shop/spender/customers",
    }
    assert spec.sources == said.sources


def test_two_owners_sources_of_one_name_are_not_guessed(tmp_path: Path, owner: ModelSpec) -> None:
    second = tiny.mapping()
    second |= {"model": "other", "feature_tables": [dict(second["feature_tables"][1])]}
    second["feature_tables"][0] |= {"table": "shop.features.other", "name": "other"}
    second["feature_tables"][0]["sources"] = ["visits"]
    second["feature_tables"][0]["columns"] = {"height": {"default": 0.0}}
    declare(tmp_path, second)
    short = reusing(
        feature_tables=[{"reuse": "shop/spender/activity"}, {"reuse": "shop/other/other"}]
    )
    del short["sources"]
    text = refusal_of(declare(tmp_path, short))
    assert "attributes.sources" in text
    assert "the field is missing" in text


def test_nobody_writes_the_owner_s_hash(tmp_path: Path) -> None:
    mapping = tiny.mapping()
    mapping["feature_tables"][0]["owner_hash"] = "0" * 12
    text = refusal_of(declare(tmp_path, mapping))
    assert "feature_tables[0].owner_hash" in text
    assert "unknown field 'owner_hash'" in text


@pytest.mark.parametrize("model", ["next_day_cost", "usage_anomaly"])
def test_a_model_on_another_one_s_features_takes_under_30_lines(model: str) -> None:
    file = Path(__file__).parents[2] / f"ml_assets/defs/health_monitor/{model}/defs.yaml"
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    assert len([line for line in lines if line and not line.startswith("#")]) < 30
    assert load_spec(file).feature_tables[0].reuse
