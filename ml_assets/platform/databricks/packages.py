"""Package a fitted model with its feature lookups, with the client, and find packages again."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_assets.platform.databricks.client import MODEL_NAME, logged_uri, native_join
from ml_assets.platform.databricks.sql import column
from ml_assets.platform.model_storage import how_to_store
from ml_assets.platform.null_proof import null_proof
from ml_assets.spec.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd
    from mlflow import MlflowClient
    from pyspark.sql import DataFrame

    from ml_assets.platform.mlflow_store import MlflowStore
    from ml_assets.spec.model import ModelSpec

#: Types that the client can state in a signature, and that a model receives as they are.
_FEATURE_TYPES = {"smallint", "int", "bigint", "float", "double", "boolean", "string"}


def feature_lookups(spec: ModelSpec) -> list[Any]:
    """Declare to the client where each feature is looked up, in the order of the model's inputs."""
    from databricks.feature_engineering import FeatureLookup

    return [
        FeatureLookup(
            table_name=table.table,
            lookup_key=list(table.primary_keys),
            feature_names=list(table.columns),
            timestamp_lookup_key=spec.label.event_time if table.event_time else None,
            lookback_window=table.lookback,
        )
        for table in spec.feature_tables
    ]


def check_feature_types(table: str, types: Mapping[str, str], features: Mapping[str, Any]) -> None:
    """Refuse features of types that a packaged model could not be scored with.

    The client leaves the signature out, with only a warning, when a feature is a decimal, and
    Spark hands decimals to models as objects.

    Raises
    ------
    DataError
        Naming the column, its type and the cast.
    """
    for name in features:
        if types[name] not in _FEATURE_TYPES:
            raise DataError(
                f"table {table}, column {name!r}",
                found=f"type {types[name]}",
                expected=f"one of {', '.join(sorted(_FEATURE_TYPES))}",
                fix=f'cast it in the transform, for example F.col("{name}").cast("double")',
                rule="ml02_inputs_match_features",
            )


def create_training_set(
    client: Any, spec: ModelSpec, rows: DataFrame, exclude: tuple[str, ...] = ()
) -> Any:
    """Let the client declare the join of ``rows`` (keys, event time, label) with the features."""
    return client.create_training_set(
        df=rows,
        feature_lookups=feature_lookups(spec),
        label=spec.label.name,
        exclude_columns=list(exclude),
        **native_join(client.create_training_set),
    )


def log_package(
    client: Any,
    store: MlflowStore,
    spec: ModelSpec,
    model: Any,
    *,
    labels: DataFrame,
    types: Mapping[str, str],
    run_id: str,
    input_example: pd.DataFrame,
) -> str:
    """Store a package in the run with the client's ``log_model``; return its URI.

    The training set is declared again, from the same declaration and with the keys excluded, only
    so that its lookups are packaged: nothing is joined. Registration is a later step
    (``registry.register``): a version is registered after its gates are judged. ``types`` are the
    stored types of the features.

    Raises
    ------
    TrainingError
        When the model can only be stored as a pickle, and the declaration does not allow that.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    model = null_proof(model, types, input_example)
    stored = how_to_store(model, spec)
    outputs = Schema([ColSpec(spec.output_type)])
    columns = [column(c) for c in (*spec.label_keys, spec.label.name)]
    training_set = create_training_set(client, spec, labels.select(*columns), spec.label_keys)
    with store.active() as mlflow_client, _active_run(mlflow_client, run_id):
        result = client.log_model(
            model=model,
            artifact_path=MODEL_NAME,
            flavor=stored.flavor,
            training_set=training_set,
            infer_input_example=True,
            output_schema=outputs,
            # The rest is for the flavor, which stores the model inside the package. Without this
            # signature it would infer one from the example, and refuse integers afterwards.
            signature=ModelSignature(outputs=outputs),
            input_example=input_example,
            pip_requirements=stored.requirements,
            metadata=dict(stored.metadata) or None,
            **stored.arguments,
        )
        return logged_uri(result, mlflow_client, run_id)


class Packages:
    """Package folders on this machine, fetched once a version."""

    def __init__(self, store: MlflowStore) -> None:
        self._store = store
        self._fetched: dict[str, Path] = {}
        self._home: Path | None = None

    def folder(self, uri: str) -> Path:
        """Fetch the files of a model URI.

        Raises
        ------
        DataError
            When nothing is stored under it.
        """
        from mlflow.exceptions import MlflowException

        try:
            with self._store.active() as client:
                fixed = _without_alias(client, uri)
                if fixed not in self._fetched:
                    self._fetched[fixed] = self._fetch(fixed)
                return self._fetched[fixed]
        except (MlflowException, OSError) as error:
            raise DataError(
                f"model {uri}",
                found=str(error),
                expected="a packaged model",
                fix="materialize trained_model (and model_version) first",
            ) from error

    def _fetch(self, uri: str) -> Path:
        from mlflow.artifacts import download_artifacts

        if self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix="ml_assets-packages-"))
            weakref.finalize(self, shutil.rmtree, self._home, ignore_errors=True)
        target = self._home / str(len(self._fetched))
        target.mkdir(exist_ok=True)
        return Path(download_artifacts(artifact_uri=uri, dst_path=str(target)))


def _without_alias(client: MlflowClient, uri: str) -> str:
    """Name the version that an alias points to now."""
    name, at, alias = uri.removeprefix("models:/").partition("@")
    if not at or not uri.startswith("models:/"):
        return uri
    return f"models:/{name}/{client.get_model_version_by_alias(name, alias).version}"


@contextlib.contextmanager
def _active_run(client: MlflowClient, run_id: str) -> Iterator[None]:
    """Make an open run the one that MLflow logs into; it is as open afterwards as it was before."""
    import mlflow

    status = client.get_run(run_id).info.status
    with mlflow.start_run(run_id=run_id):
        yield
    client.update_run(run_id, status=status)
