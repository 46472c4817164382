"""Packaged models: what is in the files, what is read back, what they predict, what is refused."""

from __future__ import annotations

import json

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.models import Model
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder
from xgboost import XGBClassifier

from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.platform.embedded.packages import package_folder
from ml_assets.platform.package_layout import FeatureSpec, read_feature_spec, read_package
from ml_assets.spec.errors import DataError, TrainingError
from ml_assets_tests.platform.shop import make_shop, store

NUMBERS = ["amount", "visits", "age"]
WITH_TEXT = ["amount", "visits", "city", "age"]


@pytest.fixture(scope="module")
def shops(tmp_path_factory, spark):
    """One shop with numbers only, one with a string feature; MLflow's database is made once each."""
    made = {}
    for name, strings in (("numbers", False), ("strings", True)):
        home = tmp_path_factory.mktemp(name) / "it's a home"
        made[name] = make_shop(EmbeddedPlatform(home=home, spark=spark), strings=strings)
    return made


@pytest.fixture(scope="module")
def numeric(shops):
    """A packaged XGBoost model, its URI, and the rows it was fitted on."""
    rows = shops["numbers"].training_set()
    features = rows[NUMBERS].astype("float64")
    model = XGBClassifier(n_estimators=8, max_depth=3).fit(features, rows["spends"])
    return model, shops["numbers"].log(model, features.head(3)), features


@pytest.fixture(scope="module")
def mixed(shops):
    """A packaged pipeline that encodes a string, its URI, and the rows it was fitted on."""
    rows = shops["strings"].training_set()
    features = rows[WITH_TEXT]
    model = encoded(XGBClassifier(n_estimators=8, max_depth=3)).fit(features, rows["spends"])
    return model, shops["strings"].log(model, features.head(3)), features


def encoded(estimator, extra=None):
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    )
    steps = [("text", encoder, ["city"])]
    if extra is not None:
        steps.append(("extra", extra, ["age"]))
    return Pipeline(
        [("columns", ColumnTransformer(steps, remainder="passthrough")), ("m", estimator)]
    )


def folder_of(shop, uri):
    return package_folder(shop.platform.tracking.store.client, uri)


def test_the_files_are_where_databricks_puts_them(shops, numeric):
    package = folder_of(shops["numbers"], numeric[1])
    files = {str(p.relative_to(package)) for p in package.rglob("*") if p.is_file()}
    assert {
        "MLmodel",
        "requirements.txt",
        "data/feature_store/feature_spec.yaml",
        "data/feature_store/raw_model/MLmodel",
        "data/feature_store/raw_model/model.ubj",
        "data/feature_store/raw_model/input_example.json",
    } <= files
    assert not [f for f in files if f.endswith((".pkl", ".pickle", ".joblib"))]
    outer = yaml.safe_load((package / "MLmodel").read_text())
    flavor = outer["flavors"]["python_function"]
    assert flavor["loader_module"] == "databricks.feature_store.mlflow_model"
    assert flavor["data"] == "data/feature_store"


def test_the_lookups_as_databricks_writes_them(shops, numeric):
    package = folder_of(shops["numbers"], numeric[1])
    text = (package / "data/feature_store/feature_spec.yaml").read_text()
    stored = yaml.safe_load(text)
    key = {"include": False, "topological_ordering": 0, "source": "training_data"}
    looked_up = {"topological_ordering": 1, "source": "feature_store", "lookup_key": ["customer"]}
    dated = {
        **looked_up,
        "table_name": "shop.features.activity",
        "timestamp_lookup_key": ["asked_at"],
    }
    static = {**looked_up, "table_name": "shop.features.profile"}
    assert stored["input_columns"] == [
        {"customer": {"data_type": "string", **key}},
        {"asked_at": {"data_type": "timestamp", **key}},
        {"amount": {"feature_name": "amount", "data_type": "double", **dated}},
        {"visits": {"feature_name": "visits", "data_type": "bigint", **dated}},
        {"age": {"feature_name": "age", "data_type": "double", **static}},
    ]
    tables = {name: entry for t in stored["input_tables"] for name, entry in t.items()}
    assert tables["shop.features.activity"]["lookback_window"] == 3 * 24 * 3600
    assert "lookback_window" not in tables["shop.features.profile"]
    assert all(len(entry["table_id"]) == 36 for entry in tables.values())
    assert stored["serialization_version"] == 11
    assert read_feature_spec(package).to_text() == text


