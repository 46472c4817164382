"""The layout of a model that is packaged with its feature lookups, as Databricks stores it.

::

    MLmodel                              python_function, loaded by databricks.feature_store
    requirements.txt
    data/feature_store/feature_spec.yaml the model's inputs and where each one is looked up
    data/feature_store/raw_model/        the model itself, in its own flavor

A package in this layout that was made without Databricks is scored by Databricks' client, and the
other way round. Everything here is plain text files; nothing is imported to read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from ml_assets.spec.catalog import PackageInfo
from ml_assets.spec.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOADER_MODULE = "databricks.feature_store.mlflow_model"
FEATURE_STORE_FOLDER = "feature_store"
SPEC_FILE = "feature_spec.yaml"
RAW_MODEL_FOLDER = "raw_model"
#: What the model's own ``MLmodel`` file says beside MLflow's entries: the classes by code, in order,
#: and the format of a pickle, when it is one.
CLASSES_KEY = "ml_assets.classes"
PICKLE_KEY = "ml_assets.pickle"
#: The client whose layout this is, and the version of that layout.
CLIENT_VERSION = "0.18.2"
SERIALIZATION_VERSION = 11

_TRAINING_DATA, _FEATURE_STORE = "training_data", "feature_store"


@dataclass(frozen=True)
class PackagedColumn:
    """One column that the package knows of.

    Without a ``table`` it comes with the rows to score (keys, event time); with one it is looked up:
    ``feature`` of ``table``, where its primary keys equal the rows' ``lookup_key`` columns, in order,
    as of the rows' ``as_of`` column. ``type`` is Spark's simple name. Only columns with ``include``
    are inputs of the model.
    """

    name: str
    type: str
    include: bool = True
    table: str | None = None
    feature: str = ""
    lookup_key: tuple[str, ...] = ()
    as_of: str | None = None


@dataclass(frozen=True)
class PackagedTable:
    """A table that is looked up; ``lookback`` is in seconds, None for any age."""

    name: str
    table_id: str = ""
    lookback: float | None = None


@dataclass(frozen=True)
class FeatureSpec:
    """What ``feature_spec.yaml`` says."""

    columns: tuple[PackagedColumn, ...]
    tables: Mapping[str, PackagedTable] = field(default_factory=dict)

    @property
    def inputs(self) -> tuple[PackagedColumn, ...]:
        """The columns that the model receives, in order."""
        return tuple(c for c in self.columns if c.include)

    def to_text(self) -> str:
        """Write it as Databricks does."""
        document = {
            "input_columns": [{c.name: _column_entry(c)} for c in self.columns],
            "workspace_id": "0",
            "feature_store_client_version": CLIENT_VERSION,
            "input_tables": [{name: _table_entry(t)} for name, t in self.tables.items()],
            "serialization_version": SERIALIZATION_VERSION,
        }
        return yaml.safe_dump(document, sort_keys=False)

    @classmethod
    def from_text(cls, text: str, *, where: str) -> FeatureSpec:
        """Read what ``to_text`` or Databricks' client wrote.

        Raises
        ------
        DataError
            When it is no such document; ``where`` names it.
        """
        try:
            document = yaml.safe_load(text)
            columns = [_read_column(*only(entry)) for entry in document["input_columns"]]
            tables = [_read_table(*only(entry)) for entry in document.get("input_tables") or ()]
        except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
            raise _broken(where, f"{type(error).__name__}: {error}") from error
        return cls(tuple(columns), {t.name: t for t in tables})


def read_feature_spec(package: Path) -> FeatureSpec:
    """Read the lookups of a package folder.

    Raises
    ------
    DataError
        When the folder holds no model that was packaged with its lookups.
    """
    path = package / "data" / FEATURE_STORE_FOLDER / SPEC_FILE
    return FeatureSpec.from_text(_read(path), where=str(path))


def raw_model_folder(package: Path) -> Path:
    """Return the folder of the model itself."""
    return package / "data" / FEATURE_STORE_FOLDER / RAW_MODEL_FOLDER


def read_package(package: Path, uri: str) -> PackageInfo:
    """Read back what a package folder says of itself, from its files alone.

    Raises
    ------
    DataError
        When the folder holds no model that was packaged with its lookups.
    """
    outer = _read_mlmodel(package)
    raw = _read_mlmodel(raw_model_folder(package))
    signature = outer.get("signature") or {}
    flavors = [f for f in raw.get("flavors") or {} if f != "python_function"]
    requirements = package / "requirements.txt"
    return PackageInfo(
        uri=uri,
        flavor=flavors[0] if flavors else None,
        inputs=tuple((c.name, c.type) for c in read_feature_spec(package).inputs),
        outputs=tuple(str(o["type"]) for o in _columns_of(signature.get("outputs"))),
        signature_inputs=tuple(str(i.get("name")) for i in _columns_of(signature.get("inputs"))),
        has_input_example=_has_example(package, outer)
        or _has_example(raw_model_folder(package), raw),
        pip_requirements=_lines(requirements) if requirements.exists() else (),
        classes=tuple(str(c) for c in metadata_of(raw).get(CLASSES_KEY) or ()),
        pickled=metadata_of(raw).get(PICKLE_KEY),
    )


def raw_model_config(package: Path) -> dict[str, Any]:
    """Return what the model's own ``MLmodel`` file says.

    Raises
    ------
    DataError
        When there is no such file.
    """
    return _read_mlmodel(raw_model_folder(package))


def metadata_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an ``MLmodel`` file says beside MLflow's own entries."""
    found = config.get("metadata")
    return found if isinstance(found, dict) else {}


