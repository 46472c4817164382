"""Training on several workers gives an ordinary model: like the one of one node, scored like any."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pydantic import ValidationError

from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.spec.errors import TrainingError
from ml_assets.steps.handles import RunHandle, TableHandle
from ml_assets.steps.serving.replay import REPLAY_FILE
from ml_assets.steps.train_model import HOLDOUT_FILE
from ml_assets_tests import tiny
from ml_assets_tests.jvm import needs_java, run_module
from ml_assets_tests.steps.helpers import red, run_steps

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.handles import Handle
    from ml_assets_tests.steps.conftest import Shop

WORKERS = {"distributed": {"num_workers": 2}}


def classifier(**estimator: Any) -> ModelSpec:
    """The tiny classifier, whose feature ``city`` is a string."""
    return tiny.spec(estimator={**tiny.mapping()["estimator"], **estimator})


def regressor(**estimator: Any) -> ModelSpec:
    """The tiny regressor, with numbers only."""
    mapping = tiny.regression_mapping()
    table = mapping["feature_tables"][0]
    table |= {"table": "shop.features.numbers", "transform": ".steps.test_regression.without_city"}
    del table["columns"]["city"]
    return tiny.regression(
        feature_tables=mapping["feature_tables"], estimator={**mapping["estimator"], **estimator}
    )


def levels(**estimator: Any) -> ModelSpec:
    """The tiny multi-class model."""
    return tiny.multiclass(estimator={**tiny.multiclass_mapping()["estimator"], **estimator})


def chance(**estimator: Any) -> ModelSpec:
    """The tiny probability, asked of the classifier's own training set."""
    label, training_set = tiny.mapping()["label"], tiny.mapping()["training_set"]
    given = {**tiny.mapping()["estimator"], **estimator}
    return tiny.probability(estimator=given, label=label, training_set=training_set)


@dataclass(frozen=True)
class Trained:
    """Trained on one node (``here``) and on two workers of JVM Spark, from the same training set."""

    platform: EmbeddedPlatform
    handles: dict[str, dict[str, Handle]]
    here: dict[str, RunHandle]
    there: dict[str, dict[str, Any]]

    def workers(self, name: str) -> RunHandle:
        assert self.there[name].get("red") == [], self.there[name]
        return RunHandle.from_metadata(self.there[name]["handle"])

    def evidence(self, handle: RunHandle, file: str = HOLDOUT_FILE) -> pd.DataFrame:
        return pd.read_parquet(self.platform.tracking.download(handle.run_id, file))


