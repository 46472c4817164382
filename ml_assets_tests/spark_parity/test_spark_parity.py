"""What is plain Spark gives the same tables and facts on Apache Spark as on Sail.

The flights example (the 80,789 flights of its first three months; all of weather and planes), the
tiny shop, and a table of odd values go through transforms, cleaning, labels, scoring keys, measuring
and reading for training on Sail, on JVM Spark (classic) and on JVM Spark Connect. Rows are compared
exactly, types included; facts exactly, but for means of fractions, whose last digits depend on the
order of summation.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_assets.platform.seed_rows import arrow_table
from ml_assets.spec.imports import load_object
from ml_assets_tests.jvm import needs_java, run_module
from ml_assets_tests.spark_parity.run_on import run, specs
from ml_assets_tests.steps.helpers import run_steps

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from ml_assets.spec.model import ModelSpec

pytestmark = [pytest.mark.slow, needs_java]

ENGINES = ("classic", "connect")
MONTHS = 3
#: Means of fractions: the last bits depend on the order in which rows are added up.
SUMMED = {"mean", "label_mean"}


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Path:
    """Sources as they are stored on a laptop, and the training sets of the tiny shop."""
    from ml_assets.platform.embedded import EmbeddedPlatform

    folder = tmp_path_factory.mktemp("given")
    for spec in specs().values():
        for source in spec.sources.values():
            assert source.seed
            rows = load_object(source.seed, field="seed", package=spec.package)()
            if source.table == "flight_ops.raw.flights":
                rows = rows[rows["month"] <= MONTHS]
            pq.write_table(arrow_table(source.table, rows), folder / f"{source.table}.parquet")
    platform = EmbeddedPlatform(home=tmp_path_factory.mktemp("home"), spark=spark)
    for spec in (specs()["shop"], specs()["numbers"]):
        run_steps(spec, platform, until="training_set")
        rows = platform.tables.read(spec.training_set).toArrow()
        pq.write_table(rows, folder / f"{spec.training_set}.parquet")
    return folder


@pytest.fixture(scope="module")
def outs(
    given: Path, tmp_path_factory: pytest.TempPathFactory, spark: SparkSession
) -> dict[str, Path]:
    """What each engine wrote."""
    root = tmp_path_factory.mktemp("out")
    run(spark, given, root / "sail")
    for engine in ENGINES:
        arguments = (engine, str(given), str(root / engine))
        run_module("ml_assets_tests.spark_parity.run_on", *arguments)
    return {engine: root / engine for engine in ("sail", *ENGINES)}


def rows_of(path: Path) -> pa.Table:
    """The rows of a file as they are stored, in an order that depends on nothing but the values."""
    table = pq.read_table(path)
    bits = pa.table({name: _bits(table[name]) for name in table.column_names})
    return bits.sort_by([(name, "ascending") for name in bits.column_names])


def _bits(column: pa.ChunkedArray) -> pa.Array:
    """Floats as the integers of their bits, so that NaN equals NaN and 0.0 is not -0.0."""
    flat = column.combine_chunks()
    if pa.types.is_floating(flat.type):
        return flat.view(pa.int64() if flat.type == pa.float64() else pa.int32())
    return flat.cast(pa.int8()) if pa.types.is_boolean(flat.type) else flat


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("model", list(specs()))
def test_tables_have_the_same_rows_and_types(
    outs: dict[str, Path], model: str, engine: str
) -> None:
    mine, others = outs["sail"] / model, outs[engine] / model
    names = sorted(p.name for p in mine.glob("*.parquet"))
    assert names == sorted(p.name for p in others.glob("*.parquet"))
    assert len(names) >= 4 if model != "flights" else len(names) == 7
    for name in names:
        schema = (mine / name).with_suffix(".schema")
        assert schema.read_text() == (others / schema.name).read_text(), name
        one, two = rows_of(mine / name), rows_of(others / name)
        assert one.num_rows == two.num_rows > 0, name
        assert one.schema == two.schema, name
        assert one.equals(two), f"{name}: {_first_difference(one, two)}"


def _first_difference(one: pa.Table, two: pa.Table) -> str:
    pairs = zip(one.to_pylist(), two.to_pylist(), strict=True)
    return next((f"{a} and {b}" for a, b in pairs if a != b), "none")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("model", list(specs()))
def test_facts_are_the_same(outs: dict[str, Path], model: str, engine: str) -> None:
    one, two = (
        json.loads((outs[e] / model / "facts.json").read_text(encoding="utf-8"))
        for e in ("sail", engine)
    )
    assert list(differences(one, two)) == []
    assert {"keys", "labels"} <= set(one)


def differences(one: Any, two: Any, path: str = "") -> Any:
    """Walk over both; means may differ in their last digits."""
    if isinstance(one, dict) and isinstance(two, dict):
        for name in sorted({*one, *two}):
            yield from differences(one.get(name), two.get(name), f"{path}.{name}")
    elif isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for i, (a, b) in enumerate(zip(one, two, strict=True)):
            yield from differences(a, b, f"{path}[{i}]")
    elif path.rpartition(".")[2] in SUMMED and one is not None and two is not None:
        if not math.isclose(one, two, rel_tol=1e-12):
            yield f"{path}: {one!r} and {two!r}"
    elif repr(one) != repr(two):
        yield f"{path}: {one!r} and {two!r}"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("model", ["shop", "numbers"])
def test_training_reads_the_same_rows_in_the_same_order(
    outs: dict[str, Path], model: str, engine: str
) -> None:
    one, two = (
        pd.read_pickle(outs[e] / model / "holdout.pickle")  # noqa: S301 - our own file
        for e in ("sail", engine)
    )
    assert len(one) == 320
    pd.testing.assert_frame_equal(one, two, check_exact=True)


@pytest.mark.parametrize("model", ["shop", "numbers"])
def test_samples_are_of_a_hundred_rows(outs: dict[str, Path], model: str) -> None:
    """That they are the same rows on every engine is among the facts."""
    facts = json.loads((outs["connect"] / model / "facts.json").read_text(encoding="utf-8"))
    assert len(set(facts["sampled"])) == 100
    assert facts["training_set"]["leakage"]["rows"] == 640


def test_the_odd_values_reached_the_engines(outs: dict[str, Path]) -> None:
    """Otherwise their equality would say nothing."""
    facts = json.loads((outs["connect"] / "odd_numbers" / "facts.json").read_text(encoding="utf-8"))
    columns = {c["name"]: c for c in facts["features/typed"]["columns"]}
    assert columns["n_double"]["nans"] > 0
    assert columns["n_float"]["infs"] > columns["n_double"]["infs"] > 0  # 1e300 is no float
    assert columns["n_decimal"]["nulls"] > 0
    assert (columns["c_double"]["nans"], columns["c_double"]["infs"]) == (0, 0)
    assert columns["c_double"]["repaired"] > 0
    assert facts["labels"]["spreads"]["all"]["infs"] > 0
    assert facts["labels"]["nulls"] > 0


def test_the_other_engines_are_apache_spark(outs: dict[str, Path]) -> None:
    found = [(outs[e] / "version").read_text(encoding="utf-8").split(".")[0] for e in ENGINES]
    assert found == ["classic 4", "connect 4"]


def test_so_many_flights_were_compared(outs: dict[str, Path]) -> None:
    schedule = outs["connect"] / "flights" / "flight_ops.features.flight_schedule.parquet"
    assert pq.read_metadata(schedule).num_rows == 80_789


def test_every_model_has_a_name_of_its_own() -> None:
    found: list[ModelSpec] = list(specs().values())
    assert len({spec.name for spec in found}) == len(found)
