"""The rule book's error table: what a library says in a step, and what is said of it instead.

A message alone proves nothing: the same words have several causes. So a known message only asks a
question, and what is stored answers it (``ml_assets.steps.diagnosis``). Without an answer the
library's own error is raised, as it is.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_assets.spec.errors import LibraryError, MlAssetsError
from ml_assets.steps import diagnosis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from ml_assets.platform.protocol import Platform
    from ml_assets.spec.model import ModelSpec
    from ml_assets.steps.diagnosis import Cause
    from ml_assets.steps.execution import Inputs

    Diagnose = Callable[[ModelSpec, Platform, Inputs, str], Cause | None]

MOST_CHARACTERS = 200
#: What raises: Python's own ValueError or KeyError (scikit-learn, pandas, XGBoost), or MLflow.
PYTHON, MLFLOW = "python", "mlflow."
#: Errors of Spark carry those of the Python code that it ran, as text.
_SPARK = ("pyspark.", "py4j.")


@dataclass(frozen=True)
class Said:
    """One row of the table.

    ``words`` is how people know the error; ``raised_by`` and ``patterns`` recognise it by its type
    and its message, in any case. ``diagnose`` looks at what is stored, and names one of ``checks``.
    """

    words: str
    raised_by: tuple[str, ...]
    patterns: tuple[str, ...]
    checks: tuple[str, ...]
    diagnose: Diagnose

    def fits(self, error: BaseException) -> bool:
        """Whether an error is of this row."""
        modules = [f"{kind.__module__}." for kind in type(error).__mro__]
        raised = any(m.startswith((*self.raised_by, *_SPARK)) for m in modules)
        python = PYTHON in self.raised_by and isinstance(error, ValueError | KeyError)
        return (raised or python) and any(
            re.search(pattern, str(error), re.IGNORECASE) for pattern in self.patterns
        )


MISSING_VALUES = Said(
    "Input X contains NaN",
    (PYTHON,),
    (
        "Input X contains NaN",
        "Input X contains infinity",
        "Input data contains `inf` or a value too large",
    ),
    ("ml03_no_nan", "ml03_no_inf", "ml03_no_null", "ml03_lookup_coverage"),
    diagnosis.missing_values,
)
LABELS = Said(
    "base_score must be in (0,1) / Invalid classes inferred",
    (PYTHON,),
    (
        r"base_score must be in \(0,1\)",
        "Invalid classes inferred",
        "Unknown label type",
        "needs samples of at least 2 classes",
        "y contains 1 class",
        "Input y contains",
        "Label contains NaN",
        "cannot convert float NaN to integer",
    ),
    ("ml05_binary_labels", "ml05_not_single_class"),
    diagnosis.stored_labels,
)
COLUMNS = Said(
    "Column not found",
    (PYTHON, MLFLOW),
    (
        "feature names should match",
        "feature_names mismatch",
        "Feature shape mismatch",
        r"expecting \d+ features as input",
        "columns are missing",
        "not in index",
        r"are in the \[columns\]",
        "Model is missing inputs",
    ),
    ("ml02_inputs_match_features", "ml06_label_not_in_features"),
    diagnosis.columns,
)
OUTPUTS = Said(
    "Model contains only inputs",
    (MLFLOW,),
    ("signature that includes only inputs", "did not contain any signature metadata"),
    ("ml02_output_schema",),
    diagnosis.outputs,
)
FLAVOR = Said(
    "Missing flavor",
    (MLFLOW,),
    (r'Model does not have the "\w+" flavor',),
    ("ml02_flavor_recorded",),
    diagnosis.flavor,
)
EXPERIMENT = Said(
    "Experiment not found",
    (MLFLOW,),
    ("No Experiment with id", "must be in the 'active' state"),
    ("ml04_experiment_names",),
    diagnosis.experiment,
)
TABLE = (MISSING_VALUES, LABELS, COLUMNS, OUTPUTS, FLAVOR, EXPERIMENT)


@contextlib.contextmanager
def explained(spec: ModelSpec, platform: Platform, inputs: Inputs) -> Iterator[None]:
    """Raise a library's error of the table as the rule that it breaks.

    Raises
    ------
    LibraryError
        With the rule, the cause and the fix; the library's error is its ``__cause__``.
    """
    try:
        yield
    except MlAssetsError:
        raise
    except Exception as error:
        known = _known(spec, platform, inputs, error)
        if known is None:
            raise
        raise known from error


@contextlib.contextmanager
def scoring_raw_keys(spec: ModelSpec) -> Iterator[None]:
    """Say of a model that raises on what the feature store gives it that it failed the replay.

    Raises
    ------
    LibraryError
        With the rule and the fix; the model's own error is its ``__cause__``.
    """
    try:
        yield
    except MlAssetsError:
        raise
    except Exception as error:
        if not _of_a_model(error):
            raise
        raise LibraryError(
            f"the packaged model of {spec.name}",
            found=f"it fails on rows whose features are looked up by raw keys. The library said: {type(error).__name__}: {first_line(error)}",
            expected="a prediction for each key, as in training: null where a key finds no feature row included",
            fix="put what prepares the rows (filling, scaling, encoding) into the model itself, so that it travels in the package, and train again",
            rule="ml03_score_replay",
        ) from error


def _of_a_model(error: Exception) -> bool:
    """Whether Python code raised it here, or in a worker of Spark's."""
    here = ArithmeticError | AttributeError | LookupError | RuntimeError | TypeError | ValueError
    return isinstance(error, here) or type(error).__name__ == "PythonException"


def fitting_failed(spec: ModelSpec, train: pd.DataFrame, error: Exception) -> LibraryError | None:
    """Explain why a fit on these rows (as they are stored) raised; None when they do not say."""
    if not any(said.fits(error) for said in (LABELS, MISSING_VALUES)):
        return None
    cause = diagnosis.labels_in(spec, train) or diagnosis.values_in(spec, train)
    return None if cause is None else _error(cause, error)


def _known(
    spec: ModelSpec, platform: Platform, inputs: Inputs, error: Exception
) -> LibraryError | None:
    for said in TABLE:
        if said.fits(error):
            try:
                cause = said.diagnose(spec, platform, inputs, str(error))
            except Exception as second:  # noqa: BLE001 - the first error is raised, with this note
                error.add_note(f"What is stored could not be looked at: {second}")
                return None
            return None if cause is None else _error(cause, error)
    return None


def _error(cause: Cause, error: Exception) -> LibraryError:
    return LibraryError(
        cause.where,
        found=f"{cause.found}. The library said: {type(error).__name__}: {first_line(error)}",
        expected=cause.expected,
        fix=cause.fix,
        rule=cause.rule,
    )


def first_line(error: BaseException) -> str:
    r"""The first line of a message, without its full stop and what XGBoost puts before it.

    >>> first_line(ValueError("[18:07:55] /src/data.cc:568: Check failed: valid: Bad. \nStack"))
    'Bad'
    """
    text = str(error).strip().partition("\n")[0].strip()
    text = re.sub(r"^\[[\d:]+\] \S+:\d+: (Check failed: \w+: )?", "", text).rstrip(".")
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} …"
