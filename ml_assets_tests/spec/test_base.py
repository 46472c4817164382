from __future__ import annotations

import functools
import re
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from ml_assets.spec.base import (
    Count,
    Duration,
    ImportPath,
    Number,
    check_argument_name,
    check_column_name,
    check_identifier,
    check_table_name,
    duration_text,
    quoted,
)

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
names = st.from_regex(PLAIN, fullmatch=True).filter(lambda name: name != "None")


def a_function() -> None:
    """Do nothing."""


def parse(kind: Any, value: Any) -> Any:
    return TypeAdapter(kind).validate_python(value)


def refused(kind: Any, value: Any) -> dict[str, Any]:
    with pytest.raises(ValidationError) as caught:
        parse(kind, value)
    return caught.value.errors()[0]["ctx"]


@given(names, names, names)
def test_three_plain_names_are_a_table_name(catalog: str, schema: str, name: str):
    table = f"{catalog}.{schema}.{name}"
    assert check_table_name(table) == table
    assert quoted(table) == f"`{catalog}`.`{schema}`.`{name}`"


@given(names, names, names, st.characters(), st.integers(min_value=0))
def test_any_other_character_is_refused_as_a_table_name(
    catalog: str, schema: str, name: str, character: str, place: int
):
    table = f"{catalog}.{schema}.{name}"
    place %= len(table) + 1
    table = table[:place] + character + table[place:]
    parts = table.split(".")
    if len(parts) == 3 and all(PLAIN.fullmatch(p) for p in parts) and "None" not in parts:
        assert check_table_name(table) == table
    else:
        with pytest.raises(ValueError, match=r"three-level name|None"):
            check_table_name(table)


@given(st.text())
def test_no_text_gets_past_the_identifier_rules(text: str):
    if PLAIN.fullmatch(text) and text != "None":
        assert check_identifier(text) == text
    else:
        with pytest.raises(ValueError, match=r"plain name|None"):
            check_identifier(text)


@pytest.mark.parametrize(
    "table",
    [
        "planes",
        "flights.planes",
        "a.main.flights.planes",
        "main..planes",
        "main.flights.",
        "main.flights.../../etc",
        "main.flights.pla`nes",
        'main.flights."planes"',
        "main.flights.planes;drop",
        "main.flights.planes ",
        "main.flights.planes\n",
        "../main.flights.planes",
        "main.flüge.planes",
        "None.flights.planes",
        "",
        None,
        3,
    ],
)
def test_names_that_could_leave_the_warehouse_or_a_quoted_identifier_are_refused(table: Any):
    with pytest.raises(ValueError, match=r"three-level name|None"):
        check_table_name(table)


def test_the_table_error_names_the_rule():
    with pytest.raises(
        ValueError, match=r"three-level name: expected catalog\.schema\.name.*ML-01"
    ):
        check_table_name("planes")


@pytest.mark.parametrize("name", ["__split", "__as_of_planes", "prediction", "Prediction"])
def test_columns_that_ml_assets_adds_itself_are_refused(name: str):
    with pytest.raises(ValueError, match="rename the column"):
        check_column_name(name)


@pytest.mark.parametrize("name", ["class", "from", "lambda"])
def test_a_source_must_be_able_to_be_an_argument(name: str):
    with pytest.raises(ValueError, match=f"{name}_table"):
        check_argument_name(name)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3 hours", 10_800),
        ("1 hour", 3_600),
        ("90 minutes", 5_400),
        ("0.5 days", 43_200),
        (" 7 days ", 604_800),
        ("2 weeks", 1_209_600),
        ("30seconds", 30),
        ("0 seconds", 0),
        (timedelta(hours=1), 3_600),
    ],
)
def test_durations(text: Any, seconds: float):
    assert parse(Duration, text) == timedelta(seconds=seconds)


@given(st.timedeltas(timedelta(0), timedelta(days=36_500)))
def test_a_duration_survives_being_written(value: timedelta):
    assert parse(Duration, duration_text(value)) == value
    assert TypeAdapter(Duration).dump_python(value, mode="json") == duration_text(value)


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        ("3h", "write 3 hours"),
        ("1d", "write 1 day"),
        ("90 min", "write 90 minutes"),
        (3, "write it out, for example 3 hours, 90 minutes or 7 days"),
        ("3 months", "write it out, for example 3 hours, 90 minutes or 7 days"),
        ("-1 hours", "write it out, for example 3 hours, 90 minutes or 7 days"),
        (timedelta(-1), "write it out, for example 3 hours, 90 minutes or 7 days"),
        ("99999999999999 weeks", "write it out, for example 3 hours, 90 minutes or 7 days"),
        (True, "write it out, for example 3 hours, 90 minutes or 7 days"),
        (None, "write it out, for example 3 hours, 90 minutes or 7 days"),
    ],
)
def test_what_is_not_a_duration_gets_the_way_to_write_it(value: Any, fix: str):
    assert refused(Duration, value)["fix"] == fix


def test_import_paths_are_written_or_given_as_objects():
    assert parse(ImportPath, ".features.weather") == ".features.weather"
    assert parse(ImportPath, timedelta) == "datetime.timedelta"
    assert parse(ImportPath, a_function) == f"{__name__}.a_function"


@pytest.mark.parametrize("value", ["", ".", "a b", "os;x", "../x", "a..b", "features/weather.py"])
def test_what_is_not_an_import_path_is_refused(value: str):
    assert "leading dot" in refused(ImportPath, value)["fix"]


def test_a_lambda_cannot_be_found_by_another_process():
    assert "top level of a module" in refused(ImportPath, lambda: None)["fix"]


def test_an_object_without_a_name_is_refused_not_crashed_on():
    with pytest.raises(ValidationError):
        parse(ImportPath, functools.partial(a_function))


@pytest.mark.parametrize("kind", [Number, Count])
def test_true_is_not_a_number(kind: Any):
    assert refused(kind, True)["found"] == "true"


def test_a_number_from_an_environment_variable_is_text_and_still_a_number():
    assert parse(Number, "0.5") == 0.5
    assert parse(Count, "10") == 10
