"""Store packages and register them as versions of models that no other test knows."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ml_assets.platform.protocol import Registry, Tracking

_numbers = itertools.count()


def new_name() -> str:
    """Name a model that is not registered yet."""
    return f"main.models.model_{next(_numbers)}"


def package(tracking: Tracking, folder: Path) -> tuple[str, str]:
    """Store a packaged model (its MLmodel file is enough) and return (run id, model URI)."""
    file = folder / "MLmodel"
    file.write_text("flavors: {}\n")
    with tracking.run("/Shared/p_ml_m_development", name="train", tags={}) as run:
        run.log_file(file, "model")
    return run.run_id, f"runs:/{run.run_id}/model"


def register(registry: Registry, name: str, made: tuple[str, str], **tags: str) -> int:
    """Register what ``package`` made; return the version."""
    run_id, uri = made
    return registry.register(name, model_uri=uri, run_id=run_id, tags=tags, description="A model.")
