"""Registered versions and their aliases."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from ml_assets.spec.errors import DataError, PromotionError

_numbers = itertools.count()


@pytest.fixture
def registry(lasting):
    return lasting.registry


@pytest.fixture
def name():
    return f"main.models.model_{next(_numbers)}"


@pytest.fixture
def package(lasting, tmp_path):
    """Store a packaged model (its MLmodel file is enough) and return (run id, model URI)."""
    (tmp_path / "MLmodel").write_text("flavors: {}\n")

    def make():
        with lasting.tracking.run("/Shared/p_ml_m_development", name="train", tags={}) as run:
            run.log_file(tmp_path / "MLmodel", "model")
        return run.run_id, f"runs:/{run.run_id}/model"

    return make


def register(registry, name, made, **tags):
    run_id, uri = made
    return registry.register(name, model_uri=uri, run_id=run_id, tags=tags, description="A model.")


def test_a_model_that_is_not_registered(registry, name):
    assert registry.versions(name) == ()
    assert registry.version_of(name, "champion") is None
    with pytest.raises(DataError, match="stored: none"):
        registry.tags(name, 1)


def test_versions_count_up(registry, name, package):
    assert [register(registry, name, package()) for _ in range(3)] == [1, 2, 3]
    assert registry.versions(name) == (1, 2, 3)


def test_the_same_run_is_registered_once(registry, name, package):
    first, second = package(), package()
    assert register(registry, name, first, spec="a") == 1
    assert register(registry, name, second) == 2
    assert register(registry, name, first, spec="b") == 1
    assert registry.versions(name) == (1, 2)
    assert registry.tags(name, 1) == {"spec": "b"}


def test_a_registered_package_can_be_fetched_by_its_uris(lasting, registry, name, package):
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


@pytest.mark.parametrize("alias", ["latest", "v1", "", "1", "a'b", "@x"])
def test_reserved_and_malformed_aliases_are_refused(registry, name, package, alias):
    register(registry, name, package())
    with pytest.raises(DataError, match="champion"):
        registry.set_alias(name, alias, 1)
    with pytest.raises(DataError):
        registry.uri(name, alias)


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


@pytest.mark.parametrize("bad", ["model", "a.b", "a.b.c'", "a.b/c.d"])
def test_names_of_two_levels_or_with_quotes_are_refused(registry, bad):
    with pytest.raises(DataError, match=r"catalog\.schema\.model"):
        registry.versions(bad)


def test_uris(registry):
    assert registry.uri("a.b.c", "champion") == "models:/a.b.c@champion"
    assert registry.uri("a.b.c", 7) == "models:/a.b.c/7"
