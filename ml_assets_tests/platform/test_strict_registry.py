"""What only a registry that refuses what Unity Catalog refuses can show; the contract is elsewhere."""

from __future__ import annotations

import pytest
from mlflow.exceptions import MlflowException

from ml_assets.spec.errors import PromotionError
from ml_assets_tests.platform import registered
from ml_assets_tests.platform.registered import new_name, register
from ml_assets_tests.platform.strict import StrictPlatform


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """MLflow's database, made once."""
    return StrictPlatform(tmp_path_factory.mktemp("strict") / "home")


@pytest.fixture
def registry(strict):
    return strict.registry


@pytest.fixture
def package(strict, tmp_path):
    return lambda: registered.package(strict.tracking, tmp_path)


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (lambda c: c.get_latest_versions("a.b.c"), "get_latest_versions"),
        (lambda c: c.transition_model_version_stage("a.b.c", "1", "Production"), "stage"),
        (lambda c: c.search_model_versions("name='a.b.c'", order_by=["version"]), "order_by"),
        (lambda c: c.search_model_versions("tags.x = '1'"), "Unsupported filter"),
        (lambda c: c.set_registered_model_alias("a.b.c", "latest", "1"), "alias"),
        (lambda c: c.set_model_version_tag("a.b.c", "1", "ml_assets.gates", "x"), "tag name"),
        (lambda c: c.set_model_version_tag("a.b.c", "1", "gates", "x" * 1001), "1001 characters"),
        (lambda c: c.set_model_version_tag("a.b.c", "1", "gates", " x"), "Invalid value"),
        (lambda c: c.get_model_version("model", "1"), "<catalog>.<schema>.<model>"),
    ],
)  # fmt: skip
def test_the_client_refuses_what_unity_catalog_refuses(registry, refused, words):
    with pytest.raises(MlflowException, match=words):
        refused(registry.store.client)


def test_a_search_tells_neither_aliases_nor_tags(registry, package):
    name = new_name()
    register(registry, name, package(), a="1")
    registry.set_alias(name, "champion", 1)
    (found,) = registry.store.client.search_model_versions(f"name='{name}'")
    assert (found.aliases, found.tags) == ([], {})
    assert registry.tags(name, 1) == {"a": "1"}


def test_somebody_who_moves_the_alias_at_the_same_moment_is_noticed(registry, package, monkeypatch):
    """Unity Catalog has no compare-and-set: who comes last wins, and the one before is told."""
    name = new_name()
    for _ in range(3):
        register(registry, name, package())
    registry.set_alias(name, "champion", 1)
    client = registry.store.client
    move = client.set_registered_model_alias

    def overtaken(model, alias, version):
        move(model, alias, version)
        move(model, alias, "3")

    monkeypatch.setattr(client, "set_registered_model_alias", overtaken, raising=False)
    with pytest.raises(PromotionError, match="it points to version 3") as caught:
        registry.move_alias(name, "champion", 2, expected=1)
    assert caught.value.rule == "promotion_compare_and_set"
