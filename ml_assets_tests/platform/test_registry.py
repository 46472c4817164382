from __future__ import annotations

import itertools

import pytest
from mlflow import MlflowClient

from ml_assets.platform.embedded.registry import EmbeddedRegistry
from ml_assets.platform.embedded.tracking import EmbeddedTracking
from ml_assets.spec.errors import DataError

_numbers = itertools.count()

#: What MLflow's Unity Catalog store supports, of what this client offers (FACTS: read in source).
UNITY_CATALOG_CALLS = {
    "create_model_version",
    "create_registered_model",
    "delete_registered_model_alias",
    "get_model_version",
    "get_model_version_by_alias",
    "search_model_versions",
    "set_model_version_tag",
    "set_registered_model_alias",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One database for the module: making one takes seconds."""
    return tmp_path_factory.mktemp("registry") / "home"


@pytest.fixture
def registry(home):
    return EmbeddedRegistry(home)


@pytest.fixture
def name():
    return f"main.models.model_{next(_numbers)}"


@pytest.fixture
def package(home, tmp_path):
    """Store a packaged model (its MLmodel file is enough) and return (run id, model URI)."""
    tracking = EmbeddedTracking(home)
    (tmp_path / "MLmodel").write_text("flavors: {}\n")

    def make():
        with tracking.run("/Shared/p_ml_m_development", name="train", tags={}) as run:
            run.log_file(tmp_path / "MLmodel", "model")
        return run.run_id, f"runs:/{run.run_id}/model"

    return make


def register(registry, name, made, **tags):
    run_id, uri = made
    return registry.register(name, model_uri=uri, run_id=run_id, tags=tags, description="A model.")


def test_a_version_is_complete_from_its_first_moment(registry, name, package):
    run_id, uri = package()
    registry.register(name, model_uri=uri, run_id=run_id, tags={"a": "1"}, description="Text.")
    stored = registry.store.client.get_model_version(name, "1")
    assert (stored.run_id, stored.description, stored.tags) == (run_id, "Text.", {"a": "1"})


def test_a_logged_model_is_registered_by_its_id(registry, name, home):
    """MLflow 3 gives logged models addresses of their own: models:/m-…"""
    tracking = EmbeddedTracking(home)
    with (
        tracking.run("/Shared/p_ml_m_development", name="train", tags={}) as run,
        tracking.store.active(),
    ):
        model = tracking.store.client.create_logged_model(
            experiment_id=tracking.store.client.get_run(run.run_id).info.experiment_id,
            source_run_id=run.run_id,
        )
        tracking.store.client.finalize_logged_model(model.model_id, "READY")
    uri = f"models:/{model.model_id}"
    assert registry.register(name, model_uri=uri, run_id=run.run_id, tags={}) == 1
    stored = registry.store.client.get_model_version(name, "1")
    assert (stored.run_id, stored.source) == (run.run_id, uri)
    fetched_from = registry.store.client.get_model_version_download_uri(name, "1")
    assert fetched_from == model.artifact_location


@pytest.mark.parametrize("alias", ["latest", "Latest", "v1", "V12", "", "1", "a b", "a'b", "@x"])
def test_reserved_and_malformed_aliases_are_refused(registry, name, package, alias):
    register(registry, name, package())
    with pytest.raises(DataError, match="champion"):
        registry.set_alias(name, alias, 1)
    with pytest.raises(DataError):
        registry.uri(name, alias)
    with pytest.raises(DataError):
        registry.version_of(name, alias)


@pytest.mark.parametrize("bad", ["model", "a.b", "a.b.c'", "a.b.c' OR name='x", "a.b/c.d"])
def test_names_of_two_levels_or_with_quotes_are_refused(registry, bad):
    with pytest.raises(DataError, match=r"catalog\.schema\.model"):
        registry.versions(bad)
    with pytest.raises(DataError):
        registry.register(bad, model_uri="runs:/x/model", run_id="x", tags={})


def test_more_versions_than_one_page(registry, name, package, monkeypatch):
    made = [package() for _ in range(5)]
    for one in made:
        register(registry, name, one)
    search = MlflowClient.search_model_versions

    def small_pages(self, filter_string=None, max_results=2, **kwargs):
        return search(self, filter_string, max_results=2, **kwargs)

    monkeypatch.setattr(MlflowClient, "search_model_versions", small_pages)
    assert registry.versions(name) == (1, 2, 3, 4, 5)
    assert register(registry, name, made[0]) == 1


def test_only_calls_that_unity_catalog_supports(registry, name, package, monkeypatch):
    called, client = [], registry.store.client

    class Recorder:
        def __getattr__(self, attribute):
            called.append(attribute)
            return getattr(client, attribute)

    made = package()
    monkeypatch.setitem(registry.store.__dict__, "client", Recorder())
    register(registry, name, made, a="1")
    register(registry, name, made, a="2")
    registry.set_alias(name, "champion", 1)
    registry.move_alias(name, "champion", 1, expected=1)
    registry.remove_alias(name, "champion")
    registry.version_of(name, "champion")
    registry.versions(name)
    registry.tags(name, 1)
    assert set(called) == UNITY_CATALOG_CALLS
