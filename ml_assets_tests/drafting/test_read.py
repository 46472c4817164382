"""Where the rows come from: a file, a table of the warehouse, a table in Unity Catalog."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from ml_assets.drafting import files_in_parts, read_databricks
from ml_assets.drafting import read as read_module
from ml_assets.drafting.command import read
from ml_assets.drafting.draft import Wanted, draft_model
from ml_assets.drafting.read import read_file, read_table
from ml_assets.orchestration.statements import Statements
from ml_assets.spec.errors import DataError, SpecError
from ml_assets_tests.drafting.tables import orders
from ml_assets_tests.emulator.fixtures import (  # noqa: F401 - fixtures
    WAREHOUSE,
    databricks_variables,
    emulator,
    task_environments,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ml_assets.platform.embedded import EmbeddedPlatform

TYPES = [
    *("string", "timestamp", "bigint", "double", "string", "string", "boolean"),
    *("double", "timestamp", "bigint", "boolean"),
]


def test_a_file_gets_names_that_a_table_can_have(tmp_path: Path) -> None:
    file = tmp_path / "My Rows.csv"
    pd.DataFrame({"a b": [1], "2nd": ["x"]}).to_csv(file, index=False)
    sample = read_file(str(file), "shop")
    assert sample.table == "shop.raw.my_rows"
    assert [(c.name, c.type) for c in sample.columns] == [("a_b", "bigint"), ("c_2nd", "string")]
    assert sample.names_in_file == ("a b", "2nd")


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    file = tmp_path / "orders.parquet"
    orders(50).to_parquet(file)
    assert [c.type for c in read_file(str(file), "shop").columns] == TYPES


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("rows.csvv/", "no file"),
        ("odd.csv", "no file"),
        ("notes.txt/../notes.txt", "a file .txt"),
        ("bad.csv", "a file that cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    source: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").mkdir(exist_ok=True) if False else None
    (tmp_path / "ode.csv").write_text("a\n1\n")
    (tmp_path / "notes.md").write_text("x")
    (tmp_path / "bad.csv").write_text('a,b\n"x,1\n')
    (tmp_path / "rows.txt").write_text("a\n1\n")
    if "txt" in source:
        source = "./rows.txt"
    with pytest.raises(SpecError, match=found) as caught:
        read(source, "shop")
    assert "catalog.schema.name" in caught.value.expected or "csv" in caught.value.expected
    if source == "odd.csv":
        assert "did you mean 'ode.csv'?" in caught.value.fix


def test_a_table_of_the_warehouse_is_read_without_an_engine(
    platform: EmbeddedPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_assets.drafting.read.ROWS", 100)
    platform.tables.seed("shop.raw.orders", lambda: orders(150), "All orders")
    sample = read("shop.raw.orders", "shop")
    assert [c.type for c in sample.columns] == TYPES
    assert (len(sample.rows), sample.total, sample.description) == (100, 150, "All orders")
    assert sample.file is None


def test_a_table_that_is_not_there_is_answered_with_those_that_are(
    platform: EmbeddedPlatform, home: Path
) -> None:
    with pytest.raises(DataError, match="the warehouse has none yet"):
        read_table("shop.raw.orders", home)
    platform.tables.seed("shop.raw.orders", lambda: orders(5))
    with pytest.raises(DataError, match=r"shop\.raw\.orders \(did you mean that\?\)"):
        read_table("shop.raw.order", home)
    with pytest.raises(DataError, match="three-level name"):
        read_table("orders", home)


def test_decimals_and_dates_of_a_table_are_numbers_and_times(home: Path) -> None:
    rows = pa.table(
        {
            "id": [1, 2, None],
            "day": pa.array(pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03"]).date),
            "paid": pa.array([Decimal(n) for n in (1, 2, 3)], pa.decimal128(10, 2)),
        }
    )
    write_deltalake(home / "warehouse/shop/raw/bills", rows)
    sample = read_table("shop.raw.bills", home)
    assert [c.kind for c in sample.columns] == ["whole", "date", "number"]
    assert sample.rows["paid"].tolist() == [1.0, 2.0, 3.0]
    assert list(sample.times) == ["day"]


def test_unity_catalog_and_a_warehouse_give_the_same_draft(
    databricks_variables,  # noqa: F811
    tmp_path: Path,
) -> None:
    from databricks.sdk import WorkspaceClient

    emulated = databricks_variables
    emulated.unity.warehouse = tmp_path / "warehouse"
    table = pa.Table.from_pandas(orders(), preserve_index=False)
    comment = {b"comment": b"What was paid, in euros"}
    table = table.cast(
        pa.schema([f.with_metadata(comment if f.name == "price" else None) for f in table.schema])
    )
    write_deltalake(tmp_path / "warehouse/shop/raw/orders", table)
    client = WorkspaceClient()
    statements = Statements(client, WAREHOUSE, timedelta(seconds=30))
    there = read_databricks.read_table("shop.raw.orders", client, statements)
    here = read_table("shop.raw.orders", tmp_path)
    assert there.columns == here.columns
    assert there.columns[3].comment == "What was paid, in euros"
    ours, theirs = (draft_model("shop/returns", sample) for sample in (here, there))
    for guess in ("key", "label", "features", "leaks", "left_out"):
        assert getattr(ours, guess) == getattr(theirs, guess)
    with pytest.raises(DataError, match="no such table"):
        read_databricks.read_table("shop.raw.nothing", client, statements)


def test_on_databricks_a_warehouse_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ml_assets.yaml"
    file.write_text("databricks: {catalog: main, schema: ml}")
    monkeypatch.setenv("ML_ASSETS_PLATFORM", "databricks")
    monkeypatch.setenv("ML_ASSETS_CONFIG", str(file))
    with pytest.raises(SpecError, match="no SQL warehouse"):
        read("main.raw.orders", "shop")


def test_dates_beyond_a_clock_and_infinite_numbers_do_not_stop_a_guess(tmp_path: Path) -> None:
    """9999-12-31 is how many write "for ever"; pandas' nanoseconds end in 2262."""
    file = tmp_path / "orders.parquet"
    rows = orders(200).drop(columns=["refund", "is_returned"])
    forever = [date(9999, 12, 31) if i % 2 else date(2025, 1, 1) for i in range(len(rows))]
    cost = [float("inf"), *(i / 7 for i in range(1, len(rows)))]
    rows.assign(valid_to=forever, cost=cost).to_parquet(file)
    draft = draft_model("shop/cost", read_file(str(file), "shop"), Wanted(label="cost"))
    assert draft.label.model_type == "regression"
    assert draft.time.column.name == "ordered_at"
    assert "valid_to" in {*draft.leaks, *draft.left_out}


