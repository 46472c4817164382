"""The model inside a package: stored in its native format, never as a pickle, and loaded again."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ml_assets.platform.package_layout import (
    raw_model_config,
    raw_model_folder,
    read_feature_spec,
)
from ml_assets.spec.errors import DataError, TrainingError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from mlflow.types import Schema

#: Types that skops does not know to be harmless, and that we load all the same: containers of
#: numbers (trees) and XGBoost's own classes, which read nothing but XGBoost's format.
TRUSTED_TYPES = frozenset(
    {
        "numpy.dtype",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRFClassifier",
        "xgboost.sklearn.XGBRFRegressor",
        "xgboost.sklearn.XGBRegressor",
    }
)
#: Boosters whose prediction XGBoost documents as thread-safe (None: its default, gbtree).
_THREAD_SAFE = (None, "gbtree", "dart")
_WIDER = {"i": "int64", "u": "int64", "f": "float64"}


def save_raw_model(
    model: Any, path: Path, outputs: Schema, input_example: pd.DataFrame, requirements: list[str]
) -> None:
    """Save a fitted estimator with its output schema and an input example.

    XGBoost estimators are stored as ``.ubj``, everything else with skops. The stored signature has
    no inputs: MLflow would refuse to widen integers to the float64 that models receive, and the
    package around the model states the inputs.

    Raises
    ------
    TrainingError
        When the estimator holds types that cannot be stored safely.
    """
    from mlflow.models import ModelSignature

    flavor, how = flavor_of(model)
    flavor.save_model(
        model,
        str(path),
        signature=ModelSignature(outputs=outputs),
        input_example=input_example,
        pip_requirements=requirements,
        **how,
    )


def flavor_of(model: Any) -> tuple[Any, dict[str, Any]]:
    """Choose MLflow's flavor for a fitted estimator, and the arguments that keep pickle out of it.

    Raises
    ------
    TrainingError
        When the estimator holds types that cannot be stored safely.
    """
    import mlflow.sklearn
    import mlflow.xgboost

    if _is_xgboost(model):
        return mlflow.xgboost, {"model_format": "ubj"}
    skops_format = getattr(mlflow.sklearn, "SERIALIZATION_FORMAT_SKOPS", None)
    if skops_format is None or find_spec("skops") is None:
        raise _unsafe(model, f"no skops here, or MLflow {mlflow.__version__} does not know it")
    return mlflow.sklearn, {
        "serialization_format": skops_format,
        "skops_trusted_types": _needed_types(model),
    }


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
        if self.numeric and _is_xgboost(self.model) and self.model.booster in _THREAD_SAFE:
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
        if _is_xgboost(self.model):
            return widened(self.model.predict(matrix))
        return self.predict_frame(_named(matrix, self.inputs))


def load_model(package: Path) -> LoadedModel:
    """Load the model of a package folder; the one used last stays in memory.

    Raises
    ------
    DataError
        When the folder holds no such package, or its model is stored as a pickle.
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
    folder = raw_model_folder(package)
    flavors = raw_model_config(package).get("flavors") or {}
    if "xgboost" in flavors:
        import mlflow.xgboost

        return mlflow.xgboost.load_model(str(folder))
    sklearn = flavors.get("sklearn") or {}
    if sklearn.get("serialization_format") != "skops":
        raise DataError(
            f"package {package}",
            found=f"flavors {', '.join(flavors) or 'none'}, stored as {sklearn.get('serialization_format')}",
            expected="XGBoost's own format, or scikit-learn's with skops",
            fix="train again with ml_assets: loading a pickle runs whatever code is in it",
            rule="ml02_flavor_recorded",
        )
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        # Our list counts, not the one that the package states for itself.
        return skops.io.load(folder / sklearn["pickled_model"], trusted=sorted(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        raise DataError(
            f"package {package}",
            found=str(error),
            expected=f"skops' own types and {', '.join(sorted(TRUSTED_TYPES))}",
            fix="train again with an estimator of scikit-learn or XGBoost; do not load this one",
            rule="ml02_flavor_recorded",
        ) from error


def _needed_types(model: Any) -> list[str]:
    import skops.io

    try:
        found = set(skops.io.get_untrusted_types(data=skops.io.dumps(model)))
    except Exception as error:
        raise _unsafe(model, f"skops cannot store it: {error}") from error
    if unknown := sorted(found - TRUSTED_TYPES):
        raise _unsafe(model, f"it holds {', '.join(unknown)}")
    return sorted(found)


def _unsafe(model: Any, found: str) -> TrainingError:
    return TrainingError(
        f"estimator {type(model).__module__}.{type(model).__qualname__}",
        found=found,
        expected="an estimator that can be stored without pickle: XGBoost's, or scikit-learn's own",
        fix="use another estimator, or replace custom functions and classes by scikit-learn's own; "
        f"beside skops' list these types are allowed: {', '.join(sorted(TRUSTED_TYPES))}",
        rule="ml02_flavor_recorded",
    )


def _is_xgboost(model: Any) -> bool:
    """Tell without importing xgboost for models that are none of its own."""
    return any(c.__module__ == "xgboost.sklearn" for c in type(model).__mro__)


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
