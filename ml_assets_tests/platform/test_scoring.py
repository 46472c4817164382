"""Batch scores: what training gave for the same rows, in batches, by the package's own lookups."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from mlflow.types import ColSpec, Schema
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from xgboost import XGBClassifier, XGBRegressor

from ml_assets.platform.embedded import EmbeddedPlatform, score_stream, scoring
from ml_assets.platform.embedded.packages import package_folder
from ml_assets.platform.model_storage import how_to_store
from ml_assets.platform.package_layout import PackagedColumn
from ml_assets.platform.scoring_checks import PackagedLookup
from ml_assets.spec.catalog import TableInfo, TableLayout, feature_layout
from ml_assets.spec.errors import DataError
from ml_assets_tests.platform.shop import START, Shop, make_shop, store

KEYS = ["customer", "asked_at"]
LAYOUT = TableLayout("shop.predictions.spender")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, spark):
    """Shops with and without a string feature: their training rows and their model's URI."""
    made = {}
    for name, strings in (("numbers", False), ("strings", True)):
        platform = EmbeddedPlatform(home=tmp_path_factory.mktemp(name), spark=spark)
        shop = make_shop(platform, strings=strings)
        rows = shop.training_set()
        features = rows[list(shop.spec.features)]
        model = XGBClassifier(n_estimators=8, max_depth=3)
        if strings:
            encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
            columns = ColumnTransformer([("text", encoder, ["city"])], remainder="passthrough")
            model = Pipeline([("columns", columns), ("model", model)])
        made[name] = (shop, rows, shop.log(model.fit(features, rows["spends"]), features.head(3)))
    return made


def score(shop, uri, rows, constants=None):
    """Stage the scores of rows and read them back in the order of the keys."""
    staged = shop.platform.features.stage_scores(
        shop.spec, shop.keys(rows), uri, LAYOUT, constants or {}
    )
    found = pq.read_table(staged.folder).to_pandas()
    files = len(list(staged.folder.glob("*.parquet")))
    staged.discard()
    return found.sort_values(KEYS, ignore_index=True), files


@pytest.mark.parametrize("kind", ["numbers", "strings"])
def test_raw_keys_get_the_predictions_that_training_gives(trained, kind):
    shop, rows, uri = trained[kind]
    expected = rows.sort_values(KEYS, ignore_index=True)
    found, _ = score(shop, uri, rows[KEYS].sample(frac=1.0, random_state=0))
    predicted = shop.platform.features.predict(uri, expected[list(shop.spec.features)])
    assert found["prediction"].tolist() == predicted.tolist()
    assert set(found["prediction"]) == {0, 1}
    assert found["__as_of_activity"].equals(expected["__as_of_activity"])
    assert found["__matched_profile"].equals(expected["__matched_profile"])


def test_columns_and_types(trained):
    shop, rows, uri = trained["numbers"]
    constants = {"model_version": 3, "scored_by": "it's me"}
    staged = shop.platform.features.stage_scores(
        shop.spec, shop.keys(rows[KEYS].head(5)), uri, LAYOUT, constants
    )
    info = staged.publish()
    assert [(c.name, c.type) for c in info.columns] == [
        ("customer", "string"),
        ("asked_at", "timestamp"),
        ("prediction", "bigint"),
        ("model_version", "bigint"),
        ("scored_by", "string"),
        ("__as_of_activity", "timestamp"),
        ("__matched_profile", "boolean"),
    ]
    stored = shop.platform.tables.read(LAYOUT.name).toPandas()
    assert len(stored) == 5
    assert set(stored["model_version"]) == {3}
    assert set(stored["scored_by"]) == {"it's me"}


@pytest.mark.parametrize("kind", ["numbers", "strings"])
def test_many_batches_and_files_give_every_row_once(trained, kind, monkeypatch):
    shop, rows, uri = trained[kind]
    whole, _ = score(shop, uri, rows[KEYS])
    # DuckDB hands over no less than its own unit of work, 2048 rows.
    many = pd.concat([rows[KEYS]] * 40, ignore_index=True)
    monkeypatch.setattr(score_stream, "BATCH_ROWS", 2048)
    monkeypatch.setattr(score_stream, "FILE_BATCHES", 2)
    found, files = score(shop, uri, many)
    assert files >= 2
    assert len(found) == len(many)
    counted = found.groupby(KEYS, dropna=False)["prediction"].agg(["size", "nunique", "first"])
    assert set(counted["size"]) == {40}
    assert set(counted["nunique"]) == {1}
    assert counted["first"].tolist() == whole["prediction"].tolist()


def test_no_keys_give_no_rows(trained, spark):
    shop, rows, uri = trained["numbers"]
    none = shop.keys(rows[KEYS]).where("customer = 'nobody'")
    staged = shop.platform.features.stage_scores(shop.spec, none, uri, LAYOUT, {"model_version": 1})
    assert staged.rows == 0
    assert staged.frame.columns[2:4] == ["prediction", "model_version"]
    staged.discard()


def test_keys_that_find_nothing_are_predicted_and_say_so(trained):
    shop, _, uri = trained["strings"]
    nobody = pd.DataFrame(
        {"customer": ["nobody", None], "asked_at": [START + timedelta(days=4)] * 2}
    )
    found, _ = score(shop, uri, nobody)
    assert found["prediction"].notna().all()
    assert found["__as_of_activity"].isna().all()
    assert not found["__matched_profile"].any()


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("prediction", "columns prediction"),
        ("AGE", "columns AGE"),
        ("Model_Version", "columns Model_Version"),
    ],
)
def test_columns_that_scoring_writes_or_looks_up_are_refused(trained, added, message):
    shop, rows, uri = trained["numbers"]
    with pytest.raises(DataError, match=message):
        score(shop, uri, rows[KEYS].head(3).assign(**{added: 1.0}), {"model_version": 1})


