"""Models on their way to the tasks that score: here tasks are threads of the driver's own process."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def kept_for_tasks(root: Path) -> Iterator[None]:
    """Let a task find the model that the client unpacked, whenever it runs.

    The client removes what it unpacked when its call returns; on Spark Connect the model is read
    after that. And each task process unpacks the model for itself into a folder of its process id:
    here all tasks have the same one, so the model is put there before they start.
    """
    from databricks.ml_features._spark_client import _spark_client
    from databricks.ml_features._training_scoring_client import _training_scoring_client

    root.mkdir(exist_ok=True)

    class Lasting:
        def __enter__(self) -> Self:
            self._folder = tempfile.mkdtemp(dir=root)
            return self

        def path(self) -> str:
            return self._folder

        def __exit__(self, *_: object) -> None:
            """Keep it: the workspace's folder goes with the test."""

    def spark_udf(spark: Any, model_uri: str, **options: Any) -> Any:
        name = hashlib.sha1(model_uri.encode(), usedforsecurity=False).hexdigest()
        place = Path(tempfile.gettempdir()) / "mlflow" / name / str(os.getpid())
        shutil.copytree(_local(model_uri), place, dirs_exist_ok=True)
        return before[1](spark, model_uri, **options)

    before = _training_scoring_client.TempDir, _spark_client.spark_udf, tempfile.tempdir
    _training_scoring_client.TempDir, _spark_client.spark_udf = Lasting, spark_udf
    tempfile.tempdir = str(root)
    try:
        yield
    finally:
        _training_scoring_client.TempDir, _spark_client.spark_udf, tempfile.tempdir = before


def _local(uri: str) -> str:
    """On serverless the client hands tasks a URI, which each of them downloads."""
    from mlflow.artifacts import download_artifacts

    return uri if Path(uri).is_dir() else download_artifacts(artifact_uri=uri)
