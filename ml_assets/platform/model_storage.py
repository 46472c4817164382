"""How a fitted estimator is stored inside a package: its own format, skops, or a declared pickle."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ml_assets.platform.package_layout import CLASSES_KEY, PICKLE_KEY
from ml_assets.spec.errors import TrainingError
from ml_assets.spec.libraries import is_xgboost

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from mlflow.types import Schema

    from ml_assets.spec.model import ModelSpec

#: Types that skops does not know to be harmless, and that we load all the same: containers of
#: numbers (trees, calibrations, dictionaries), and the classes of XGBoost and LightGBM, which read
#: nothing but their library's own format.
TRUSTED_TYPES = frozenset(
    {
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRegressor",
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRFClassifier",
        "xgboost.sklearn.XGBRFRegressor",
        "xgboost.sklearn.XGBRegressor",
    }
)
PICKLE_FORMAT = "cloudpickle"
#: What every package needs to be loaded, and the wheels that bring it.
_REQUIREMENTS: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("mlflow", "numpy", "pandas", "scikit-learn", "skops")},
    "xgboost": ("xgboost", "xgboost-cpu"),
}
_log = logging.getLogger("ml_assets.packages")


@dataclass(frozen=True)
class Stored:
    """How a model is handed to MLflow.

    ``flavor`` is MLflow's module for it; ``arguments`` are for the flavor's ``save_model``;
    ``metadata`` is what the package says of the model beside MLflow's own; ``requirements`` are what
    loading it needs, at the versions installed here.
    """

    flavor: Any
    arguments: Mapping[str, Any]
    metadata: Mapping[str, Any]
    requirements: list[str]

    def save(self, model: Any, path: Path, outputs: Schema, example: pd.DataFrame) -> None:
        """Save a fitted estimator with its output schema and an input example.

        The stored signature has no inputs: MLflow would refuse to widen integers to the float64 that
        models receive, and the package around the model states the inputs.
        """
        from mlflow.models import ModelSignature

        self.flavor.save_model(
            model,
            str(path),
            signature=ModelSignature(outputs=outputs),
            input_example=example,
            pip_requirements=self.requirements,
            metadata=dict(self.metadata) or None,
            **self.arguments,
        )


def how_to_store(model: Any, spec: ModelSpec) -> Stored:
    """Choose how a fitted estimator is stored: without a pickle if there is any way.

    XGBoost estimators are stored in XGBoost's format, LightGBM's and scikit-learn's with skops.
    Anything else needs ``estimator.allow_pickle``; that is said in the log, and in the package.

    Raises
    ------
    TrainingError
        When it could only be stored as a pickle, and the declaration does not allow one.
    """
    metadata: dict[str, Any] = {}
    if spec.class_names:
        metadata[CLASSES_KEY] = list(spec.class_names)
    try:
        flavor, arguments, libraries = _without_pickle(model)
    except TrainingError as refused:
        if not spec.estimator.allow_pickle:
            raise
        _log.warning(
            "%s: the model is stored as a pickle (estimator.allow_pickle), because %s. Loading it "
            "runs the code that is in it: load it only from a registry that you trust.",
            spec.name,
            refused.found,
        )
        flavor, arguments, libraries = _as_pickle(model)
        metadata[PICKLE_KEY] = PICKLE_FORMAT
    return Stored(flavor, arguments, metadata, requirements(*libraries))


def requirements(*more: str) -> list[str]:
    """List what loading a package needs, at the versions installed here; what is absent is left out.

    >>> [r.partition("==")[0] for r in requirements()][:2]
    ['mlflow', 'numpy']
    """
    wheels = {**_REQUIREMENTS, **{name: (name,) for name in more}}
    found = {name: _installed(names) for name, names in wheels.items()}
    return [f"{name}=={number}" for name, number in found.items() if number]


def _without_pickle(model: Any) -> tuple[Any, dict[str, Any], tuple[str, ...]]:
    """Choose flavor and arguments, and name the libraries that the model needs beside the usual."""
    if is_xgboost(model):
        import mlflow.xgboost

        return mlflow.xgboost, {"model_format": "ubj"}, ()
    import mlflow.sklearn

    skops_format = getattr(mlflow.sklearn, "SERIALIZATION_FORMAT_SKOPS", None)
    if skops_format is None or find_spec("skops") is None:
        raise _unsafe(model, f"no skops here, or MLflow {mlflow.__version__} does not know it")
    types = _needed_types(model)
    how = {"serialization_format": skops_format, "skops_trusted_types": types}
    libraries = ("lightgbm",) if any(t.startswith("lightgbm.") for t in types) else ()
    if type(model).__module__ == "lightgbm.sklearn":
        import mlflow.lightgbm

        return mlflow.lightgbm, how, libraries
    return mlflow.sklearn, how, libraries


def _as_pickle(model: Any) -> tuple[Any, dict[str, Any], tuple[str, ...]]:
    import cloudpickle
    import mlflow.sklearn

    try:
        content = cloudpickle.dumps(model)
    except Exception as error:
        raise _unsafe(model, f"not even a pickle can store it: {error}") from error
    libraries = (PICKLE_FORMAT, *(["lightgbm"] if b"lightgbm" in content else []))
    return mlflow.sklearn, {"serialization_format": PICKLE_FORMAT}, libraries


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
        expected="an estimator that can be stored without pickle: XGBoost's, LightGBM's, or "
        "scikit-learn's own",
        fix="use another estimator, or replace custom functions and classes by scikit-learn's own "
        f"(beside skops' list these types are allowed: {', '.join(sorted(TRUSTED_TYPES))}); as a "
        "last resort declare estimator.allow_pickle: true",
        rule="ml02_flavor_recorded",
    )


def _installed(wheels: tuple[str, ...]) -> str | None:
    for wheel in wheels:
        with contextlib.suppress(PackageNotFoundError):
            return version(wheel)
    return None
