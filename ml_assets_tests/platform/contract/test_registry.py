"""Registered versions and their aliases."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from ml_assets.spec.errors import DataError, PromotionError
from ml_assets_tests.platform import registered
from ml_assets_tests.platform.registered import new_name, register

#: What MLflow's Unity Catalog store supports, of what its client offers (read in its source).
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


@pytest.fixture
def registry(registering):
    return registering.registry


@pytest.fixture
def name():
    return new_name()


@pytest.fixture
def package(registering, tmp_path):
    return lambda: registered.package(registering.tracking, tmp_path)


def test_a_model_that_is_not_registered(registry, name):
    assert registry.versions(name) == ()
    assert registry.version_of(name, "champion") is None
    with pytest.raises(DataError, match="stored: none"):
        registry.tags(name, 1)


def test_versions_count_up(registry, name, package):
    assert [register(registry, name, package()) for _ in range(3)] == [1, 2, 3]
    assert registry.versions(name) == (1, 2, 3)


def test_more_versions_than_one_page(registry, name, package, monkeypatch):
    made = [package() for _ in range(5)]
    for one in made:
        register(registry, name, one)
    search, pages = MlflowClient.search_model_versions, []

    def small_pages(self, filter_string=None, max_results=2, **kwargs):
        pages.append(kwargs)
        return search(self, filter_string, max_results=2, **kwargs)

    monkeypatch.setattr(MlflowClient, "search_model_versions", small_pages)
    assert registry.versions(name) == (1, 2, 3, 4, 5)
    assert len(pages) == 3
    assert register(registry, name, made[0]) == 1


def test_a_version_is_complete_from_its_first_moment(registry, name, package, monkeypatch):
    run_id, uri = package()
    monkeypatch.setattr(type(registry), "tag", lambda *_: pytest.fail("tagged afterwards"))
    registry.register(name, model_uri=uri, run_id=run_id, tags={"a": "1"}, description="Text.")
    stored = registry.store.client.get_model_version(name, "1")
    assert (stored.run_id, stored.description, stored.tags) == (run_id, "Text.", {"a": "1"})


def test_a_logged_model_is_registered_by_its_id(registering, registry, name):
    """MLflow 3 gives logged models addresses of their own: models:/m-…"""
    tracking = registering.tracking
    client = tracking.store.client
    with (
        tracking.run("/Shared/p_ml_m_development", name="train", tags={}) as run,
        tracking.store.active(),
    ):
        model = client.create_logged_model(
            experiment_id=client.get_run(run.run_id).info.experiment_id, source_run_id=run.run_id
        )
        client.finalize_logged_model(model.model_id, "READY")
    uri = f"models:/{model.model_id}"
    assert registry.register(name, model_uri=uri, run_id=run.run_id, tags={}) == 1
    stored = registry.store.client.get_model_version(name, "1")
    assert (stored.run_id, stored.source) == (run.run_id, uri)
    assert client.get_model_version_download_uri(name, "1") == model.artifact_location


def test_the_same_run_is_registered_once(registry, name, package):
    first, second = package(), package()
    assert register(registry, name, first, spec="a") == 1
    assert register(registry, name, second) == 2
    assert register(registry, name, first, spec="b") == 1
    assert registry.versions(name) == (1, 2)
    assert registry.tags(name, 1) == {"spec": "b"}


def test_a_registered_package_can_be_fetched_by_its_uris(registry, name, package):
    from mlflow.artifacts import download_artifacts

    register(registry, name, package())
    registry.set_alias(name, "champion", 1)
    with registry.store.active():
        for uri in (registry.uri(name, 1), registry.uri(name, "champion")):
            assert (Path(download_artifacts(uri)) / "MLmodel").read_text() == "flavors: {}\n"


def test_aliases_move(registry, name, package):
    register(registry, name, package())
    register(registry, name, package())
    registry.set_alias(name, "champion", 1)
    registry.set_alias(name, "challenger", 2)
    assert (registry.version_of(name, "champion"), registry.version_of(name, "other")) == (1, None)
    registry.set_alias(name, "champion", 2)
    assert registry.version_of(name, "champion") == 2
    registry.set_alias(name, "champion", 1)
    assert registry.version_of(name, "champion") == 1


class TestCompareAndSet:
    def test_an_alias_moves_from_where_it_is_expected(self, registry, name, package):
        register(registry, name, package())
        register(registry, name, package())
        registry.move_alias(name, "champion", 1, expected=None)
        registry.move_alias(name, "champion", 2, expected=1)
        assert registry.version_of(name, "champion") == 2

    @pytest.mark.parametrize("expected", [None, 3])
    def test_one_that_is_elsewhere_stays(self, registry, name, package, expected):
        for _ in range(3):
            register(registry, name, package())
        registry.set_alias(name, "champion", 1)
        with pytest.raises(PromotionError, match="it points to version 1") as caught:
            registry.move_alias(name, "champion", 2, expected=expected)
        assert caught.value.rule == "promotion_compare_and_set"
        assert registry.version_of(name, "champion") == 1

    def test_one_that_was_removed_stays_removed(self, registry, name, package):
        register(registry, name, package())
        register(registry, name, package())
        with pytest.raises(PromotionError, match="it points to no version"):
            registry.move_alias(name, "champion", 2, expected=1)
        assert registry.version_of(name, "champion") is None

    def test_a_move_that_was_made_already_is_no_move(self, registry, name, package):
        register(registry, name, package())
        registry.set_alias(name, "champion", 1)
        registry.move_alias(name, "champion", 1, expected=7)
        assert registry.version_of(name, "champion") == 1

    def test_a_version_that_is_not_there(self, registry, name, package):
        register(registry, name, package())
        with pytest.raises(DataError, match="stored: 1"):
            registry.move_alias(name, "champion", 2, expected=None)


def test_an_alias_can_be_removed(registry, name, package):
    register(registry, name, package())
    registry.set_alias(name, "challenger", 1)
    registry.remove_alias(name, "challenger")
    registry.remove_alias(name, "challenger")
    assert registry.version_of(name, "challenger") is None


def test_the_version_of_a_run(registry, name, package):
    made = package()
    assert registry.version_of_run(name, made[0]) is None
    register(registry, name, package())
    register(registry, name, made)
    assert registry.version_of_run(name, made[0]) == 2
    assert registry.version_of_run(name, "0" * 32) is None


def test_tags_are_added(registry, name, package):
    register(registry, name, package(), a="1", b="2")
    registry.tag(name, 1, {"b": "3", "c": "4"})
    assert registry.tags(name, 1) == {"a": "1", "b": "3", "c": "4"}


@pytest.mark.parametrize("alias", ["latest", "Latest", "v1", "V12", "", "1", "a b", "a'b", "@x"])
def test_reserved_and_malformed_aliases_are_refused(registry, name, package, alias):
    register(registry, name, package())
    with pytest.raises(DataError, match="champion"):
        registry.set_alias(name, alias, 1)
    with pytest.raises(DataError):
        registry.uri(name, alias)
    with pytest.raises(DataError):
        registry.version_of(name, alias)


def test_versions_that_are_not_there(registry, name, package):
    register(registry, name, package())
    for call in (
        lambda: registry.set_alias(name, "champion", 2),
        lambda: registry.tags(name, 2),
        lambda: registry.tag(name, 2, {"a": "b"}),
    ):
        with pytest.raises(DataError, match="stored: 1"):
            call()
    assert registry.version_of(name, "champion") is None


@pytest.mark.parametrize("bad", ["model", "a.b", "a.b.c'", "a.b.c' OR name='x", "a.b/c.d"])
def test_names_of_two_levels_or_with_quotes_are_refused(registry, bad):
    with pytest.raises(DataError, match=r"catalog\.schema\.model"):
        registry.versions(bad)
    with pytest.raises(DataError):
        registry.register(bad, model_uri="runs:/x/model", run_id="x", tags={})


def test_uris(registry):
    assert registry.uri("a.b.c", "champion") == "models:/a.b.c@champion"
    assert registry.uri("a.b.c", 7) == "models:/a.b.c/7"


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
