"""The estimator that is fitted: the declared one, with string features encoded inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_assets.spec.errors import TrainingError
from ml_assets.spec.imports import load_object
from ml_assets.steps.training.metrics import JUDGED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from ml_assets.spec.model import ModelSpec


def make_estimator(spec: ModelSpec) -> Any:
    """Build the declared estimator.

    Raises
    ------
    SpecError
        When its class cannot be imported.
    TrainingError
        When it refuses its parameters, or cannot predict what the model type needs.
    """
    declared = spec.estimator
    path = spec.estimator_class
    kind = load_object(path, field="estimator.class", package=spec.package)
    try:
        estimator = kind(**declared.arguments)
    except TypeError as error:
        raise TrainingError(
            f"estimator.params of {path}",
            found=str(error),
            expected="keyword arguments that the estimator takes",
            fix="correct the names under estimator.params",
        ) from error
    if (unfit := JUDGED[spec.model_type].unfit(estimator)) is not None:
        raise TrainingError(
            f"estimator.class: {path}",
            found=unfit.found,
            expected=f"{unfit.expected}, as the metrics of {spec.model_type} need",
            fix=unfit.fix,
        )
    return estimator


def make_model(
    spec: ModelSpec, estimator: Any, strings: Sequence[str], numbers: Sequence[str]
) -> Any:
    """Wrap the estimator so that it takes the features as they are stored.

    String features are encoded by a step of the model that is fitted on the training rows only;
    null (no feature row was found) and levels that training did not see have codes of their own.
    Numbers pass; NaN (no feature row was found) is replaced by the declared default only when the
    estimator does not take NaN. Without anything to do, the estimator is returned bare.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline

    defaults = {n: c.default for t in spec.feature_tables for n, c in t.columns.items()}
    fill_numbers = [n for n in numbers if not _takes_nan(estimator)]
    if not strings and not fill_numbers:
        return estimator
    parts: list[tuple[str, Any, list[str]]] = [
        (
            f"fill_{n}",
            SimpleImputer(strategy="constant", fill_value=_fill(spec, n, defaults[n])),
            [n],
        )
        for n in fill_numbers
    ]
    if strings:
        parts.append(("encode_strings", _encoder(spec), list(strings)))
    columns = ColumnTransformer(parts, remainder=_as_floats(), verbose_feature_names_out=False)
    return Pipeline([("columns", columns), ("estimator", estimator)])


def as_model_inputs(frame: pd.DataFrame, strings: Sequence[str]) -> pd.DataFrame:
    """Give every feature the type that models are fitted and scored with.

    Numbers and booleans become float64 (null becomes NaN), strings stay objects with None for
    null. Column order is kept.
    """
    import pandas as pd

    columns = {
        name: (
            frame[name].astype(object).mask(frame[name].isna(), None)
            if name in strings
            else pd.to_numeric(frame[name]).astype("float64")
        )
        for name in frame.columns
    }
    return pd.DataFrame(columns, index=frame.index)


def _encoder(spec: ModelSpec) -> Any:
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    if spec.estimator.encoding == "one_hot":
        return OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    )


def _as_floats() -> Any:
    """Pass numbers as float64: Spark hands integers with nulls to models as pandas' own ``NA``."""
    from sklearn.preprocessing import StandardScaler

    return StandardScaler(with_mean=False, with_std=False)


def _takes_nan(estimator: Any) -> bool:
    from sklearn.utils import get_tags

    return bool(get_tags(estimator).input_tags.allow_nan)


def _fill(spec: ModelSpec, name: str, default: Any) -> float:
    if default is None:
        raise TrainingError(
            f"columns.{name}.default",
            found=f"no default, and {spec.estimator_class} does not take NaN",
            expected="a default for rows that find no feature",
            fix="declare a default for the column, or use an estimator that takes NaN",
            rule="ml03_lookup_coverage",
        )
    return float(default)
