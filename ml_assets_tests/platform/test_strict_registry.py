"""The contract of the registry on a client that refuses what Unity Catalog refuses.

All tests of ``contract/test_registry.py`` run here again; the real client of Databricks runs them in
the conformance environment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mlflow.exceptions import MlflowException

from ml_assets.platform.databricks.registry import DatabricksRegistry
from ml_assets.platform.embedded import EmbeddedPlatform
from ml_assets.spec.errors import PromotionError
from ml_assets_tests.platform.contract.test_registry import *  # noqa: F403 - the same tests again
from ml_assets_tests.strict_registry import StrictClient

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedPlatform:
    """MLflow's database, made once; no engine is started."""
    return EmbeddedPlatform(tmp_path_factory.mktemp("strict") / "home")


@pytest.fixture
def registry(lasting: EmbeddedPlatform) -> Iterator[DatabricksRegistry]:
    """The registry of Databricks on a strict client of the embedded store."""
    store = lasting.registry.store
    client = store.client
    store.__dict__["client"] = StrictClient(client)
    try:
        yield DatabricksRegistry(store)
    finally:
        store.__dict__["client"] = client


@pytest.fixture
def package(lasting, tmp_path):
    """Store a packaged model, by the tracking that the strict client does not speak for."""
    (tmp_path / "MLmodel").write_text("flavors: {}\n")

    def make():
        with lasting.tracking.run("/Shared/p_ml_m_development", name="train", tags={}) as run:
            run.log_file(tmp_path / "MLmodel", "model")
        return run.run_id, f"runs:/{run.run_id}/model"

    return make


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


def test_a_search_tells_neither_aliases_nor_tags(registry, name, package):
    register(registry, name, package(), a="1")  # noqa: F405
    registry.set_alias(name, "champion", 1)
    (found,) = registry.store.client.search_model_versions(f"name='{name}'")
    assert (found.aliases, found.tags) == ([], {})
    assert registry.tags(name, 1) == {"a": "1"}


def test_somebody_who_moves_the_alias_at_the_same_moment_is_noticed(
    registry, name, package, monkeypatch
):
    """Unity Catalog has no compare-and-set: who comes last wins, and the one before is told."""
    for _ in range(3):
        register(registry, name, package())  # noqa: F405
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
