"""The feature engineering client: which versions are supported, and everything in which they differ.

| | 0.12.1 | 0.18.2 |
|---|---|---|
| ``log_model`` returns | None | MLflow's ``ModelInfo`` |
| ``extra_pip_requirements`` of ``log_model`` | no | yes (not needed here) |

Both take ``output_schema``, ``use_spark_native_join`` and arguments of the flavor's ``save_model``.
What a call takes is asked of the call itself, so that a version between or after these works too.
"""

from __future__ import annotations

import inspect
import os
import re
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from ml_assets.spec.errors import MlAssetsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow import MlflowClient

PACKAGE = "databricks-feature-engineering"
#: The oldest version that is supported, and the newest that was tested.
OLDEST, NEWEST = "0.12.1", "0.18.2"
MODEL_NAME = "model"


class ClientError(MlAssetsError):
    """The feature engineering client is missing or of a version that is not supported."""


def installed() -> str | None:
    """Return the client's version; None when it is not installed."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return None


def problem(found: str | None) -> ClientError | None:
    """Say what is wrong with a version of the client; None when it is supported.

    For ``ml-assets doctor``: ``problem(installed())`` inside a job.

    >>> problem("0.18.2") is None, problem("0.19.0") is None
    (True, True)
    >>> problem("0.2.9").found
    'version 0.2.9'
    """
    if found is not None and _numbers(found) >= _numbers(OLDEST):
        return None
    return ClientError(
        PACKAGE,
        found="not installed" if found is None else f"version {found}",
        expected=f"version {OLDEST} or later (tested: {OLDEST} and {NEWEST})",
        fix="use a Databricks ML runtime that carries it, or add "
        f"'{PACKAGE}>={OLDEST}' to the libraries of the job's compute",
    )


def open_client(registry_uri: str) -> Any:
    """Make the client, with models in the registry at ``registry_uri``.

    Raises
    ------
    ClientError
        When it is missing, or older than what is supported.
    """
    if found := problem(installed()):
        raise found
    from databricks.feature_engineering import FeatureEngineeringClient

    return FeatureEngineeringClient(model_registry_uri=registry_uri)


def native_join(call: Callable[..., Any]) -> dict[str, bool]:
    """Ask for Spark's own as-of join where a call of the client has the choice.

    >>> native_join(lambda df, use_spark_native_join=False: None)
    {'use_spark_native_join': True}
    """
    return {"use_spark_native_join": True} if _takes(call, "use_spark_native_join") else {}


def logged_uri(result: Any, client: MlflowClient, run_id: str) -> str:
    """Return the URI of the model that ``log_model`` has just logged into a run.

    What it returned says it, from 0.14 on. Before, the run does: it names its logged models from
    MLflow 3 on, and holds the model as a plain artifact before that.
    """
    if result is not None and getattr(result, "model_uri", None):
        return str(result.model_uri)
    outputs = getattr(client.get_run(run_id), "outputs", None)
    models = list(outputs.model_outputs) if outputs else []
    if models:
        last = max(models, key=lambda m: client.get_logged_model(m.model_id).creation_timestamp)
        return f"models:/{last.model_id}"
    return f"runs:/{run_id}/{MODEL_NAME}"


def scoring_uri(uri: str, client: MlflowClient) -> str:
    """Name a model so that ``score_batch`` finds it on the compute that this is.

    On serverless the client reads files below the URI, and MLflow 3 takes ``models:/m-1/MLmodel`` for
    stage "MLmodel" of a registered model "m-1". Below the run that logged it, the same files are
    found. Elsewhere the client downloads the model whole, which only ``models:/m-1`` puts where it
    then looks. Other URIs, such as an alias of a registered model, stay as they are.
    """
    found = re.fullmatch(r"models:/(m-[^/@]+)", uri)
    if found is None or not _is_serverless():
        return uri
    logged = client.get_logged_model(found[1])
    return f"runs:/{logged.source_run_id}/{logged.name}"


def _is_serverless() -> bool:
    """Serverless compute has the version of its client, ``client.4.9``, for a runtime's."""
    return os.environ.get("DATABRICKS_RUNTIME_VERSION", "").startswith("client.")


def _takes(call: Callable[..., Any], name: str) -> bool:
    return name in inspect.signature(call).parameters


def _numbers(found: str) -> tuple[int, ...]:
    """Compare releases only: ``0.13.0a4`` counts as 0.13.0.

    >>> _numbers("0.13.0a4") > _numbers("0.12.1")
    True
    """
    release = re.match(r"\d+(\.\d+)*", found)
    return tuple(int(part) for part in release[0].split(".")) if release else ()
