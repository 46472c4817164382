"""The routes of the feature store and of Unity Catalog that the client and the SDK call."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import yaml

from ml_assets_tests.conformance.shim.names import full_name, quoted
from ml_assets_tests.conformance.shim.rest import Call, UnknownRouteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

    from ml_assets_tests.conformance.shim.unity import Table, Unity

    Route = Callable[["Routes", Call, str], dict[str, Any]]

_STORE = "/api/2.0/feature-store"
_routes: list[tuple[str, re.Pattern[str], Route]] = []


def on(method: str, path: str) -> Callable[[Route], Route]:
    """Register a route; the path may have one group, given to the function as its last argument."""

    def register(function: Route) -> Route:
        _routes.append((method, re.compile(path), function))
        return function

    return register


class Routes:
    """Answers calls from what a workspace holds."""

    def __init__(self, session: SparkSession, unity: Unity) -> None:
        self.session, self.unity = session, unity

    def __call__(self, call: Call) -> dict[str, Any]:
        for method, path, function in _routes:
            if method == call.method and (match := path.fullmatch(call.path)):
                return function(self, call, match[1] if match.groups() else "")
        raise UnknownRouteError(call.path)

    def table(self, name: str) -> Table:
        return self.unity.table(full_name(name))


@on("GET", r"/api/2\.1/unity-catalog/tables/(.+)")
def _table(run: Routes, _: Call, name: str) -> dict[str, Any]:
    table = run.table(name)
    partitions = table.metadata["partitionColumns"]
    columns = []
    for position, field in enumerate(run.session.table(quoted(table.name)).schema):
        column = {
            "name": field.name,
            "position": position,
            "type_text": field.dataType.simpleString(),
        }
        column["nullable"] = table.column(field.name)["nullable"]
        if comment := table.column(field.name)["metadata"].get("comment"):
            column["comment"] = comment
        if field.name in partitions:
            column["partition_index"] = partitions.index(field.name)
        columns.append(column)
    found = {
        "full_name": table.name,
        "table_id": table.table_id,
        "table_type": "MANAGED",
        "securable_kind": "TABLE_DELTA",
        "data_source_format": "DELTA",
        "storage_location": table.location,
        "created_at": table.created_at,
        "comment": table.comment,
        "columns": columns,
        "properties": table.metadata["configuration"],
    }
    if table.primary_key:
        key: dict[str, Any] = {"name": table.constraint, "child_columns": table.primary_key}
        if table.timeseries:
            key["timeseries_columns"] = [table.timeseries]
        found["table_constraints"] = [{"primary_key_constraint": key}]
    return found


@on("GET", r"/api/2\.0/unity-catalog/securable-tags/TABLE/(.+)")
def _tags(run: Routes, _: Call, name: str) -> dict[str, Any]:
    pairs = [{"key": key, "value": value} for key, value in run.table(name).tags.items()]
    return {"tag_assignments": [{"tag_key_value_pairs": pairs}] if pairs else []}


@on("POST", f"{_STORE}/feature-tables/create")
def _create(run: Routes, call: Call, _: str) -> dict[str, Any]:
    table = run.table(call.values["name"])
    keys = [key["name"] for key in call.values["primary_keys"]]
    times = [key["name"] for key in call.values.get("timestamp_keys", [])]
    found = {
        "name": table.name,
        "id": table.table_id,
        "primary_keys": keys,
        "timestamp_keys": times,
    }
    return {"feature_table": found}


@on("GET", f"{_STORE}/features/get")
def _features(run: Routes, call: Call, _: str) -> dict[str, Any]:
    return {
        "features": [as_json(f) for f in features_of(run, run.table(call.values["feature_table"]))]
    }


@on("POST", f"{_STORE}/feature-tables/get-online-stores")
def _online_stores(_: Routes, call: Call, __: str) -> dict[str, Any]:
    names = call.values.get("feature_tables", [])
    none = [{"feature_table": name, "online_stores": []} for name in names]
    return {"feature_table_online_stores": none}


@on("DELETE", f"{_STORE}/feature-tables/delete")
@on("POST", f"{_STORE}/feature-tables/add-producer")
@on("POST", f"{_STORE}/features/add-consumer")
@on("POST", f"{_STORE}/log-client-event")
def _noted(_: Routes, __: Call, ___: str) -> dict[str, Any]:
    """Bookkeeping that changes nothing that can be read here."""
    return {}


@on("POST", f"{_STORE}/feature-spec/generate-yaml")
def _generate_yaml(run: Routes, call: Call, _: str) -> dict[str, Any]:
    """Describe a package as the server does; the client's own classes know the format."""
    from databricks.ml_features.api.proto import feature_catalog_pb2 as proto
    from databricks.ml_features.utils import training_scoring_utils as utils
    from google.protobuf.json_format import ParseDict

    request = ParseDict(call.values, proto.GenerateFeatureSpecYaml())
    asked = [f.feature_lookup for f in request.features if f.HasField("feature_lookup")]
    lookups = [_lookup(lookup) for lookup in asked]
    known = _known_tables(run, sorted({lookup.table_name for lookup in lookups}))
    infos = utils.get_column_infos(lookups, [], known, df_columns=list(request.input_columns))
    defaults = {
        (lookup.table_name, default.feature_name): default.default_value
        for lookup in asked
        for default in lookup.default_values
    }
    for info in infos.feature_column_infos:
        info._default_value_str = defaults.get((info.table_name, info.feature_name))
    spec = utils.build_feature_spec(lookups, known, infos, list(request.exclude_columns), 0)
    return {"feature_spec_yaml": yaml.safe_dump(spec._to_dict(), sort_keys=False)}


