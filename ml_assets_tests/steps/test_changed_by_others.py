"""Tables that somebody else changed: the checks measure what is stored, not what we wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from ml_assets.rules.facts import VersionFacts
from ml_assets.rules.registry import judge
from ml_assets.steps.handles import TableHandle, VersionHandle
from ml_assets_tests import tiny
from ml_assets_tests.steps.helpers import measure, red, run_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from ml_assets.platform.embedded import EmbeddedPlatform
    from ml_assets_tests.steps.conftest import Shop


def first(column: str, value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame.loc[frame.index[0], column] = value
        return frame

    return change


def repeat_a_row(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.head(1)])


def look_ahead(frame: pd.DataFrame) -> pd.DataFrame:
    late = frame["asked_at"] + pd.Timedelta(minutes=1)
    return frame.assign(__as_of_activity=frame["__as_of_activity"].where(frame.index % 9 > 0, late))


def shuffle_the_split(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(
        __split=["train", "holdout"] * (len(frame) // 2) + ["train"] * (len(frame) % 2)
    )


def forget_matches(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(__as_of_activity=frame["__as_of_activity"].where(frame.index % 5 > 0))


CHANGES = [
    ("features/activity", first("amount", float("nan")), "ml03_no_nan"),
    ("features/activity", first("amount", float("-inf")), "ml03_no_inf"),
    ("features/activity", first("city", None), "ml03_no_null"),
    ("features/activity", repeat_a_row, "ml01_primary_key_unique"),
    ("labels", first("spends", None), "ml05_binary_labels"),
    ("labels", first("spends", 2), "ml05_binary_labels"),
    ("labels", lambda frame: frame.assign(spends=1), "ml05_not_single_class"),
    ("training_set", look_ahead, "ml06_future_feature"),
    ("training_set", shuffle_the_split, "ml06_time_overlap"),
    ("training_set", forget_matches, "ml03_lookup_coverage"),
    ("predictions", first("prediction", None), "predictions_complete"),
    ("predictions", first("prediction", 5), "predictions_schema"),
    ("predictions", first("model_version", 9), "predictions_from_champion"),
    ("predictions", lambda frame: frame.iloc[1:], "predictions_complete"),
    ("predictions", first("customer", "nobody"), "predictions_complete"),
]


@pytest.mark.parametrize(
    ("asset", "change", "check"), CHANGES, ids=[f"{c}-{i}" for i, (_, _, c) in enumerate(CHANGES)]
)
def test_exactly_the_named_check_turns_red(
    shop: Shop,
    asset: str,
    change: Callable[[pd.DataFrame], pd.DataFrame],
    check: str,
) -> None:
    spec = tiny.spec()
    handle = shop.handles[asset]
    assert isinstance(handle, TableHandle)
    rewrite(shop.platform, handle.table, change)
    verdicts = judge(spec, asset, measure(spec, shop.platform, asset, handle))
    assert red(tuple(v for v in verdicts if v.severity == "error")) == [check]
    if asset == "features/activity":  # whoever wrote it recorded neither sources nor repairs
        assert {"ml01_fresh", "ml03_repaired_share"} <= set(red(verdicts))


@pytest.mark.parametrize(
    ("properties", "check"),
    [
        ({"ml_assets.primary_keys": '["city"]'}, "ml01_table_registered"),
        ({"ml_assets.tags": "{}"}, "ml01_documented"),
    ],
)
def test_lost_metadata_is_noticed(shop: Shop, properties: dict[str, str], check: str) -> None:
    spec, asset = tiny.spec(), "features/activity"
    table = DeltaTable(shop.platform.tables.path("shop.features.activity"))
    table.alter.set_table_properties(properties, raise_if_not_exists=False)
    facts = measure(spec, shop.platform, asset, shop.handles[asset])
    assert red(judge(spec, asset, facts)) == [check]


def test_a_refused_challenger_does_not_hide_that_the_champion_is_fine(
    shop: Shop,
) -> None:
    strict = tiny.spec(gates={"roc_auc": {"min": 0.999}})
    refused = run_steps(strict, shop.platform)["model_version"].handle
    assert isinstance(refused, VersionHandle)
    assert refused.model_version == 2
    facts = measure(tiny.spec(), shop.platform, "model_version", refused)
    assert isinstance(facts, VersionFacts)
    assert facts.version == 1
    assert red(judge(tiny.spec(), "model_version", facts)) == []


def test_a_skew_that_changes_no_class_is_found_by_the_replay(shop: Shop) -> None:
    """Features that move a little after training, between training and serving."""
    rewrite(
        shop.platform, "shop.features.profile", lambda frame: frame.assign(age=frame["age"] + 0.01)
    )
    asset = "model_version"
    facts = measure(tiny.spec(), shop.platform, asset, shop.handles[asset])
    assert isinstance(facts, VersionFacts)
    assert (list(facts.replay.changed_features), facts.replay.different) == (["age"], 0)
    assert red(judge(tiny.spec(), asset, facts)) == ["ml03_score_replay"]


def rewrite(
    platform: EmbeddedPlatform, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    """Overwrite a table as another program would: no staging, no metadata of ours touched."""
    path = platform.tables.path(name)
    table = DeltaTable(path)
    schema = table.to_pyarrow_table().schema
    frame = change(table.to_pandas())
    columns = [
        pa.array(frame[f.name].to_numpy(), f.type, from_pandas=f.name != "amount") for f in schema
    ]
    loose = pa.schema([f.with_nullable(True) for f in schema])
    write_deltalake(
        path, pa.table(columns, schema=loose), mode="overwrite", schema_mode="overwrite"
    )