TASKS: dict[str, ModelSpec] = {
    "classifier": classifier(**WORKERS),
    "again": classifier(**WORKERS),
    "regressor": regressor(**WORKERS),
    "levels": levels(**WORKERS),
    "chance": chance(**WORKERS),
    "too many": classifier(distributed={"num_workers": 3}),
    "parameter": classifier(params={"tree_method": "exact"}, **WORKERS),
}
ON_ONE_NODE = {
    "classifier": classifier(),
    "regressor": regressor(),
    "levels": levels(),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Trained:
    platform = EmbeddedPlatform(home=tmp_path_factory.mktemp("workers"), spark=spark)
    handles: dict[str, dict[str, Handle]] = {}
    here: dict[str, RunHandle] = {}
    for name, spec in ON_ONE_NODE.items():
        outcomes = run_steps(spec, platform, until="trained_model")
        made = {a: o.handle for a, o in outcomes.items() if o.handle is not None}
        run = made.pop("trained_model")
        assert isinstance(run, RunHandle)
        here[name], handles[name] = run, made
    there = train_on_workers(platform, handles)
    return Trained(platform, handles, here, there)


def train_on_workers(
    platform: EmbeddedPlatform, handles: dict[str, dict[str, Handle]]
) -> dict[str, dict[str, Any]]:
    tasks = []
    for name, spec in TASKS.items():
        handle = handles[name if name in ON_ONE_NODE else "classifier"]["training_set"]
        assert isinstance(handle, TableHandle)
        declared = spec.model_dump(mode="json", by_alias=True)
        tasks.append({"spec": declared, "training_set": handle.to_metadata()})
    out = platform.home / "trained.json"
    given = json.dumps({"home": str(platform.home), "tasks": tasks})
    run_module("ml_assets_tests.steps.train_on_jvm", str(out), given=given)
    return dict(zip(TASKS, json.loads(out.read_text(encoding="utf-8")), strict=True))


@needs_java
@pytest.mark.slow
class TestOnApacheSpark:
    @pytest.mark.parametrize(
        ("name", "column"),
        [
            ("classifier", "probability"),
            ("regressor", "prediction"),
            ("levels", "probability_0"),
            ("levels", "probability_2"),
        ],
    )
    def test_the_model_predicts_as_the_one_of_one_node(
        self, trained: Trained, name: str, column: str
    ) -> None:
        assert trained.here[name].run_id != trained.workers(name).run_id
        one = trained.evidence(trained.here[name])
        two = trained.evidence(trained.workers(name))
        keys = ["customer", "asked_at"]
        both = one.merge(two, on=keys, suffixes=("_one", "_two"))
        assert len(both) == len(one) == len(two)
        difference = (both[f"{column}_one"] - both[f"{column}_two"]).abs()
        # So few rows are cut into the same bins by any number of workers.
        assert difference.max() < 1e-3 * both[f"{column}_one"].std()

    def test_a_probability_is_what_the_classifier_on_the_workers_says(
        self, trained: Trained
    ) -> None:
        """The same trees, in a model whose prediction is the probability."""
        classes, numbers = (trained.evidence(trained.workers(n)) for n in ("classifier", "chance"))
        assert numbers["prediction"].tolist() == numbers["probability"].tolist()
        assert numbers["probability"].tolist() == pytest.approx(classes["probability"].tolist())
        package = trained.platform.features.package_info(trained.workers("chance").model_uri)
        assert package.outputs == ("double",)

    def test_the_same_rows_give_the_same_model(self, trained: Trained) -> None:
        first, second = (trained.evidence(trained.workers(n)) for n in ("classifier", "again"))
        pd.testing.assert_frame_equal(first, second)

    @pytest.mark.parametrize("name", ["classifier", "regressor", "levels"])
    def test_no_training_rows_come_to_the_driver(self, trained: Trained, name: str) -> None:
        metrics = trained.platform.tracking.info(trained.workers(name).run_id).metrics
        here = trained.platform.tracking.info(trained.here[name].run_id).metrics
        assert {k: metrics[k] for k in ("train_rows", "holdout_rows")} == {
            "train_rows": 640,
            "holdout_rows": 320,
        }
        assert metrics["baseline_" + next(iter(TASKS[name].gates))] == pytest.approx(
            here["baseline_" + next(iter(TASKS[name].gates))]
        )
        # The only training rows are those of the control with shuffled labels: a bounded sample.
        *others, control = sorted(trained.there[name]["collected"])
        assert (max(others), control) == (metrics["holdout_rows"], metrics["control_train_rows"])

    @pytest.mark.parametrize(
        ("name", "flavor"), [("classifier", "sklearn"), ("regressor", "xgboost")]
    )
    def test_the_package_holds_the_same_files(
        self, trained: Trained, name: str, flavor: str
    ) -> None:
        one, two = trained.here[name], trained.workers(name)
        packages = [trained.platform.features.package_info(h.model_uri) for h in (one, two)]
        assert [p.flavor for p in packages] == [flavor, flavor]
        assert packages[0].inputs == packages[1].inputs
        assert packages[0].outputs == packages[1].outputs == (TASKS[name].output_type,)
        files = [_files(trained.platform, h) for h in (one, two)]
        assert files[0] == files[1]

    def test_the_levels_have_the_codes_of_one_node(self, trained: Trained) -> None:
        sample = trained.evidence(trained.here["classifier"], REPLAY_FILE)
        encoded = []
        for handle in (trained.here["classifier"], trained.workers("classifier")):
            columns = _raw(trained.platform, handle).named_steps["columns"]
            assert columns.get_feature_names_out().tolist() == ["city", "amount", "visits", "age"]
            strange = sample.assign(city=["Atlantis", None, *sample["city"][2:]])
            encoded.append(columns.transform(strange[list(TASKS["classifier"].features)]))
        pd.testing.assert_frame_equal(*map(pd.DataFrame, encoded))
        assert set(encoded[0][2:, 0]) == {0.0, 1.0, 2.0}

    @pytest.mark.parametrize("name", ["classifier", "regressor"])
    def test_it_is_promoted_and_scores_raw_keys_as_it_did_in_training(
        self, trained: Trained, name: str
    ) -> None:
        handles = {**trained.handles[name], "trained_model": trained.workers(name)}
        outcomes = run_steps(TASKS[name], trained.platform, handles=handles)
        assert list(outcomes) == ["model_version", "predictions"]
        assert [red(o.verdicts) for o in outcomes.values()] == [[], []]
        replayed = {v.check: v.numbers for v in outcomes["model_version"].verdicts}
        numbers = replayed["ml03_score_replay"]
        assert (numbers["rows"], numbers["different"], numbers["max_difference"]) == (320, 0, 0.0)

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("too many", ["estimator.distributed.num_workers", "3 workers on 2 task slots"]),
            ("parameter", ["xgboost.spark.SparkXGBClassifier with 2 workers", "`exact` tree"]),
        ],
    )
    def test_what_cannot_be_trained_says_why(
        self, trained: Trained, name: str, words: list[str]
    ) -> None:
        assert [w for w in words if w not in trained.there[name]["error"]] == []


