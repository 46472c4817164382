"""Packaged models: what they say of themselves, and the scores of raw keys."""

from __future__ import annotations

import sys
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from xgboost import XGBClassifier

from ml_assets.platform import raw_models
from ml_assets.spec.catalog import TableLayout, feature_layout
from ml_assets.spec.errors import DataError
from ml_assets_tests.platform.contract.tables import rows_of, store
from ml_assets_tests.platform.shop import START, make_shop

KEYS = ["customer", "asked_at"]
LAYOUT = TableLayout("shop.predictions.spender")
CONSTANTS = {"model_version": 3, "scored_by": "it's me"}


class Trained:
    """A shop, the rows its model was fitted on, the model and its URI."""

    def __init__(self, platform, *, strings):
        self.shop = make_shop(platform, strings=strings)
        self.rows = self.shop.training_set()
        self.features = self.rows[list(self.shop.spec.features)]
        model = XGBClassifier(n_estimators=8, max_depth=3)
        if strings:
            encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
            columns = ColumnTransformer([("text", encoder, ["city"])], remainder="passthrough")
            model = Pipeline([("columns", columns), ("model", model)])
        else:
            self.features = self.features.astype("float64")
        self.model = model.fit(self.features, self.rows["spends"])
        self.uri = self.shop.log(model, self.features.head(3))

    def score(self, rows, constants=None):
        staged = self.shop.platform.features.stage_scores(
            self.shop.spec, self.shop.keys(rows), self.uri, LAYOUT, constants or {}
        )
        found = pd.DataFrame(rows_of(staged.frame), columns=staged.frame.columns)
        staged.discard()
        return found.sort_values(KEYS, ignore_index=True)


@pytest.fixture(scope="module", params=["numbers", "strings"])
def trained(request, lasting):
    """Parametrized over the module: each shop replaces the tables of the one before."""
    return Trained(lasting, strings=request.param == "strings")


def test_what_is_read_back_is_what_was_packaged(trained):
    spec = trained.shop.spec
    info = trained.shop.platform.features.package_info(trained.uri)
    types = {"amount": "double", "visits": "bigint", "city": "string", "age": "double"}
    assert info.uri == trained.uri
    assert info.flavor == ("sklearn" if "city" in spec.features else "xgboost")
    assert info.inputs == tuple((name, types[name]) for name in spec.features)
    assert info.outputs == ("long",)
    assert set(spec.features) <= set(info.signature_inputs)
    assert "spends" not in info.signature_inputs
    assert info.has_input_example
    assert any(r.startswith("xgboost==") for r in info.pip_requirements)


def test_predicts_as_the_fitted_model_did(trained):
    odd = trained.features.iloc[::-1].assign(unused=1)
    odd = odd[["unused", *reversed(trained.features.columns)]]
    odd.index = pd.Index([f"row {i}" for i in range(len(odd))])
    found = trained.shop.platform.features.predict(trained.uri, odd)
    assert found.dtype == np.dtype("int64")
    assert found.index.equals(odd.index)
    assert found.tolist() == trained.model.predict(trained.features)[::-1].tolist()
    assert set(found) == {0, 1}


def test_an_xgboost_package_is_loaded_where_there_is_no_skops(trained, monkeypatch):
    """ML runtimes bring no skops, and a model in XGBoost's own format needs none."""
    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    raw_models._load.cache_clear()
    if "city" in trained.shop.spec.features:  # scikit-learn's, which does
        with pytest.raises(ModuleNotFoundError, match="skops"):
            trained.shop.platform.features.predict(trained.uri, trained.features)
        return
    found = trained.shop.platform.features.predict(trained.uri, trained.features)
    assert list(found) == list(trained.model.predict(trained.features))


def test_raw_keys_get_the_predictions_that_training_gives(trained):
    expected = trained.rows.sort_values(KEYS, ignore_index=True)
    found = trained.score(trained.rows[KEYS].sample(frac=1.0, random_state=0))
    features = expected[list(trained.features.columns)]
    predicted = trained.shop.platform.features.predict(trained.uri, features)
    assert found["prediction"].tolist() == predicted.tolist()
    assert found["__as_of_activity"].tolist() == expected["__as_of_activity"].tolist()
    assert found["__matched_profile"].tolist() == expected["__matched_profile"].tolist()


def test_what_is_looked_up_is_what_training_saw(trained):
    rows = trained.rows.sort_values(KEYS, ignore_index=True).head(40)
    keys = trained.shop.keys(rows[KEYS])
    found = trained.shop.platform.features.look_up(trained.shop.spec, keys, trained.uri)
    assert list(found.columns) == [*KEYS, *trained.shop.spec.features]
    assert found["asked_at"].dt.tz is None
    found = found.sort_values(KEYS, ignore_index=True)
    numbers = [c for c in trained.features.columns if c != "city"]
    assert (found[numbers].dtypes == "float64").all()
    pd.testing.assert_frame_equal(found[numbers], rows[numbers].astype("float64"))
    if "city" in rows:
        assert found["city"].tolist() == rows["city"].tolist()