def test_a_feature_that_the_table_lost_is_named(spoiled):
    table = spoiled.shop.spec.feature_tables[0]
    times = pa.array([START], pa.timestamp("us", "UTC"))
    less = pa.table({"customer": ["c00"], "known_at": times, "amount": [1.0]})
    layout = TableLayout(table.table, table.primary_keys, table.event_time)
    store(spoiled.shop.platform, layout, less)
    with pytest.raises(DataError, match="no column visits") as refused:
        spoiled.score()
    assert refused.value.rule == "ml02_inputs_match_features"


@pytest.mark.parametrize(
    ("then", "now", "taken"),
    [
        ("bigint", "double", True),
        ("long", "int", True),
        ("boolean", "int", True),
        ("decimal(10,2)", "float", True),
        ("string", "string", True),
        ("string", "bigint", False),  # every row would be a level that the encoder does not know
        ("boolean", "string", False),
        ("double", "timestamp", False),
    ],
)
def test_a_feature_may_become_another_number_but_no_other_thing(then, now, *, taken):
    column = PackagedColumn("x", then, table="a.b.c", feature="f", lookup_key=("k",))
    lookup = PackagedLookup("a.b.c", ("k",), None, (column,), None)
    info = TableInfo("a.b.c", exists=True, primary_keys=("k",))
    if taken:
        lookup.check(info, 7, {"k": "bigint", "f": now})
        return
    with pytest.raises(DataError, match=f"x is {now}, was {re.escape(then)}") as refused:
        lookup.check(info, 7, {"k": "bigint", "f": now})
    assert refused.value.rule == "ml02_inputs_match_features"


def test_a_table_with_other_keys_than_the_package_is_refused(spoiled):
    layout = feature_layout(spoiled.shop.spec.feature_tables[1])
    dated = pa.table(
        {"customer": ["c00"], "age": [1.0], "t": pa.array([START], pa.timestamp("us", "UTC"))}
    )
    store(spoiled.shop.platform, replace(layout, event_time="t"), dated)
    with pytest.raises(DataError, match="event time t"):
        spoiled.score()


def test_the_packages_lookback_counts_not_the_declarations(spoiled):
    spoiled.edit(lambda document: document["input_tables"][0][ACTIVITY].update(lookback_window=1))
    assert spoiled.score()["__as_of_activity"].isna().all()


def test_features_can_be_renamed_in_the_package(spoiled):
    """Databricks packages may look a column up under another name than the table has."""
    before = spoiled.score()

    def rename(document):
        entry = document["input_columns"][3]
        entry["n_visits"] = entry.pop("visits")

    spoiled.edit(rename)
    assert spoiled.score()["prediction"].tolist() == before["prediction"].tolist()


def test_an_input_that_is_not_looked_up_is_refused(spoiled):
    spoiled.edit(lambda document: document["input_columns"][0]["customer"].pop("include"))
    with pytest.raises(DataError, match="input 'customer' that comes with the rows"):
        spoiled.score()


def test_a_model_that_returns_another_type_than_declared_is_refused(spoiled):
    """A probability must not be cut down to 0 in silence."""
    features = spoiled.rows[list(spoiled.shop.spec.features)]
    model = XGBRegressor(n_estimators=2).fit(features, spoiled.rows["spends"])
    raw = spoiled.package / "data/feature_store/raw_model"
    shutil.rmtree(raw)
    how_to_store(model, spoiled.shop.spec).save(
        model, raw, Schema([ColSpec("long")]), features.head(3)
    )
    with pytest.raises(DataError, match="predictions of type float64") as refused:
        spoiled.score()
    assert refused.value.rule == "ml02_prediction_dtype"


def test_repeated_feature_keys_are_refused_and_nothing_is_left(spoiled):
    twice = pa.table({"customer": ["c00", "c00"], "age": [1.0, 2.0]})
    platform = spoiled.shop.platform
    store(platform, feature_layout(spoiled.shop.spec.feature_tables[1]), twice)
    with pytest.raises(DataError, match=r"c00 \(2 rows\)"):
        spoiled.score()
    assert not platform.tables.info(LAYOUT.name).exists
    assert not list(platform.tables.path(LAYOUT.name).rglob("*.parquet"))
    assert not list(platform.home.glob(".scratch-*"))


ACTIVITY = "shop.features.activity"


@dataclass
class Spoiled:
    """Tables and a package that the test may spoil."""

    shop: Shop
    rows: pd.DataFrame
    package: Path

    def score(self):
        spec = self.shop.spec
        names = {t.table: t.name for t in spec.feature_tables}
        scores = scoring.Scoring(
            self.shop.platform.tables, self.package, names, spec.label_keys, {}
        )
        staged = scores.stage(self.shop.keys(self.rows[KEYS]), LAYOUT)
        return pq.read_table(staged.folder).to_pandas().sort_values(KEYS, ignore_index=True)

    def edit(self, change):
        path = self.package / "data/feature_store/feature_spec.yaml"
        document = yaml.safe_load(path.read_text())
        change(document)
        path.write_text(yaml.safe_dump(document, sort_keys=False))


@pytest.fixture
def spoiled(trained, platform, tmp_path):
    """Tables of its own, and a copy of the numeric shop's package."""
    shop, rows, uri = trained["numbers"]
    stored = package_folder(shop.platform.tracking.store.client, uri)
    package = Path(shutil.copytree(stored, tmp_path / "package"))
    return Spoiled(make_shop(platform, strings=False), rows, package)
