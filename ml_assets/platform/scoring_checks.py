"""What batch scoring asks of a package and of the keys to score, on every platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_assets.platform.package_layout import read_package
from ml_assets.platform.protocol import PREDICTION
from ml_assets.spec.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from ml_assets.platform.package_layout import FeatureSpec

#: The numpy type of each output type that a signature may declare.
OUTPUT_TYPES = {"long": "int64", "double": "float64"}


def checked_keys(
    types: Mapping[str, str],
    packaged: FeatureSpec,
    key_columns: Sequence[str],
    constants: Iterable[str],
) -> dict[str, str]:
    """Return the key columns' types, out of the types of all columns of the keys to score.

    Raises
    ------
    DataError
        When a key column is missing, or a column is one that scoring looks up or writes itself.
    """
    taken = {PREDICTION, *constants, *(c.name.lower() for c in packaged.inputs)}
    if clash := sorted(n for n in types if n.lower() in taken):
        raise DataError(
            "the keys to score",
            found=f"columns {', '.join(clash)}, which scoring looks up or writes itself",
            expected=f"the columns {', '.join(key_columns)}",
            fix="drop them from the function that returns the keys (scoring.keys)",
            rule="predictions_complete",
        )
    if missing := [k for k in key_columns if k not in types]:
        raise DataError(
            "the keys to score",
            found=f"no column {', '.join(missing)}; columns: {', '.join(types)}",
            expected=f"the columns {', '.join(key_columns)}",
            fix="return them from the function that returns the keys (scoring.keys)",
            rule="predictions_complete",
        )
    return {k: types[k] for k in key_columns}


def declared_type(package: Path) -> str:
    """Read the numpy type that a package's signature declares.

    Raises
    ------
    DataError
        When it declares no single output of type long or double.
    """
    outputs = read_package(package, package.name).outputs
    if len(outputs) != 1 or outputs[0] not in OUTPUT_TYPES:
        raise DataError(
            f"package {package}",
            found=f"a signature with outputs {list(outputs)}",
            expected=f"one output, of type {' or '.join(OUTPUT_TYPES)}",
            fix="materialize trained_model again: its package states the output type",
            rule="ml02_output_schema",
        )
    return OUTPUT_TYPES[outputs[0]]


def not_looked_up(package: Path, column: str) -> DataError:
    """Say that an input of a package comes with the rows and not from a feature table."""
    return DataError(
        f"package {package}",
        found=f"input {column!r} that comes with the rows to score",
        expected="inputs that are looked up in feature tables",
        fix="put the column into a feature table and train again",
        rule="ml02_inputs_match_features",
    )