def test_columns_and_types_of_scores(trained):
    keys = trained.shop.keys(trained.rows[KEYS].head(5))
    staged = trained.shop.platform.features.stage_scores(
        trained.shop.spec, keys, trained.uri, LAYOUT, CONSTANTS
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
    stored = rows_of(trained.shop.platform.tables.read(LAYOUT.name))
    assert {(r["model_version"], r["scored_by"]) for r in stored} == {(3, "it's me")}
    assert len(stored) == 5


def test_no_keys_give_no_rows(trained):
    none = trained.shop.keys(trained.rows[KEYS]).where("customer = 'nobody'")
    staged = trained.shop.platform.features.stage_scores(
        trained.shop.spec, none, trained.uri, LAYOUT, CONSTANTS
    )
    assert staged.frame.columns[2:4] == ["prediction", "model_version"]
    assert staged.frame.count() == 0
    staged.discard()


def test_keys_that_find_nothing_are_predicted_and_say_so(trained):
    nobody = pd.DataFrame(
        {"customer": ["nobody", "x"], "asked_at": [START + timedelta(days=4)] * 2}
    )
    found = trained.score(nobody)
    assert found["prediction"].notna().all()
    assert found["__as_of_activity"].isna().all()
    assert not found["__matched_profile"].any()


def test_equal_keys_are_scored_as_often_as_they_are_asked_for(trained):
    rows = trained.rows[KEYS].head(4)
    found = trained.score(pd.concat([rows] * 3, ignore_index=True))
    assert len(found) == 12
    assert set(found.groupby(KEYS)["prediction"].nunique()) == {1}


@pytest.mark.parametrize("added", ["prediction", "AGE", "Model_Version"])
def test_columns_that_scoring_writes_or_looks_up_are_refused(trained, added):
    with pytest.raises(DataError, match=f"columns {added}"):
        trained.score(trained.rows[KEYS].head(3).assign(**{added: 1.0}), {"model_version": 1})


def test_a_missing_key_is_named(trained):
    with pytest.raises(DataError, match="no column customer"):
        trained.score(trained.rows[["asked_at"]].head(3))


def test_key_types_must_be_the_stored_ones(trained):
    with pytest.raises(DataError, match="bigint"):
        trained.score(trained.rows[KEYS].head(3).assign(customer=1))


def test_a_missing_input_is_named(trained):
    with pytest.raises(DataError, match="no column visits") as refused:
        trained.shop.platform.features.predict(trained.uri, trained.features.drop(columns="visits"))
    assert refused.value.rule == "ml02_inputs_match_features"


def test_a_registered_version_and_its_alias_lead_to_the_same_package(trained):
    platform, name = trained.shop.platform, trained.shop.spec.registered_model
    run_id = platform.registry.store.client.get_logged_model(
        trained.uri.removeprefix("models:/")
    ).source_run_id
    version = platform.registry.register(name, model_uri=trained.uri, run_id=run_id, tags={})
    platform.registry.set_alias(name, "champion", version)
    uri = platform.registry.uri(name, "champion")
    inputs = platform.features.package_info(trained.uri).inputs
    assert platform.features.package_info(uri).inputs == inputs
    trained.uri, before = uri, trained.uri
    scored = trained.score(trained.rows[KEYS].head(9))
    trained.uri = before
    assert (
        scored["prediction"].tolist()
        == trained.score(trained.rows[KEYS].head(9))["prediction"].tolist()
    )


@pytest.mark.parametrize(
    "uri", ["models:/m-0123456789", "models:/a.b.c/1", "models:/a.b.c@champion"]
)
def test_an_unknown_model_is_named(trained, uri):
    with pytest.raises(DataError, match=uri):
        trained.shop.platform.features.package_info(uri)


def test_other_numbers_are_scored_and_a_text_for_a_number_is_refused(trained):
    table = trained.shop.spec.feature_tables[1]
    layout, platform = feature_layout(table), trained.shop.platform
    stored, before = rows_of(platform.tables.read(table.table)), trained.score(trained.rows[KEYS])
    names, ages = [r["customer"] for r in stored], [r["age"] for r in stored]
    try:
        whole = pa.array([int(age) for age in ages], pa.int32())
        store(platform, layout, pa.table({"customer": names, "age": whole}))
        assert trained.score(trained.rows[KEYS])["prediction"].equals(before["prediction"])

        store(platform, layout, pa.table({"customer": names, "age": [str(a) for a in ages]}))
        with pytest.raises(DataError, match="age is string, was double") as refused:
            trained.score(trained.rows[KEYS])
        assert refused.value.rule == "ml02_inputs_match_features"
    finally:
        store(platform, layout, pa.Table.from_pylist(stored))


def test_the_packages_lookups_see_the_tables_as_they_are(trained):
    """The last of these tests: it replaces a table."""
    table = trained.shop.spec.feature_tables[1]
    stored = rows_of(trained.shop.platform.tables.read(table.table))
    store(
        trained.shop.platform,
        feature_layout(table),
        pa.table({"customer": ["c00"], "age": pa.array([99.0], pa.float64())}),
    )
    found = trained.score(trained.rows[KEYS])
    assert set(found[found["__matched_profile"]]["customer"]) == {"c00"}
    keys = trained.shop.keys(trained.rows.query("customer == 'c00'")[KEYS])
    looked_up = trained.shop.platform.features.look_up(trained.shop.spec, keys, trained.uri)
    assert set(looked_up["age"]) == {99.0}
    store(trained.shop.platform, feature_layout(table), pa.Table.from_pylist(stored))
