"""The files that are written: short, refused while marks are in them, and never over others."""

from __future__ import annotations

import contextlib
import re
import string
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ml_assets import cli
from ml_assets.drafting.draft import Wanted, draft_model
from ml_assets.drafting.files import write
from ml_assets.drafting.read import read_file
from ml_assets.drafting.sample import Column, Sample
from ml_assets.drafting.write_python import features_text
from ml_assets.drafting.write_yaml import yaml_text
from ml_assets.spec.errors import DeclarationError, SpecError
from ml_assets.spec.loader import load_spec, spec_from_mapping
from ml_assets_tests import tiny
from ml_assets_tests.drafting.tables import declare, fill, orders, stations, subscribers, tickets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHAPES = {"orders": orders, "stations": stations, "tickets": tickets}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_declaration_has_less_than_thirty_lines(shape: str, tmp_path: Path) -> None:
    folder, said = declare(SHAPES[shape](), tmp_path)
    count = len((folder / "defs.yaml").read_text().splitlines())
    assert count < 30
    assert f"defs.yaml ({count} lines)" in said


@pytest.mark.parametrize("shape", SHAPES)
def test_every_mark_is_refused_with_its_line_and_field(shape: str, tmp_path: Path) -> None:
    folder, said = declare(SHAPES[shape](), tmp_path)
    lines = (folder / "defs.yaml").read_text().splitlines()
    with pytest.raises(DeclarationError) as caught:
        load_spec(folder)
    problems = caught.value.problems
    assert len(problems) == sum(line.count("TODO:") for line in lines)
    assert f"the {len(problems)} marks TODO" in said
    for problem in problems:
        match = re.search(r"defs\.yaml:(\d+): attributes\.(\S+)", problem.where)
        assert match is not None
        assert "TODO:" in lines[int(match[1]) - 1]
        assert match[2].split(".")[-1] in lines[int(match[1]) - 1]
        assert "replace the whole text" in problem.fix


def test_one_mark_that_is_left_is_enough_to_refuse(tmp_path: Path) -> None:
    folder, _ = declare(orders(), tmp_path)
    fill(folder)
    spec = load_spec(folder)
    assert spec.name == "shop/returns"
    file = folder / "defs.yaml"
    file.write_text(file.read_text().replace("Known by", "In EUR. TODO: ask", 1))
    with pytest.raises(DeclarationError, match=r"expected: your own words: ask its owner"):
        load_spec(folder)


@pytest.mark.parametrize(
    ("text", "refused"),
    [("TODO", True), ("TODO: x", True), ("TODO lists of users", False), ("A TODO", False)],
)
def test_a_mark_is_told_from_a_word(text: str, refused: bool) -> None:
    mapping = {**tiny.mapping(), "description": text}
    if not refused:
        assert spec_from_mapping(mapping, origin="here").description == text
        return
    with pytest.raises(DeclarationError, match="description"):
        spec_from_mapping(mapping, origin="here")


def test_suspects_are_out_or_in_question(tmp_path: Path) -> None:
    folder, said = declare(orders(), tmp_path)
    text = (folder / "defs.yaml").read_text()
    assert "label_sources: [is_returned, refund, closed_at]" in text
    assert "visits_after: {comment: 'TODO: known before? its name says" in text
    assert "May reveal is_returned:" in said
    assert re.search(r"refund: tells .* \(not a feature\)", said)


def test_names_that_sql_and_python_refuse_are_replaced(tmp_path: Path) -> None:
    folder, _ = declare(tickets(), tmp_path)
    fill(folder)
    spec = load_spec(folder)
    assert spec.features == ("Words_Text", "prediction_value", "Product")
    assert spec.label.keys == ("Ticket_No",)


