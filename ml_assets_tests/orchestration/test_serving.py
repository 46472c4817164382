"""``ml-assets promote``, ``rollback``, ``champion`` and ``history``: what they say, do and return."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
import yaml

from ml_assets import cli
from ml_assets.orchestration.serving import desk as serving
from ml_assets.platform import mlflow_store
from ml_assets.platform.databricks.registry import DatabricksRegistry
from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.spec.loader import COMPONENT
from ml_assets_tests import tiny
from ml_assets_tests.emulator.fixtures import (  # noqa: F401 - fixtures
    databricks_variables,
    emulator,
    task_environments,
)
from ml_assets_tests.strict_registry import StrictClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ml_assets.platform.protocol import Registry

MODEL, NAME = "shop/spender", "shop.models.spender"


@dataclass(frozen=True)
class Place:
    """Three versions: the first champion, its refused challenger, and one that passed."""

    registry: Registry
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> tuple[int, str]:
        code = cli.main(arguments)
        captured = self.capsys.readouterr()
        return code, captured.out + captured.err

    @property
    def aliases(self) -> tuple[int | None, int | None]:
        return self.registry.version_of(NAME, "champion"), self.registry.version_of(
            NAME, "challenger"
        )


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database, made once."""
    home = tmp_path_factory.mktemp("template") / "home"
    assert EmbeddedPlatform(home).registry.versions(NAME) == ()
    return home


