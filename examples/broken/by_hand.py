"""What people do to stored things past the product. Only for the examples."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from ml_assets.platform.embedded.packages import package_folder
from ml_assets.platform.package_layout import raw_model_folder
from ml_assets.steps import worker
from ml_assets.steps.execution import Inputs
from ml_assets.steps.handles import RunHandle
from ml_assets.steps.recipe import default_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pandas as pd
    from pyspark.sql import Column, DataFrame

    from ml_assets.platform.embedded import EmbeddedPlatform
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.handles import Handle


@dataclass(frozen=True)
class Stored:
    """What is there before somebody puts a hand to it."""

    platform: EmbeddedPlatform
    spec: ModelSpec
    handles: Mapping[str, Handle]


def rewrite(stored: Stored, table: str, **columns: Column) -> None:
    """Overwrite a stored table with some columns computed anew."""
    overwrite(stored, table, stored.platform.tables.read(table).withColumns(columns))


def overwrite(stored: Stored, table: str, frame: DataFrame) -> None:
    """Overwrite a stored table with other rows, past the product."""
    path = str(stored.platform.tables.path(table))
    frame.write.format("delta").mode("overwrite").save(path)


def build_again(stored: Stored, asset: str) -> None:
    """Build one asset, as somebody does who materializes it alone."""
    step = default_recipe().step(stored.spec, asset)
    inputs = Inputs(asset, stored.handles, {})
    worker.build(step, stored.spec, stored.platform, default_recipe(), inputs)


def trained(stored: Stored) -> RunHandle:
    """Name the training run and its package."""
    handle = stored.handles["trained_model"]
    if not isinstance(handle, RunHandle):
        message = f"{handle} names no package"
        raise TypeError(message)
    return handle


def package(stored: Stored) -> Path:
    """Find the files of the packaged model."""
    client = stored.platform.tracking.store.client
    return package_folder(client, trained(stored).model_uri)


@contextlib.contextmanager
def edited_mlmodel(stored: Stored, *, inside: bool = False) -> Iterator[dict[str, Any]]:
    """Edit what the package says of itself, or (``inside``) what the model in it does."""
    folder = package(stored)
    with _edited((raw_model_folder(folder) if inside else folder) / "MLmodel") as content:
        yield content


@contextlib.contextmanager
def edited_lookups(stored: Stored) -> Iterator[dict[str, Any]]:
    """Edit where the package says that its inputs come from."""
    with _edited(package(stored) / "data" / "feature_store" / "feature_spec.yaml") as content:
        yield content


@contextlib.contextmanager
def _edited(path: Path) -> Iterator[dict[str, Any]]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    yield content
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def replace_model(stored: Stored, model: Any) -> None:
    """Put another model into the package, as it is, beside the lookups and the signature."""
    features, run_id = stored.platform.features, trained(stored).run_id
    example = training_rows(stored)[[*stored.spec.features]].dropna().head(5)
    uri = features.log_model(stored.spec, model, run_id=run_id, input_example=example)
    other = package_folder(stored.platform.tracking.store.client, uri)
    folder = raw_model_folder(package(stored))
    shutil.rmtree(folder)
    shutil.copytree(raw_model_folder(other), folder)
    features.predict(uri, example)  # only the model used last stays in memory


def training_rows(stored: Stored) -> pd.DataFrame:
    """Read the stored training set into memory."""
    return stored.platform.tables.read(stored.spec.training_set).toPandas()