def _package(platform: EmbeddedPlatform, handle: RunHandle) -> Path:
    from ml_assets.platform.embedded.packages import package_folder

    return package_folder(platform.tracking.store.client, handle.model_uri)


def _files(platform: EmbeddedPlatform, handle: RunHandle) -> list[str]:
    package = _package(platform, handle)
    return sorted(str(p.relative_to(package)) for p in package.rglob("*") if p.is_file())


def _raw(platform: EmbeddedPlatform, handle: RunHandle) -> Any:
    from ml_assets.platform.raw_models import load_model

    return load_model(_package(platform, handle)).model


def test_spark_connect_is_refused_before_anything_is_trained(shop: Shop) -> None:
    handles = {a: h for a, h in shop.handles.items() if a not in LAST}
    client = shop.platform.tracking.store.client
    runs = len(client.search_runs(["1"]))
    with pytest.raises(TrainingError, match="a Spark Connect session") as caught:
        run_steps(TASKS["classifier"], shop.platform, handles=handles)
    assert caught.value.where == "estimator.distributed"
    assert "barrier tasks" in caught.value.expected
    assert "remove estimator.distributed" in caught.value.fix
    assert len(client.search_runs(["1"])) == runs > 0


LAST = ("trained_model", "model_version", "predictions")

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"class": "sklearn.linear_model.LogisticRegression"}, "estimator.distributed", "declare class: xgboost.XGBClassifier, or remove distributed"),
    ({"class": "xgboost.XGBRFClassifier"}, "estimator.distributed", "declare class: xgboost.XGBClassifier, or remove distributed"),
    ({"encoding": "one_hot"}, "estimator.encoding", "remove encoding, or remove distributed"),
    ({"distributed": {"num_workers": 0}}, "estimator.distributed.num_workers", "a number not below 1"),
    ({"distributed": {"num_workers": True}}, "estimator.distributed.num_workers", "a number"),
    ({"distributed": {}}, "estimator.distributed.num_workers", "add num_workers: 4"),
    ({"distributed": {"workers": 2}}, "estimator.distributed.workers", "num_workers"),
]  # fmt: skip


@pytest.mark.parametrize(("estimator", "place", "words"), REFUSED)
def test_what_cannot_be_distributed_is_an_error_of_the_declaration(
    estimator: dict[str, Any], place: str, words: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        classifier(**{**WORKERS, **estimator})
    found = {".".join(map(str, e["loc"])): e["ctx"] for e in caught.value.errors()}
    assert words in " ".join(str(text) for text in found[place].values())


@pytest.mark.parametrize("path", ["xgboost.XGBClassifier", "xgboost.sklearn.XGBClassifier", None])
def test_xgboost_s_own_classifier_can_be_distributed(path: str | None) -> None:
    spec = classifier(**{**WORKERS, "class": path})
    assert spec.estimator.distributed is not None
    assert spec.estimator.distributed.num_workers == 2
    assert spec.hash != classifier(**{"class": path}).hash