def only(entry: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the one pair of a mapping.

    >>> only({"a": 1})
    ('a', 1)
    """
    ((name, value),) = entry.items()
    return name, value


def _column_entry(column: PackagedColumn) -> dict[str, Any]:
    if column.table is None:
        entry: dict[str, Any] = {"data_type": column.type}
        if not column.include:
            entry["include"] = False
        return {**entry, "topological_ordering": 0, "source": _TRAINING_DATA}
    entry = {
        "table_name": column.table,
        "feature_name": column.feature,
        "lookup_key": list(column.lookup_key),
    }
    if column.as_of:
        entry["timestamp_lookup_key"] = [column.as_of]
    return {
        **entry,
        "data_type": column.type,
        "topological_ordering": 1,
        "source": _FEATURE_STORE,
    }


def _table_entry(table: PackagedTable) -> dict[str, Any]:
    entry: dict[str, Any] = {"table_id": table.table_id}
    if table.lookback is not None:
        whole = table.lookback == int(table.lookback)
        entry["lookback_window"] = int(table.lookback) if whole else table.lookback
    return entry


def _read_column(name: str, entry: Mapping[str, Any]) -> PackagedColumn:
    source = entry["source"]
    if source not in {_TRAINING_DATA, _FEATURE_STORE}:
        message = f"column {name!r} comes from {source!r}"
        raise ValueError(message)
    times = entry.get("timestamp_lookup_key") or ()
    return PackagedColumn(
        name=name,
        type=str(entry["data_type"]),
        include=bool(entry.get("include", True)),
        table=entry["table_name"] if source == _FEATURE_STORE else None,
        feature=entry.get("feature_name", ""),
        lookup_key=tuple(entry.get("lookup_key") or ()),
        as_of=times[0] if times else None,
    )


def _read_table(name: str, entry: Mapping[str, Any]) -> PackagedTable:
    lookback = entry.get("lookback_window")
    seconds = None if lookback is None else float(lookback)
    return PackagedTable(name, str(entry.get("table_id", "")), seconds)


def _columns_of(text: str | None) -> list[dict[str, Any]]:
    """Read one side of a stored signature, which is JSON inside the YAML."""
    columns = yaml.safe_load(text) if text else None
    return [c for c in columns or () if c.get("type") != "tensor"]


def _has_example(folder: Path, mlmodel: Mapping[str, Any]) -> bool:
    saved = mlmodel.get("saved_input_example_info") or {}
    path: str | None = saved.get("artifact_path")
    return path is not None and (folder / path).exists()


def _lines(path: Path) -> tuple[str, ...]:
    lines = (line.strip() for line in _read(path).splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _read_mlmodel(folder: Path) -> dict[str, Any]:
    path = folder / "MLmodel"
    content = yaml.safe_load(_read(path))
    if not isinstance(content, dict):
        raise _broken(str(path), "no MLmodel document")
    return content


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _broken(str(path), "no such file") from error


def _broken(where: str, found: str) -> DataError:
    return DataError(
        where,
        found=found,
        expected="a model that was packaged with its feature lookups",
        fix="materialize trained_model again; a model that was logged by plain MLflow has no lookups",
        rule="ml02_inputs_match_features",
    )
