"""The model inside a package: loaded again, and asked for predictions."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ml_assets.platform.model_storage import TRUSTED_TYPES
from ml_assets.platform.package_layout import (
    PICKLE_KEY,
    metadata_of,
    raw_model_config,
    raw_model_folder,
    read_feature_spec,
)
from ml_assets.spec.errors import DataError
from ml_assets.spec.libraries import is_xgboost

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    import pandas as pd
    import pyarrow as pa

#: Boosters whose prediction XGBoost documents as thread-safe (None: its default, gbtree).
_THREAD_SAFE = (None, "gbtree", "dart")
#: Flavors that store with skops, and the entry that names the file.
_SKOPS_FILES = {"lightgbm": "data", "sklearn": "pickled_model"}
_WIDER = {"i": "int64", "u": "int64", "f": "float64"}


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory, and its inputs (name, Spark type) in order.

    Numbers and booleans are passed to the model as float64 with NaN for null, strings as objects
    with None for null.
    """

    model: Any
    inputs: tuple[tuple[str, str], ...]

    @property
    def numeric(self) -> bool:
        """Whether no input is a string."""
        return all(kind != "string" for _, kind in self.inputs)

    def predictors(self) -> ThreadPoolExecutor:
        """Return threads that may call ``predict_batch`` at the same time.

        XGBoost's trees may be predicted by several threads at once, which keeps all processors busy
        where its own threads, one batch at a time, would wait for each other and for whoever
        prepares the batches. Other models get one thread.
        """
        if self.numeric and is_xgboost(self.model) and self.model.booster in _THREAD_SAFE:
            workers = (os.cpu_count() or 1) + 1  # one is usually being handed its next batch
            return ThreadPoolExecutor(workers, initializer=_one_xgboost_thread)
        return ThreadPoolExecutor(1)

    def predict_frame(self, frame: pd.DataFrame) -> np.ndarray:
        """Predict rows; columns that are not inputs are left aside.

        Raises
        ------
        DataError
            When an input is missing.
        """
        import pandas as pd

        if missing := [name for name, _ in self.inputs if name not in frame.columns]:
            raise DataError(
                "features to predict",
                found=f"no column {', '.join(missing)}",
                expected=f"{len(self.inputs)} columns: {', '.join(n for n, _ in self.inputs)}",
                fix="pass all inputs of the packaged model",
                rule="ml02_inputs_match_features",
            )
        columns = {name: _model_column(frame[name], kind) for name, kind in self.inputs}
        return widened(self.model.predict(pd.DataFrame(columns, index=frame.index)))

    def predict_batch(self, batch: pa.RecordBatch) -> np.ndarray:
        """Predict a batch whose columns are the inputs in order, numbers as float64."""
        if not self.numeric:
            return self.predict_frame(batch.to_pandas())
        matrix = _matrix(batch.num_rows, batch.num_columns)
        for i, column in enumerate(batch.columns):
            matrix[:, i] = column.to_numpy(zero_copy_only=False)
        if is_xgboost(self.model):
            return widened(self.model.predict(matrix))
        return self.predict_frame(_named(matrix, self.inputs))


def load_model(package: Path) -> LoadedModel:
    """Load the model of a package folder; the one used last stays in memory.

    Raises
    ------
    DataError
        When the folder holds no such package, or its model is stored as a pickle that the package
        does not own up to, or holds types that are not trusted.
    """
    inputs = tuple((c.name, c.type) for c in read_feature_spec(package).inputs)
    return LoadedModel(_load(package), inputs)


def widened(predictions: Any) -> np.ndarray:
    """Give integers 64 bits and floats 64 bits; nothing is rounded and other types stay.

    >>> import numpy as np
    >>> widened(np.array([1, 0], "int32")).dtype, widened(np.array([0.5], "float32")).dtype
    (dtype('int64'), dtype('float64'))
    """
    import numpy as np

    values = np.asarray(predictions)
    return values.astype(_WIDER.get(values.dtype.kind, values.dtype), copy=False)


# A process scores one version at a time, and a package never changes.
@lru_cache(maxsize=1)
def _load(package: Path) -> Any:
    config = raw_model_config(package)
    folder, flavors = raw_model_folder(package), config.get("flavors") or {}
    if "xgboost" in flavors:
        import mlflow.xgboost

        return mlflow.xgboost.load_model(str(folder))
    name = next((n for n in _SKOPS_FILES if n in flavors), "")
    how: Mapping[str, Any] = flavors.get(name) or {}
    stored = how.get("serialization_format")
    if stored == "skops":
        return _load_skops(package, folder / str(how[_SKOPS_FILES[name]]))
    if stored and stored == metadata_of(config).get(PICKLE_KEY):
        import mlflow.sklearn

        return mlflow.sklearn.load_model(str(folder))
    raise DataError(
        f"package {package}",
        found=f"flavors {', '.join(flavors) or 'none'}, stored as {stored}",
        expected="XGBoost's own format, skops, or a pickle that the package says it is "
        f"({PICKLE_KEY})",
        fix="train again with ml_assets: loading a pickle runs whatever code is in it",
        rule="ml02_flavor_recorded",
    )


def _load_skops(package: Path, path: Path) -> Any:
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        # Our list counts, not the one that the package states for itself.
        return skops.io.load(path, trusted=sorted(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        raise DataError(
            f"package {package}",
            found=str(error),
            expected=f"skops' own types and {', '.join(sorted(TRUSTED_TYPES))}",
            fix="train again with an estimator of scikit-learn, XGBoost or LightGBM; do not load "
            "this one",
            rule="ml02_flavor_recorded",
        ) from error


_buffers = threading.local()


def _matrix(rows: int, columns: int) -> np.ndarray:
    """Lend the thread's own float64 matrix, valid until its next call, with whatever is in it.

    Column-major: an Arrow column is copied in one go. Kept from batch to batch: new memory has to
    be zeroed by the system, which costs a tenth of the prediction.
    """
    import numpy as np

    kept: np.ndarray | None = getattr(_buffers, "matrix", None)
    if kept is None or kept.shape[0] < rows or kept.shape[1] != columns:
        kept = _buffers.matrix = np.empty((rows, columns), order="F")
    return kept[:rows]


def _one_xgboost_thread() -> None:
    import xgboost

    xgboost.set_config(nthread=1)  # holds for the thread that calls it


def _model_column(values: pd.Series, kind: str) -> pd.Series:
    import pandas as pd

    if kind == "string":
        texts = [None if null else text for text, null in zip(values, values.isna(), strict=True)]
        return pd.Series(texts, index=values.index, dtype=object)
    return pd.to_numeric(values).astype("float64")


def _named(matrix: np.ndarray, inputs: tuple[tuple[str, str], ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(matrix, columns=[name for name, _ in inputs], copy=False)