def test_a_document_of_the_real_client_is_understood():
    text = """
input_columns:
- k: {data_type: bigint, include: false, topological_ordering: 0, source: training_data}
- z: {data_type: double, topological_ordering: 0, source: training_data}
- mean_x: {table_name: ml.feat.t, feature_name: x, lookup_key: [k], timestamp_lookup_key: [ts], data_type: double, topological_ordering: 1, source: feature_store}
workspace_id: '0'
feature_store_client_version: 0.18.2
input_tables:
- ml.feat.t: {table_id: 0d668e79, lookback_window: 0.5}
serialization_version: 11
"""
    spec = FeatureSpec.from_text(text, where="here")
    assert [c.name for c in spec.inputs] == ["z", "mean_x"]
    assert (spec.inputs[1].feature, spec.inputs[1].as_of) == ("x", "ts")
    assert spec.tables["ml.feat.t"].lookback == 0.5


@pytest.mark.parametrize(
    "text",
    ["", "input_columns: 3", "input_columns: [{a: {source: elsewhere, data_type: int}}]", "a: ["],
)
def test_a_broken_document_is_named(text):
    with pytest.raises(DataError, match="here"):
        FeatureSpec.from_text(text, where="here")


def test_what_is_read_back_is_what_the_files_say(shops, numeric):
    store_ = shops["numbers"].platform.features
    info = store_.package_info(numeric[1])
    assert info.uri == numeric[1]
    assert info.flavor == "xgboost"
    assert info.inputs == (("amount", "double"), ("visits", "bigint"), ("age", "double"))
    assert info.outputs == ("long",)
    assert info.signature_inputs == ("customer", "asked_at", *NUMBERS)
    assert info.has_input_example


