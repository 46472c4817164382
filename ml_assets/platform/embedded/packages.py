"""Package a fitted model with its feature lookups, as Databricks does, with plain MLflow."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_assets.platform.embedded.delta import open_table
from ml_assets.platform.model_storage import how_to_store
from ml_assets.platform.package_layout import (
    FEATURE_STORE_FOLDER,
    LOADER_MODULE,
    RAW_MODEL_FOLDER,
    SPEC_FILE,
    FeatureSpec,
    PackagedColumn,
    PackagedTable,
)
from ml_assets.spec.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema

    from ml_assets.platform.embedded.tables import EmbeddedTables
    from ml_assets.spec.model import ModelSpec

MODEL_NAME = "model"
#: What Databricks' serving installs to look features up.
_LOOKUP_REQUIREMENT = "databricks-feature-lookup==1.*"
_SIGNATURE_TYPES = {
    "boolean": "boolean",
    "tinyint": "integer",
    "smallint": "integer",
    "int": "integer",
    "bigint": "long",
    "float": "float",
    "double": "double",
    "string": "string",
    "binary": "binary",
    "date": "datetime",
    "timestamp": "datetime",
    "timestamp_ntz": "datetime",
}


def feature_spec(spec: ModelSpec, tables: EmbeddedTables) -> FeatureSpec:
    """Describe where each input of the model is looked up, with the stored columns' types.

    Raises
    ------
    DataError
        When a table or a column of it is not stored.
    """
    label_types = _stored_types(tables, spec.label.table)
    columns = [
        PackagedColumn(k, _type_of(label_types, spec.label.table, k), include=False)
        for k in spec.label_keys
    ]
    packaged = {}
    for table in spec.feature_tables:
        types = _stored_types(tables, table.table)
        columns += [
            PackagedColumn(
                name=name,
                type=_type_of(types, table.table, name),
                table=table.table,
                feature=name,
                lookup_key=table.primary_keys,
                as_of=spec.label.event_time if table.event_time else None,
            )
            for name in table.columns
        ]
        lookback = None if table.lookback is None else table.lookback.total_seconds()
        packaged[table.table] = PackagedTable(table.table, _table_id(tables, table.table), lookback)
    return FeatureSpec(tuple(columns), packaged)


def log_package(
    client: MlflowClient,
    spec: ModelSpec,
    model: Any,
    lookups: FeatureSpec,
    *,
    run_id: str,
    input_example: pd.DataFrame,
) -> str:
    """Store a package as a model of the run; return its ``models:/…`` URI.

    A model that could not be stored whole stays behind as FAILED, and its URI is not returned.

    Raises
    ------
    TrainingError
        When the model can only be stored as a pickle, and the declaration does not allow that.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    run, stored = client.get_run(run_id), how_to_store(model, spec)
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / FEATURE_STORE_FOLDER
        data.mkdir()
        outputs = _output_schema(spec.output_type)
        stored.save(model, data / RAW_MODEL_FOLDER, outputs, input_example)
        (data / SPEC_FILE).write_text(lookups.to_text(), encoding="utf-8")
        with _logged_model(client, run) as logged:
            outer = Model(
                artifact_path=logged.artifact_location,
                model_uuid=logged.model_id,
                run_id=run_id,
                model_id=logged.model_id,
                signature=_signature(lookups, outputs),
                metadata=dict(stored.metadata) or None,
            )
            package = Path(scratch) / "package"
            _save_outer(outer, package, data, stored.requirements)
            client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
            client.log_model_artifacts(logged.model_id, str(package))
    return f"models:/{logged.model_id}"


@contextlib.contextmanager
def _logged_model(client: MlflowClient, run: Run) -> Iterator[LoggedModel]:
    """Open a model of the run; it ends FAILED when the block raises, READY otherwise."""
    logged = client.create_logged_model(
        run.info.experiment_id,
        name=MODEL_NAME,
        source_run_id=run.info.run_id,
        params=dict(run.data.params),
    )
    try:
        yield logged
    except BaseException:
        client.finalize_logged_model(logged.model_id, "FAILED")
        raise
    client.finalize_logged_model(logged.model_id, "READY")


def package_folder(client: MlflowClient, uri: str) -> Path:
    """Find the files of ``models:/<id>``, ``models:/<name>/<version>`` or ``models:/<name>@<alias>``.

    Raises
    ------
    DataError
        When the URI is of another form, or nothing is stored under it.
    """
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        return Path(download_artifacts(artifact_uri=_location(client, uri)))
    except (MlflowException, OSError) as error:
        raise DataError(
            f"model {uri}",
            found=str(error),
            expected="a packaged model",
            fix="materialize trained_model (and model_version) first",
        ) from error


def _location(client: MlflowClient, uri: str) -> str:
    scheme, _, path = uri.partition(":/")
    if scheme != "models" or not path:
        return uri
    if "@" in path:
        version = client.get_model_version_by_alias(*path.split("@", 1))
    elif "/" in path:
        version = client.get_model_version(*path.rsplit("/", 1))
    else:
        return str(client.get_logged_model(path).artifact_location)
    return _location(client, str(version.source))


def _save_outer(outer: Model, path: Path, data: Path, requirements: list[str]) -> None:
    import mlflow.pyfunc

    # Given to `save_model`, the signature would be checked against an input example, and features
    # are float64 there whatever their stored type is.
    mlflow.pyfunc.save_model(
        str(path),
        mlflow_model=outer,
        loader_module=LOADER_MODULE,
        data_path=str(data),
        pip_requirements=[*requirements, _LOOKUP_REQUIREMENT],
    )


def _signature(lookups: FeatureSpec, outputs: Schema) -> ModelSignature:
    """Inputs are all columns the package knows; only those that come with the rows are required."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    inputs = Schema(
        [
            ColSpec(_signature_type(c.type), c.name, required=c.table is None)
            for c in lookups.columns
        ]
    )
    # Databricks' loader takes this parameter; its default means "as the model returns it".
    params = ParamSchema([ParamSpec("result_type", "string", "NO_RESULT_TYPE")])
    return ModelSignature(inputs=inputs, outputs=outputs, params=params)


def _output_schema(output_type: str) -> Schema:
    from mlflow.types import ColSpec, Schema

    return Schema([ColSpec(output_type)])


def _signature_type(spark_type: str) -> str:
    return "double" if spark_type.startswith("decimal") else _SIGNATURE_TYPES[spark_type]


def _stored_types(tables: EmbeddedTables, name: str) -> dict[str, str]:
    tables.files(name)  # explains a missing table
    return {c.name: c.type for c in tables.info(name).columns}


def _type_of(types: Mapping[str, str], table: str, name: str) -> str:
    found = types.get(name)
    if found is None or (found not in _SIGNATURE_TYPES and not found.startswith("decimal")):
        raise DataError(
            f"table {table}, column {name!r}",
            found="no such column" if found is None else f"type {found}",
            expected="a stored number, boolean, string or time",
            fix="materialize the table again, or derive a number from the column in its transform",
            rule="ml02_inputs_match_features",
        )
    return found


def _table_id(tables: EmbeddedTables, name: str) -> str:
    table = open_table(tables.path(name))
    return "" if table is None else str(table.metadata().id)