@pytest.fixture(autouse=True)
def _declared(
    home: Path, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    shutil.copytree(template, home)
    folder = tmp_path / "defs/shop/spender"
    folder.mkdir(parents=True)
    attributes = {k: v for k, v in tiny.mapping().items() if k != "package"}
    text = json.dumps(attributes).replace('".tiny.', '"ml_assets_tests.tiny.')
    declared = {"type": COMPONENT, "attributes": json.loads(text)}
    (folder / "defs.yaml").write_text(yaml.safe_dump(declared))
    monkeypatch.setattr(serving, "DEFS", tmp_path / "defs")
    monkeypatch.setenv("ML_ASSETS_USER", "ann")

    def no_engine() -> Any:
        raise AssertionError("a registry needs no Spark")

    monkeypatch.setattr("ml_assets.platform.embedded.session.start_session", no_engine)
    monkeypatch.setattr("ml_assets.platform.databricks.session.job_session", no_engine)
    kept = dict(os.environ)
    yield
    # What borrows MLflow's global addresses gives the variables' values back as explicit ones.
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri("")
    os.environ.clear()
    os.environ.update(kept)


def register(platform: EmbeddedPlatform, registry: Registry, folder: Path) -> None:
    (folder / "MLmodel").write_text("flavors: {}\n")
    spec = tiny.spec()
    for gates, reasons, auc in (
        ("passed", "", 0.8),
        ("refused", "promotion_beats_champion: much worse", 0.6),
        ("passed", "", 0.9),
    ):
        with platform.tracking.run(spec.experiment("evaluation"), name="e", tags={}) as run:
            run.log_file(folder / "MLmodel", "model")
            run.log(metrics={"holdout_roc_auc": auc, "holdout_rows": 320})
        tags = {
            "ml_assets.name": spec.name,
            "ml_assets.gates": gates,
            "ml_assets.refused": reasons,
            "ml_assets.evaluation_run_id": run.run_id,
            "ml_assets.previous_champion": "",
        }
        uri = f"runs:/{run.run_id}/model"
        registry.register(NAME, model_uri=uri, run_id=run.run_id, tags=tags)
    registry.set_alias(NAME, "champion", 1)
    registry.set_alias(NAME, "challenger", 2)


@pytest.fixture
def embedded(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    platform = EmbeddedPlatform(home)
    register(platform, platform.registry, tmp_path)
    return Place(platform.registry, capsys)


@pytest.fixture
def databricks(
    home: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    databricks_variables: Any,  # noqa: F811 - a fixture
) -> Place:
    """A workspace that knows the user; its registry refuses what Unity Catalog refuses."""
    settings = tmp_path / "ml_assets.yaml"
    settings.write_text("databricks: {catalog: main, schema: ml, profile: ''}\n")
    uri = f"sqlite:///{home / 'mlflow.db'}"
    for name, value in (
        ("ML_ASSETS_PLATFORM", "databricks"),
        ("ML_ASSETS_CONFIG", str(settings)),
        ("MLFLOW_TRACKING_URI", uri),
        ("MLFLOW_REGISTRY_URI", uri),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ML_ASSETS_USER")
    platform = EmbeddedPlatform(home)
    plain = mlflow_store.plain_client
    monkeypatch.setattr(mlflow_store, "plain_client", lambda store: StrictClient(plain(store)))
    registry = DatabricksRegistry(platform.registry.store)
    register(platform, registry, tmp_path)
    return Place(registry, capsys)


@pytest.fixture(params=["embedded", "databricks"])
def place(request: pytest.FixtureRequest) -> Place:
    """Both platforms."""
    found: Place = request.getfixturevalue(request.param)
    return found


def test_a_promotion_says_what_it_did_and_what_to_do_now(place: Place) -> None:
    code, output = place.run("promote", MODEL, "--reason", "the new season")
    assert code == 0
    assert "the champion is version 3 now, it was version 1" in output
    assert "reason  the new season" in output
    assert "next: materialize predictions" in output
    assert place.aliases == (3, 1)


def test_a_refused_version_needs_force(place: Place) -> None:
    code, output = place.run("promote", MODEL, "--version", "2", "--reason", "a new law")
    assert code == 1
    assert "promotion_beats_champion: much worse" in output
    assert "--version 2 --force" in output
    assert place.aliases == (1, 2)
    code, output = place.run("promote", MODEL, "--version", "2", "--force", "--reason", "a new law")
    assert code == 0
    assert "it did not pass its gates" in output
    assert "execute the checks of model_version" in output
    assert place.aliases == (2, 1)
    tags = place.registry.tags(NAME, 2)
    assert tags["ml_assets.gates"] == "forced"
    assert tags["ml_assets.forced"].endswith(": a new law")


def test_a_version_that_predicts_something_else_needs_force(place: Place) -> None:
    place.registry.tag(NAME, 3, {"ml_assets.target": "regression"})
    code, output = place.run("promote", MODEL, "--reason", "the new season")
    assert (code, place.aliases) == (1, (1, 2))
    assert "regression; declared is binary_classification" in output
    assert "--version 3 --force" in output
    code, output = place.run("promote", MODEL, "--force", "--reason", "we will declare it")
    assert (code, place.aliases) == (0, (3, 1))
    assert "next: declare what it predicts" in output
    assert "predicts    something else" in place.run("champion", MODEL)[1]


def test_a_rollback_that_is_impossible_is_said_before_it_is_needed(place: Place) -> None:
    place.run("promote", MODEL, "--reason", "the new season")
    place.registry.tag(NAME, 1, {"ml_assets.target": "regression"})
    code, output = place.run("champion", MODEL)
    assert code == 0
    assert "rollback    impossible: version 1 predicts something else" in output
    code, output = place.run("rollback", MODEL, "--reason", "too many alarms")
    assert (code, place.aliases) == (1, (3, 1))
    assert "predicts something else" in output


def test_a_rollback_goes_back_and_is_listed(place: Place) -> None:
    place.run("promote", MODEL, "--reason", "the new season")
    code, output = place.run("rollback", MODEL, "--reason", "too many alarms")
    assert code == 0
    assert "the champion is version 1 now, it was version 3" in output
    assert place.aliases == (1, 3)
    code, output = place.run("rollback", MODEL, "--reason", "even more")
    assert code == 1
    assert "nothing to roll back to" in output
    code, output = place.run("history", MODEL)
    assert code == 0
    head, newest, older = output.splitlines()[-3:]
    assert head.split()[-4:] == ["version", "before", "who", "why"]
    assert "rolled back" in newest
    assert newest.split()[-6:-3] == ["1", "3", older.split()[-4]]
    assert newest.endswith("too many alarms")
    assert older.endswith("the new season")


def test_the_champion_is_described(place: Place) -> None:
    place.run("promote", MODEL, "--reason", "the new season")
    code, output = place.run("champion", MODEL)
    assert code == 0
    for words in (
        "shop/spender: shop.models.spender",
        "version 3, passed every gate",
        "UTC, by ",
        "the new season",
        "roc_auc 0.9000",
        "restores version 1",
        "challenger  version 1",
    ):
        assert words in output
    assert "/runs/" in output


def test_the_champion_of_the_registry_alone(place: Place) -> None:
    """Version 1 was promoted by something else: no deployment run, and the challenger's reasons."""
    _, output = place.run("champion", MODEL)
    assert "version 1, passed every gate" in output
    assert "since" not in output
    assert "challenger  version 2, refused: promotion_beats_champion: much worse" in output


def test_who_is_the_user_of_the_workspace(databricks: Place) -> None:
    databricks.run("promote", MODEL, "--reason", "the new season")
    _, output = databricks.run("history", MODEL)
    assert "someone@example.com" in output
    _, output = databricks.run("champion", MODEL)
    host = os.environ["DATABRICKS_HOST"]
    assert f"evaluation  {host}/ml/experiments/" in output


def test_nothing_changes_for_the_champion_itself(embedded: Place) -> None:
    code, output = embedded.run("promote", MODEL, "--version", "1", "--reason", "why not")
    assert (code, embedded.aliases) == (0, (1, 2))
    assert "is the champion already; nothing was changed" in output
    assert embedded.run("history", MODEL)[1].strip() == "shop/spender: nobody was promoted yet."


def test_a_refused_version_whose_alias_was_set_by_hand_needs_force_too(place: Place) -> None:
    place.registry.set_alias(NAME, "champion", 2)
    assert "version 2, REFUSED by its gates" in place.run("champion", MODEL)[1]
    code, output = place.run("promote", MODEL, "--version", "2", "--reason", "a new law")
    assert (code, "--version 2 --force" in output) == (1, True)
    code, output = place.run("promote", MODEL, "--version", "2", "--force", "--reason", "a new law")
    assert (code, "it did not pass its gates" in output) == (0, True)
    assert place.aliases == (2, None)
    assert place.registry.tags(NAME, 2)["ml_assets.gates"] == "forced"


def test_batches_of_scores_are_listed_when_asked_for(embedded: Place, home: Path) -> None:
    tags = {"ml_assets.action": "score", "ml_assets.model_version": "1"}
    tracking = EmbeddedPlatform(home).tracking
    with tracking.run(tiny.spec().experiment("deployment"), name="s", tags=tags):
        pass
    assert "nobody was promoted yet" in embedded.run("history", MODEL)[1]
    assert " scored " in embedded.run("history", MODEL, "--scoring")[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("champion", "shop/spendr"), "did you mean 'shop/spender'?"),
        (("promote", MODEL, "--version", "9", "--reason", "x"), "stored: 1, 2, 3"),
        (("promote", MODEL, "--reason", " "), "an empty reason"),
    ],
)
def test_errors_teach(embedded: Place, arguments: tuple[str, ...], words: str) -> None:
    code, output = embedded.run(*arguments)
    assert code == 1
    assert words in output


def test_a_reason_must_be_given(embedded: Place) -> None:
    for command in ("promote", "rollback"):
        with pytest.raises(SystemExit) as stopped:
            embedded.run(command, MODEL)
        assert stopped.value.code == 2
        assert "--reason" in embedded.capsys.readouterr().err


def test_no_events_can_not_be_asked_for(embedded: Place) -> None:
    with pytest.raises(SystemExit) as stopped:
        embedded.run("history", MODEL, "--most", "0")
    assert stopped.value.code == 2


def test_a_broken_declaration_is_shown_when_it_may_be_the_one(
    embedded: Place, tmp_path: Path
) -> None:
    other = tmp_path / "defs/shop/other"
    other.mkdir()
    (other / "defs.yaml").write_text(f"type: {COMPONENT}\nattributes: {{project: shop}}\n")
    assert embedded.run("champion", MODEL)[0] == 0
    code, output = embedded.run("champion", "shop/other")
    assert code == 1
    assert "defs.yaml" in output


def test_without_a_workspace_the_settings_are_asked_for(
    embedded: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ML_ASSETS_PLATFORM", "databricks")
    monkeypatch.setenv("ML_ASSETS_CONFIG", str(tmp_path / "none.yaml"))
    code, output = embedded.run("champion", MODEL)
    assert code == 1
    assert "none.yaml" in output