def test_a_package_without_signature_or_example_says_so(shops, numeric, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(folder_of(shops["numbers"], numeric[1]), copy)
    for path in (copy / "MLmodel", copy / "data/feature_store/raw_model/MLmodel"):
        content = yaml.safe_load(path.read_text())
        content.pop("signature")
        content["flavors"].pop("xgboost", None)
        path.write_text(yaml.safe_dump(content))
    (copy / "data/feature_store/raw_model/input_example.json").unlink()
    info = read_package(copy, "copy")
    assert (info.outputs, info.signature_inputs, info.flavor) == ((), (), None)
    assert not info.has_input_example


def test_requirements_are_exact_and_name_xgboost_whatever_the_wheel_is_called(shops, numeric):
    import sklearn
    import xgboost

    stored = shops["numbers"].platform.features.package_info(numeric[1]).pip_requirements
    assert f"xgboost=={xgboost.__version__}" in stored
    assert f"scikit-learn=={sklearn.__version__}" in stored
    assert f"mlflow=={mlflow.__version__}" in stored
    assert all("==" in requirement for requirement in stored)
    assert not [r for r in stored if r.startswith("xgboost-cpu")]


def test_mlflow_reads_the_signature_and_loads_the_model_inside(shops, mixed):
    package = folder_of(shops["strings"], mixed[1])
    signature = Model.load(str(package)).signature
    required = {i.name: i.required for i in signature.inputs.inputs}
    assert required == {"customer": True, "asked_at": True, **dict.fromkeys(WITH_TEXT, False)}
    raw = mlflow.pyfunc.load_model(str(package / "data/feature_store/raw_model"))
    model, _, features = mixed
    assert (raw.predict(features) == model.predict(features)).all()


def test_a_stored_run_shows_its_model(shops, numeric):
    client = shops["numbers"].platform.tracking.store.client
    logged = client.get_logged_model(numeric[1].removeprefix("models:/"))
    assert str(logged.status) == "READY"
    run = client.get_run(logged.source_run_id)
    assert [m.model_id for m in run.outputs.model_outputs] == [logged.model_id]


@pytest.mark.parametrize("kind", ["numeric", "mixed"])
def test_predicts_as_the_fitted_model_did(shops, kind, request):
    model, uri, features = request.getfixturevalue(kind)
    shop = shops["numbers" if kind == "numeric" else "strings"]
    odd = features.iloc[::-1].assign(unused=1)[["unused", *reversed(features.columns)]]
    odd.index = pd.Index([f"row {i}" for i in range(len(odd))])
    found = shop.platform.features.predict(uri, odd)
    assert found.dtype == np.dtype("int64")
    assert found.index.equals(odd.index)
    assert found.tolist() == model.predict(features)[::-1].tolist()
    assert set(found) == {0, 1}


def test_rows_without_a_match_are_predicted_too(shops, mixed):
    model, uri, features = mixed
    empty = pd.DataFrame(
        {"amount": [None], "visits": pd.array([pd.NA], "Int64"), "city": [None], "age": [np.nan]}
    )
    nothing = pd.DataFrame(
        {
            "amount": [np.nan],
            "visits": [np.nan],
            "city": pd.Series([None], dtype=object),
            "age": [np.nan],
        }
    )
    found = shops["strings"].platform.features.predict(uri, empty)
    assert found.tolist() == model.predict(nothing[features.columns]).tolist()


@pytest.mark.parametrize(
    "estimator",
    [RandomForestClassifier(n_estimators=3), HistGradientBoostingClassifier(max_iter=3)],
    ids=lambda e: type(e).__name__,
)
def test_scikit_learns_own_estimators_are_stored_without_pickle(shops, mixed, estimator):
    _, _, features = mixed
    labels = (features["amount"] > 8).astype("int64")
    complete = features.fillna({"age": 0.0})
    model = encoded(estimator).fit(complete, labels)
    uri = shops["strings"].log(model, complete.head(3))
    assert shops["strings"].platform.features.package_info(uri).flavor == "sklearn"
    found = shops["strings"].platform.features.predict(uri, complete)
    assert found.tolist() == model.predict(complete).tolist()


def doubled(values):
    return values * 2


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (
            lambda: encoded(KNeighborsClassifier(algorithm="kd_tree")),
            "sklearn.neighbors._kd_tree.KDTree",
        ),
        (lambda: encoded(XGBClassifier(n_estimators=2), FunctionTransformer(doubled)), "doubled"),
        (
            lambda: encoded(XGBClassifier(n_estimators=2), FunctionTransformer(lambda v: v)),
            "<lambda>",
        ),
    ],
    ids=["unknown type", "own function", "lambda"],
)
def test_what_would_need_a_pickle_is_refused_and_nothing_is_stored(shops, mixed, make, named):
    shop, features = shops["strings"], mixed[2].fillna({"age": 0.0})
    model = make().fit(features, (features["amount"] > 8).astype("int64"))
    client = shop.platform.tracking.store.client
    experiment = client.get_experiment_by_name("/Shared/shop").experiment_id
    before = len(client.search_logged_models([experiment]))
    with pytest.raises(TrainingError, match=named) as refused:
        shop.log(model, features.head(3))
    assert "custom functions" in refused.value.fix
    assert len(client.search_logged_models([experiment])) == before


def test_what_cannot_be_stored_at_all_is_refused_too(shops, mixed):
    features = mixed[2]
    model = encoded(XGBClassifier(n_estimators=2)).fit(features, features["amount"] > 8)
    model.rest = (row for row in [])
    with pytest.raises(TrainingError, match="skops cannot store it"):
        shops["strings"].log(model, features.head(3))


def test_a_package_that_could_not_be_stored_is_marked_failed(shops, numeric, monkeypatch):
    shop = shops["numbers"]
    client = shop.platform.tracking.store.client

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(client, "log_model_artifacts", full)
    with pytest.raises(OSError, match="No space left"):
        shop.log(numeric[0], numeric[2].head(3))
    experiment = client.get_experiment_by_name("/Shared/shop").experiment_id
    statuses = [str(m.status) for m in client.search_logged_models([experiment])]
    assert statuses.count("FAILED") == 1


