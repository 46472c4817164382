"""A model of remembering steps on an instance in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest

from ml_assets_tests.orchestration.fakes import Bench, MakeBench, World, make_spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ml_assets.orchestration.resources import Sharing
    from ml_assets.spec.model import ModelSpec


@pytest.fixture
def instance(home: Path, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def sharing() -> Sharing | None:
    """Steps run in this process; a module that must hold on Databricks too overrides this."""
    return None


@pytest.fixture
def make_bench(instance: dg.DagsterInstance, sharing: Sharing | None) -> MakeBench:
    def make(world: World | None = None, spec: ModelSpec | None = None) -> Bench:
        return Bench(world or World(), spec or make_spec(), instance, sharing)

    return make
