"""Fixtures of the emulator's own tests."""

from __future__ import annotations

import pytest

from ml_assets_tests.emulator.fixtures import VOLUME, emulator, task_environments

__all__ = ["client", "emulator", "root", "task_environments"]


@pytest.fixture
def client(emulator):
    """A real client that gives up after a few seconds."""
    return emulator.client(retry_timeout_seconds=5, http_timeout_seconds=5)


@pytest.fixture
def root(emulator):
    """The path of the volume, for REST calls and for job processes."""
    return emulator.unity.volume_path(VOLUME)
