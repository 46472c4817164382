from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from dagster_shared.yaml_utils import parse_yaml_with_source_position

from ml_assets.spec.errors import DeclarationError
from ml_assets.spec.label import Label
from ml_assets.spec.loader import COMPONENT, load_spec, spec_from_mapping
from ml_assets.spec.model import ModelSpec
from ml_assets_tests.spec.examples import (
    DECLARATION,
    WRITTEN,
    changed,
    declaration,
    document,
    only,
    problems,
    written,
)


def test_a_right_file_loads(file: Path):
    file.write_text(WRITTEN, encoding="utf-8")
    assert load_spec(file) == ModelSpec(**declaration())
    assert load_spec(str(file)) == load_spec(file.parent)


def test_what_dagster_allows_beside_the_declaration_is_tolerated(file: Path):
    text = (
        WRITTEN + "requirements: {env: [HOME]}\ntemplate_vars_module: .vars\npost_processing: {}\n"
    )
    file.write_text(text, encoding="utf-8")
    assert load_spec(file).name == "flight_ops/arrival_delay"


def test_yaml_is_read_as_dagster_reads_it(file: Path):
    text = written("threshold: 15", "threshold: 15\n    technical: 2013-01-01")
    file.write_text(text, encoding="utf-8")
    attributes = parse_yaml_with_source_position(text).value["attributes"]
    assert ModelSpec(**attributes) == load_spec(file)


def test_the_package_is_the_folder_s_when_python_can_import_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "shop" / "defs" / "spender"
    folder.mkdir(parents=True)
    (tmp_path / "shop" / "__init__.py").touch()
    (folder / "defs.yaml").write_text(WRITTEN, encoding="utf-8")
    assert load_spec(folder).package is None
    monkeypatch.syspath_prepend(tmp_path)
    assert load_spec(folder).package == "shop.defs.spender"
    assert load_spec(folder, package="mine").package == "mine"


# --- the texts, as a person reads them -------------------------------------------------------