@on("GET", r"/api/2\.1/unity-catalog/permissions/(.+)")
def _permissions(run: Routes, _: Call, securable: str) -> dict[str, Any]:
    kind, name = _securable(run, securable)
    return _assignments(run.unity.granted(kind, name))


@on("PATCH", r"/api/2\.1/unity-catalog/permissions/(.+)")
def _change_permissions(run: Routes, call: Call, securable: str) -> dict[str, Any]:
    kind, name = _securable(run, securable)
    for change in call.values["changes"]:
        who = change["principal"]
        run.unity.grant(kind, name, who, _privileges(change.get("add")))
        run.unity.revoke(kind, name, who, _privileges(change.get("remove")))
    run.unity.save()
    return _assignments(run.unity.granted(kind, name))


def features_of(run: Routes, table: Table) -> list[Any]:
    """Describe the columns of a table as the client's messages."""
    from databricks.ml_features.api.proto import feature_catalog_pb2 as proto
    from databricks.ml_features.entities.data_type import DataType

    nested = {"array", "map", "struct", "decimal"}
    return [
        proto.Feature(
            table=table.name,
            name=field.name,
            id=f"{table.table_id}.{field.name}",
            data_type=DataType.from_spark_type(field.dataType),
            data_type_details=field.dataType.json()
            if field.dataType.typeName() in nested
            else None,
        )
        for field in run.session.table(quoted(table.name)).schema
    ]


def as_json(message: Any) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    found: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return found


def _lookup(asked: Any) -> Any:
    from databricks.ml_features.entities.feature_lookup import FeatureLookup

    window = None
    if asked.HasField("lookback_window_seconds"):
        window = timedelta(seconds=asked.lookback_window_seconds)
    return FeatureLookup(
        asked.table_name,
        list(asked.lookup_keys),
        feature_names=list(asked.feature_names) or None,
        rename_outputs={r.feature_name: r.output_name for r in asked.rename_outputs},
        timestamp_lookup_key=list(asked.timestamp_lookup_keys),
        lookback_window=window,
    )


def _known_tables(run: Routes, names: list[str]) -> Any:
    from databricks.ml_features.entities.feature_table import FeatureTable
    from databricks.ml_features.utils import training_scoring_utils as utils

    try:
        from databricks.ml_features.entities.materialized_feature import (
            MaterializedFeature as Feature,
        )
    except ImportError:  # its name before 0.15
        from databricks.ml_features.entities.feature import Feature
    features = {n: [Feature.from_proto(f) for f in features_of(run, run.table(n))] for n in names}
    described = {n: FeatureTable.from_uc_get_table_response(_table(run, None, n)) for n in names}
    return utils._FeatureTableMetadata(features, described, {})


def _securable(run: Routes, path: str) -> tuple[str, str]:
    kind, _, name = path.partition("/")
    if kind.upper() not in {"TABLE", "FUNCTION"}:
        raise UnknownRouteError(path)
    if kind.upper() == "TABLE":
        run.table(name)
    return kind.upper(), full_name(name)


def _privileges(names: list[str] | None) -> set[str]:
    return {name.replace("_", " ") for name in names or ()}


def _assignments(granted: dict[str, set[str]]) -> dict[str, Any]:
    found = [
        {"principal": who, "privileges": sorted(p.replace(" ", "_") for p in held)}
        for who, held in sorted(granted.items())
    ]
    return {"privilege_assignments": found}