def test_a_model_stored_as_a_pickle_is_never_loaded(shops, mixed, tmp_path):
    import shutil

    from ml_assets.platform.raw_models import load_model

    copy = tmp_path / "copy"
    shutil.copytree(folder_of(shops["strings"], mixed[1]), copy)
    raw = copy / "data/feature_store/raw_model/MLmodel"
    content = yaml.safe_load(raw.read_text())
    content["flavors"]["sklearn"]["serialization_format"] = "cloudpickle"
    raw.write_text(yaml.safe_dump(content))
    with pytest.raises(DataError, match="cloudpickle") as refused:
        load_model(copy)
    assert "loading a pickle runs whatever code is in it" in refused.value.fix


def test_the_packages_own_list_of_trusted_types_does_not_count(shops, tmp_path):
    """A crafted package cannot talk us into loading a class."""
    import shutil

    import skops.io

    from ml_assets.platform.raw_models import load_model

    shop = shops["strings"]
    rows = shop.training_set()
    model = encoded(XGBClassifier(n_estimators=2)).fit(rows[WITH_TEXT], rows["spends"])
    package = folder_of(shop, shop.log(model, rows[WITH_TEXT].head(3)))
    copy = tmp_path / "copy"
    shutil.copytree(package, copy)
    raw = copy / "data/feature_store/raw_model"
    knn = KNeighborsClassifier(algorithm="kd_tree").fit([[0.0], [1.0]], [0, 1])
    skops.io.dump(knn, raw / "model.skops")
    content = yaml.safe_load((raw / "MLmodel").read_text())
    content["flavors"]["sklearn"]["skops_trusted_types"] = skops.io.get_untrusted_types(
        file=raw / "model.skops"
    )
    (raw / "MLmodel").write_text(yaml.safe_dump(content))
    with pytest.raises(DataError, match="KDTree"):
        load_model(copy)


def test_a_registered_version_and_its_alias_lead_to_the_same_files(shops, numeric):
    shop = shops["numbers"]
    client = shop.platform.tracking.store.client
    run_id = client.get_logged_model(numeric[1].removeprefix("models:/")).source_run_id
    registry, name = shop.platform.registry, shop.spec.registered_model
    version = registry.register(name, model_uri=numeric[1], run_id=run_id, tags={})
    registry.set_alias(name, "champion", version)
    expected = folder_of(shop, numeric[1])
    assert folder_of(shop, registry.uri(name, version)) == expected
    assert folder_of(shop, registry.uri(name, "champion")) == expected


@pytest.mark.parametrize(
    "uri", ["models:/m-0123456789", "models:/a.b.c/1", "models:/a.b.c@champion", "/nowhere"]
)
def test_an_unknown_model_is_named(shops, uri):
    with pytest.raises(DataError, match=uri):
        shops["numbers"].platform.features.package_info(uri)


def test_a_feature_of_an_unusable_type_is_refused_before_anything_is_logged(
    shops, numeric, tmp_path, spark
):
    import pyarrow as pa

    from ml_assets.spec.catalog import feature_layout

    shop = make_shop(EmbeddedPlatform(home=tmp_path, spark=spark), strings=False)
    table = shop.spec.feature_tables[1]
    lists = pa.table({"customer": ["c00"], "age": [[1.0, 2.0]]})
    store(shop.platform, feature_layout(table), lists)
    with pytest.raises(DataError, match=r"array<double>") as refused:
        shop.log(numeric[0], numeric[2].head(3))
    assert "'age'" in refused.value.where


def test_the_input_example_is_stored_as_the_model_receives_it(shops, mixed):
    package = folder_of(shops["strings"], mixed[1])
    stored = json.loads((package / "data/feature_store/raw_model/input_example.json").read_text())
    assert stored["columns"] == WITH_TEXT
    assert len(stored["data"]) == 3