def test_decimals_of_a_file_are_numbers(tmp_path: Path) -> None:
    file = tmp_path / "orders.parquet"
    orders(50).assign(fee=[Decimal(i) / 4 for i in range(49)] + [None]).to_parquet(file)
    assert read_file(str(file), "shop").rows["fee"].dtype == "float64"


@pytest.mark.parametrize(
    ("last", "stored"),
    [("7", "bigint"), ("", "double"), ("2.5", "double")],
)
def test_a_file_s_types_are_those_of_all_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str, stored: str
) -> None:
    """The first rows are looked at; what comes after them is counted, and decides on types."""
    monkeypatch.setattr(files_in_parts, "PART", 100)
    monkeypatch.setattr(read_module, "ROWS", 50)
    rows = [f"{i},x" for i in range(999)] + [f"{last},x"]
    file = tmp_path / "long.csv"
    file.write_text("\n".join(["n,t", *rows]) + "\n")
    sample = read_file(str(file), "shop")
    assert (len(sample.rows), sample.total) == (50, 1000)
    assert [c.type for c in sample.columns] == [stored, "string"]
    parquet = tmp_path / "long.parquet"
    pd.read_csv(file).to_parquet(parquet)
    assert [c.type for c in read_file(str(parquet), "shop").columns] == [stored, "string"]


def test_a_text_late_in_a_column_of_numbers_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_in_parts, "PART", 100)
    file = tmp_path / "mixed.csv"
    file.write_text("\n".join(["n", *map(str, range(500)), "n/a or so"]) + "\n")
    with pytest.raises(DataError) as caught:
        read_file(str(file), "shop")
    assert "n" in str(caught.value)