TEXTS: list[tuple[str, str, str]] = [
    (
        "threshold: 15",
        "treshold: 15",
        """
        defs.yaml:42: attributes.label.treshold
          found:    unknown field 'treshold'
          expected: one of table, transform, sources, business, technical, tags, name, keys, \
event_time, column, threshold, classes, horizon, label_sources
          fix:      write 'threshold' (did you mean that?)
        """,
    ),
    (
        "wind_speed: {comment: Miles per hour, default: 0.0}",
        "wind_speed: {comment: Miles per hour, defalt: 0.0}",
        """
        defs.yaml:23: attributes.feature_tables[0].columns.wind_speed.defalt
          found:    unknown field 'defalt'
          expected: one of comment, default, max_repaired, max_drift
          fix:      write 'default' (did you mean that?)
        """,
    ),
    (
        "  event_time: scheduled_at\n",
        "\n",
        """
        [ml06_future_feature] defs.yaml:34: attributes.label.event_time
          found:    nothing: the field is missing
          expected: UTC timestamp column: the as-of time, the moment a row is scored for
          fix:      add event_time: scheduled_at
        """,
    ),
    (
        "table: main.flights.planes",
        "table: main.flights.../../planes",
        """
        [ml01_table_registered] defs.yaml:28: attributes.feature_tables[1].table
          found:    'main.flights.../../planes'
          expected: a three-level name: catalog.schema.name, each part of letters, digits and \
underscores
          fix:      write all three parts, without quotes or spaces, for example main.flights.planes
        """,
    ),
    (
        "sources: [weather]",
        "sources: [wether]",
        """
        defs.yaml:15: attributes.feature_tables[0].sources[0]
          found:    'wether', which is not declared under sources
          expected: one of flights, weather
          fix:      write 'weather' (did you mean that?)
        """,
    ),
    (
        "on_single_class: fail",
        "on_single_class: skipp",
        """
        [ml05_not_single_class] defs.yaml:58: attributes.on_single_class
          found:    'skipp'
          expected: one of skip, fail
          fix:      write 'skip' (did you mean that?)
        """,
    ),
    (
        "roc_auc: {min: 0.6}",
        "rocauc: {min: 0.6}",
        """
        [promotion_absolute] defs.yaml:51: attributes.gates.rocauc
          found:    'rocauc'
          expected: one of roc_auc, pr_auc, log_loss, brier, accuracy, balanced_accuracy, f1_macro, roc_auc_ovr, calibration_error, rmse, mae, median_ae, r2, anomaly_share, precision, recall
          fix:      write 'roc_auc' (did you mean that?)
        """,
    ),
    (
        "lookback: 3 hours",
        "lookback: 3h",
        """
        [ml06_future_feature] defs.yaml:21: attributes.feature_tables[0].lookback
          found:    '3h'
          expected: a duration: a number and seconds, minutes, hours, days or weeks
          fix:      write 3 hours
        """,
    ),
    (
        "schedule: 0 6 * * mon-fri",
        "schedule: 0 6 * *",
        """
        defs.yaml:59: attributes.schedule
          found:    '0 6 * *' with 4 fields
          expected: five fields: minute, hour, day of the month, month, day of the week
          fix:      write for example 0 6 * * * (every day at 06:00 UTC)
        """,
    ),
    (
        "owners: [team:flight-ops, ops@example.com]",
        "owners: [flight-ops]",
        """
        defs.yaml:7: attributes.owners[0]
          found:    'flight-ops'
          expected: an e-mail address or team:name
          fix:      write team:flight-ops
        """,
    ),
    (
        "name: planes",
        "name: input",
        """
        defs.yaml:27: attributes.feature_tables[1].name
          found:    'input'
          expected: a name that neither Dagster nor Python keeps for itself
          fix:      rename it, for example input_model or input_table
        """,
    ),
    (
        "registered_model: main.flights.arrival_delay",
        'registered_model: "{{ env.CATALOG_THAT_IS_NOT_SET }}.flights.arrival_delay"',
        """
        defs.yaml:6: attributes.registered_model
          found:    {{ env.CATALOG_THAT_IS_NOT_SET }}, but the environment variable \
CATALOG_THAT_IS_NOT_SET is not set
          expected: a variable that is set, or a default
          fix:      set CATALOG_THAT_IS_NOT_SET, or write \
{{ env('CATALOG_THAT_IS_NOT_SET', 'default') }}
        """,
    ),
    (
        "  min_coverage: 0.9\n",
        "  min_coverage: 90\n",
        """
        [ml03_lookup_coverage] defs.yaml:26: attributes.feature_tables[0].min_coverage
          found:    90
          expected: a number not above 1
          fix:      write for example min_coverage: 0.95
        """,
    ),
    (
        "  business: Shown to dispatchers\n",
        "  business: Shown\n    keys: .features.other\n",
        """
        defs.yaml:58: attributes.scoring.keys
          found:    'keys' a second time (first in line 55)
          expected: each name once: YAML would silently keep the last
          fix:      remove or rename one of them
        """,
    ),
]


@pytest.mark.parametrize(("old", "new", "text"), TEXTS, ids=[t[1].strip()[:30] for t in TEXTS])
def test_errors_teach(file: Path, old: str, new: str, text: str):
    problem = only(file, written(old, new))
    expected = dedent(text.replace("\\\n", "")).strip()
    assert str(problem).replace(str(file), "defs.yaml") == expected


def test_every_problem_is_listed_in_the_order_of_the_file(file: Path):
    text = (
        WRITTEN.replace("on_single_class: fail", "on_single_class: maybe")
        .replace("default: 0.0", "default: .nan")
        .replace("{max: 0.7, beat_baseline: true}", "{}")
        .replace("embargo: 2 days", "embargo: 2")
        .replace("threshold: 15", "threshold: high")
    )
    found = problems(file, text)
    lines = [int(p.where.split(":")[1]) for p in found]
    assert lines == sorted(lines)
    assert [p.where.partition(": ")[2] for p in found] == [
        "attributes.feature_tables[0].columns.wind_speed.default",
        "attributes.label.threshold",
        "attributes.split.embargo",
        "attributes.gates.log_loss",
        "attributes.on_single_class",
    ]


