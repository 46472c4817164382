"""The platform of this environment: databricks where the feature engineering client is, else embedded."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from ml_assets_tests.conformance import has_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ml_assets.platform.protocol import Platform

    Open = Callable[[Path], AbstractContextManager[Platform]]


@contextlib.contextmanager
def open_platform(home: Path) -> Iterator[Platform]:
    """Open this environment's platform on a folder of its own."""
    if has_client():
        from ml_assets_tests.conformance.platforms import databricks

        with databricks(home) as (platform, _):
            yield platform
    else:
        from ml_assets.platform.embedded import EmbeddedPlatform
        from ml_assets.platform.embedded.session import start_session

        yield EmbeddedPlatform(home, start_session())


@pytest.fixture
def platform(home: Path) -> Iterator[Platform]:
    """Open a platform with nothing in it."""
    with open_platform(home) as opened:
        yield opened


@pytest.fixture
def spark(platform: Platform) -> Any:
    """The platform's own session."""
    return platform.spark


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Open one platform for a module; MLflow's database is made once (that takes seconds)."""
    with open_platform(tmp_path_factory.mktemp("lasting") / "home") as opened:
        yield opened


@contextlib.contextmanager
def open_strict(home: Path) -> Iterator[Platform]:
    """Open the platform whose registry refuses what Unity Catalog refuses; no engine is started."""
    from ml_assets_tests.platform.strict import StrictPlatform

    yield StrictPlatform(home)


#: Every registry that this environment has; the client of Databricks comes with its own.
_REGISTRIES: dict[str, Open] = (
    {"databricks": open_platform}
    if has_client()
    else {"embedded": open_platform, "unity_catalog": open_strict}
)


@pytest.fixture(scope="module", params=_REGISTRIES.values(), ids=_REGISTRIES)
def registering(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Every platform with a registry of its own, one after the other, each for a module."""
    with request.param(tmp_path_factory.mktemp("registering") / "home") as opened:
        yield opened