def test_the_files_pass_the_project_s_own_linter(tmp_path: Path) -> None:
    for shape, make in SHAPES.items():
        declare(make(), tmp_path / "ml_assets" / "defs", f"shop/{shape}")
    root = cli.Path(cli.__file__).parents[1]
    (tmp_path / "pyproject.toml").write_text((root / "pyproject.toml").read_text())
    for arguments in (["check", "--ignore", "S108"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, "ml_assets"],
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder, _ = declare(orders(), tmp_path)
    before = {f.name: f.read_text() for f in folder.iterdir()}
    with pytest.raises(SpecError, match=r"defs\.yaml, features\.py, sources\.py in"):
        declare(tickets(), tmp_path)
    assert {f.name: f.read_text() for f in folder.iterdir()} == before
    (folder / "defs.yaml").unlink()
    with pytest.raises(SpecError, match=r"found:    features\.py, sources\.py in"):
        declare(tickets(), tmp_path)


def test_a_table_that_exists_needs_no_seed(
    platform: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    platform.tables.seed("main.raw.orders", orders, "All orders of the shop")
    monkeypatch.setattr(cli, "__file__", str(tmp_path / "cli.py"))
    assert cli.main(["new", "shop/returns", "--from", "main.raw.orders"]) == 0
    folder = tmp_path / "defs/shop/returns"
    assert "Replace the" in capsys.readouterr().out
    assert sorted(f.name for f in folder.iterdir()) == ["defs.yaml", "features.py"]
    fill(folder)
    spec = load_spec(folder)
    assert spec.sources["orders"].seed is None
    assert spec.sources["orders"].description == "All orders of the shop"
    assert spec.registered_model == "main.models.returns"


def test_times_that_can_be_read_in_two_ways_are_said(tmp_path: Path) -> None:
    frame = orders().drop(columns=["closed_at"])
    both = frame.assign(ordered_at=[f"{1 + i % 12:02d}/{1 + i % 11:02d}/2024" for i in range(600)])
    _, said = declare(both, tmp_path, "shop/two")
    assert "event time  ordered_at read as %m/%d/%Y; it could be %d/%m/%Y" in said
    one = frame.assign(ordered_at=[f"{1 + i % 28:02d}/{1 + i % 11:02d}/2024" for i in range(600)])
    _, said = declare(one, tmp_path, "shop/one")
    assert "event time  ordered_at\n" in said


def test_names_that_yaml_takes_for_values_stay_names(tmp_path: Path) -> None:
    """YAML reads yes, no, on, off, true and null as something else."""
    frame = orders().rename(columns={"price": "on", "visits_after": "False"})
    folder, _ = declare(frame, tmp_path, "yes/off")
    fill(folder)
    spec = load_spec(folder)
    assert spec.name == "yes/off"
    assert {"on", "False"} <= set(spec.features)


def test_half_a_model_is_not_left_behind(tmp_path: Path) -> None:
    file = tmp_path / "orders.parquet"
    orders(50).to_parquet(file)
    draft = draft_model("shop/returns", read_file(str(file), "shop"))
    folder = tmp_path / "shop" / "returns"
    (folder / "sources.py").mkdir(parents=True)  # "x" cannot open it
    with pytest.raises(SpecError, match="the folder cannot be written"):
        write(draft, folder)
    assert [f.name for f in folder.iterdir()] == ["sources.py"]


def test_what_a_catalog_says_is_text_and_no_code() -> None:
    """Names, values and comments of a table are other people's: none becomes YAML or Python."""
    frame = orders(80)[["order_id", "ordered_at", "price", "visits_after"]]
    odd = frame.assign(**{"a\"b'c": frame["price"], "late\n  x: y": ['it\'s "so"', "no"] * 40})
    types = ["string", "timestamp", "double", "bigint", "double", "string"]
    comments = ["", "", "{{ env('HOME') }}", "{% raw", "two\nlines", ""]
    columns = tuple(map(Column, odd.columns, types, comments))
    sample = Sample("main.raw.orders", columns, odd, description="{{ env.HOME }}")
    draft = draft_model("shop/returns", sample, Wanted(label="late\n  x: y"))
    compile(features_text(draft), "features.py", "exec")
    declared = yaml.safe_load(yaml_text(draft))["attributes"]
    assert declared["model_type"] == "binary_classification"
    assert "{{" not in yaml_text(draft)
    assert "{%" not in yaml_text(draft)
    assert declared["feature_tables"][0]["columns"]["a_b_c"]["comment"] == "two lines"


def test_the_command_line_refuses_with_a_fix_and_no_traceback(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["new", "shop", "--from", "a.b.c"]) == 1
    assert "expected: PROJECT/MODEL" in capsys.readouterr().err
    assert cli.main(["new", "flight_ops/arrival_delay", "--from", "a.b.c"]) == 1
    assert "nothing is ever overwritten" in capsys.readouterr().err
    assert cli.main(["new", "shop/churn", "--from", "shop.raw.orders"]) == 1
    assert f"no such table in {home / 'warehouse'}" in capsys.readouterr().err


NAMES = st.text(
    st.sampled_from(string.ascii_letters + string.digits + " _-/%'\"äß:#,{}[]"),
    min_size=1,
    max_size=12,
)
KINDS = ["whole", "number", "boolean", "text", "free", "constant", "gaps", "time"]


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(NAMES, min_size=4, max_size=9, unique_by=lambda n: n.lower()),
    kinds=st.lists(st.sampled_from(KINDS), min_size=9, max_size=9),
    seed=st.integers(0, 1000),
)
def test_a_declaration_of_any_small_table_loads_when_its_marks_are_filled(
    names: list[str], kinds: list[str], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    frame = _random_table(names, kinds, seed)
    root = tmp_path_factory.mktemp("random")
    folder = root / "lab/trial"
    with contextlib.suppress(SpecError):  # no key, nothing to predict, nothing to predict from
        declare(frame, root, "lab/trial")
    assume(folder.exists())
    with pytest.raises(DeclarationError, match="a mark that waits for you"):
        load_spec(folder)
    fill(folder)
    spec = load_spec(folder)
    assert spec.features
    for code in folder.glob("*.py"):
        compile(code.read_text(), str(code), "exec")


def _random_table(names: list[str], kinds: list[str], seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = int(rng.choice([3, 30, 80]))
    start = pd.Timestamp("2024-01-01")
    steps = {"regular": np.arange(rows), "irregular": np.arange(rows) ** 2 % 1009}
    at = start + pd.to_timedelta(steps[rng.choice(list(steps))], unit="h")
    makers = {
        "whole": lambda: rng.integers(0, rng.choice([2, 4, 1000]), rows),
        "number": lambda: rng.normal(size=rows),
        "boolean": lambda: rng.random(rows) < 0.4,
        "text": lambda: rng.choice(["x", "y: z", "it's, {ok}", "#1", "yes"], rows),
        "free": lambda: [f"note {i} of {rng.random()}" for i in range(rows)],
        "constant": lambda: np.full(rows, "same"),
        "gaps": lambda: np.where(rng.random(rows) < 0.5, np.nan, rng.normal(size=rows)),
        "time": lambda: at + pd.to_timedelta(rng.integers(0, 99, rows), unit="min"),
    }
    first, second, *rest = names
    columns: dict[str, Any] = {first: at, second: np.arange(rows) + 10}
    columns |= {name: makers[kind]() for name, kind in zip(rest, kinds, strict=False)}
    return pd.DataFrame(columns)


@pytest.mark.parametrize("make", [orders, stations, tickets, subscribers])
def test_what_is_written_has_under_30_lines(
    make: Callable[[], pd.DataFrame], tmp_path: Path
) -> None:
    folder, _ = declare(make(), tmp_path)
    lines = (folder / "defs.yaml").read_text("utf-8").splitlines()
    assert len([x for x in lines if x.strip() and not x.strip().startswith("#")]) < 30