@pytest.mark.parametrize(
    ("old", "new", "fix"),
    [
        ("owners: [team:flight-ops, ops@example.com]", "owners: ops@example.com", "[ops@exam"),
        ("{domain: flights, model: arrival_delay}", "{domain: 7}", "put it in quotes"),
        ("threshold: 15", "threshold: true", "write a number"),
        ("threshold: 15", "threshold: [15]", "write for example threshold: 15"),
        ("replay_rows: 100", "replay_rows: 1.5", "write for example replay_rows: 1000"),
        ("beat_baseline: true", "beat_baseline: maybe", "write for example beat_baseline: false"),
        ("params: {max_iter: 50, class_weight: {0: 1, 1: 4}}", "params: 3", "{n_estimators: 200"),
        ("description: Will the flight", "description: no #", "reads yes, no, on and off"),
        ("  class: sklearn", "  class: a sklearn", "leading dot"),
        ("{comment: Seats, default: 0}", "3", "write it as field: value"),
        ("{comment: Inches, default: 0}", "{default: [0]}", "one plain value"),
        ("  column: arr_delay\n", "  column: None\n", "set the environment variable"),
        ("  column: arr_delay\n", "  column:\n", "write for example column: arr_delay"),
        ("seats: {", "__split: {", "rename the column"),
        ("precip: {", '"wind speed": {', "for example wind_speed"),
    ],
)
def test_wrong_values_get_their_fix(file: Path, old: str, new: str, fix: str):
    assert fix in only(file, written(old, new)).fix


# --- around the declaration ------------------------------------------------------------------


def test_a_missing_or_unreadable_file_is_an_error_of_its_own(file: Path, tmp_path: Path):
    with pytest.raises(DeclarationError, match="No such file"):
        load_spec(file)
    with pytest.raises(DeclarationError, match=r"defs\.yaml"):
        load_spec(tmp_path)
    file.write_bytes(b"type: \xff\xfe")
    with pytest.raises(DeclarationError, match="not UTF-8"):
        load_spec(file)


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n", "3\n"])
def test_a_file_that_is_no_mapping_is_refused(file: Path, text: str):
    assert COMPONENT in only(file, text).expected


@pytest.mark.parametrize("kind", ["ml_assets.ModelComponent", "dagster.DefsFolderComponent", ""])
def test_only_one_path_names_the_component(file: Path, kind: str):
    problem = only(file, WRITTEN.replace(COMPONENT, kind))
    assert problem.where == f"{file}:1: type"
    assert problem.fix == f"write type: {COMPONENT}"


def test_fields_outside_attributes_are_explained(file: Path):
    text = f"type: {COMPONENT}\n" + DECLARATION
    found = problems(file, text)
    assert any(p.fix == "indent label below attributes:" for p in found)
    assert any(p.where.endswith(": attributes") for p in found)


def test_a_misspelled_attributes_is_recognized(file: Path):
    found = problems(file, WRITTEN.replace("attributes:", "atributes:"))
    assert found[0].fix == "write attributes: and the model's fields below it, indented"
    assert found[1].fix == "write 'attributes' (did you mean that?)"


def test_empty_attributes_list_every_field_that_is_needed(file: Path):
    found = problems(file, f"type: {COMPONENT}\nattributes:\n")
    required = {n for n, f in ModelSpec.model_fields.items() if f.is_required()}
    assert {p.where.split("attributes.")[1] for p in found} == required


# --- from Python -----------------------------------------------------------------------------


def test_a_mapping_gives_the_same_spec_as_the_file(file: Path):
    file.write_text(document(declaration()), encoding="utf-8")
    assert spec_from_mapping(declaration(), origin="x") == load_spec(file)
    assert spec_from_mapping(declaration(), origin="x", package="p").package == "p"


def test_parts_may_be_built_already():
    label = Label(**declaration()["label"], tags={"domain": "flights", "model": "arrival_delay"})
    assert spec_from_mapping(changed(label, "label"), origin="x").label is label


@pytest.mark.parametrize("mapping", [None, 3, [], "text"])
def test_what_is_no_mapping_is_refused(mapping: Any):
    with pytest.raises(DeclarationError, match="a mapping with the fields project, model"):
        spec_from_mapping(mapping, origin="flights.py")


@pytest.mark.parametrize(("old", "new"), [t[:2] for t in TEXTS[:-1]])
def test_a_mapping_gives_the_same_errors_without_lines(file: Path, old: str, new: str):
    text = written(old, new)
    in_file = only(file, text)
    with pytest.raises(DeclarationError) as caught:
        spec_from_mapping(yaml.safe_load(text)["attributes"], origin="flights.py")
    place = in_file.where.split(": attributes.")[1]
    assert [p.where for p in caught.value.problems] == [f"flights.py: {place}"]
    assert re.sub(r"^.*\n", "", str(in_file)) == re.sub(r"^.*\n", "", str(caught.value))
