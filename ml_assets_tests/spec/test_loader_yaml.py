"""What YAML accepts silently, and templates."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_assets.spec.errors import DeclarationError
from ml_assets.spec.loader import load_spec, spec_from_mapping
from ml_assets_tests.spec.examples import WRITTEN, changed, document, line_of, only, written

# --- YAML itself -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "null\n"])
def test_an_empty_file_is_refused(file: Path, text: str):
    problem = only(file, text)
    assert (problem.where, problem.found) == (f"{file}:1", "an empty file")


@pytest.mark.parametrize(
    ("text", "line", "fix"),
    [
        ("a: 1\n\tb: 2\n", 2, "indent with spaces"),
        ("a: 1\nb: {{ env.X }}.c\n", 2, "put quotes around the template"),
        ("a: 1\nb: @daily\n", 2, "put quotes around a value that starts with a sign"),
        ("a: 1\nb: * * * * *\n", 2, "put quotes around a value that starts with a sign"),
        ("a: 1\nb: text: more\n", 2, "put quotes around a text that holds a colon"),
        ("a: [1, 2\nb: 3\n", 2, "correct the line, or the one above it"),
        ("a: 1\nb: *unknown\n", 2, "put quotes around a value that starts with a sign"),
        ("a: 1\nb: !!python/name:os.system x\n", 2, "put quotes around"),
        ("a: 1\nb: !!int x\n", 2, ""),
        ("a: 1\nb: 'open\n", 2, ""),
        ("a: \x00\n", 1, ""),
        ("a: " + "[" * 5000, 1, ""),
    ],
)
def test_a_syntax_error_names_line_and_text(file: Path, text: str, line: int, fix: str):
    problem = only(file, text)
    where, _, number = problem.where.rpartition(":")
    assert where == str(file)
    assert fix in problem.fix
    assert int(number) in {line, line + 1} or not fix


def test_a_template_without_quotes_is_explained(file: Path):
    problem = only(file, written("project: flight_ops", "project: {{ env.PROJECT }}"))
    assert problem.fix == 'put quotes around a template: "{{ env.NAME }}"'
    assert problem.where == f"{file}:3: attributes.project"


@pytest.mark.parametrize("word", ["on", "no", "yes", "off"])
def test_a_name_that_yaml_reads_as_a_boolean_is_refused(file: Path, word: str):
    text = written("seats: {comment", f"{word}: {{comment")
    problem = only(file, text)
    assert problem.where == f"{file}:33: attributes.feature_tables[1].columns.{word}"
    assert problem.fix == f"put it in quotes: '{word}'"


def test_a_value_that_contains_itself_is_refused(file: Path):
    problem = only(file, "type: x\nattributes: &a\n  params: [1, *a]\n")
    assert "contains itself" in problem.found


def test_anchors_and_merged_mappings_work_and_keep_their_lines(file: Path):
    text = written(
        "condition: {comment: Clear or rain, default: unknown}",
        "condition: &base {comment: Clear or rain, default: unknown}\n"
        "        haze: {<<: *base, comment: Haze}",
    )
    file.write_text(text, encoding="utf-8")
    column = load_spec(file).feature_tables[0].columns["haze"]
    assert (column.comment, column.default) == ("Haze", "unknown")
    wrong = text.replace("<<: *base, comment", "<<: *base, coment")
    assert only(file, wrong).where.startswith(f"{file}:{line_of(wrong, 'haze')}: ")


def test_a_number_with_an_exponent_is_a_number(file: Path):
    file.write_text(written("max_iter: 50", "l2: 1e-3"), encoding="utf-8")
    assert load_spec(file).estimator.params["l2"] == 0.001


def test_several_models_in_one_file_are_refused(file: Path):
    problem = only(file, f"{WRITTEN}---\n{WRITTEN}")
    assert "2 documents" in problem.found
    assert problem.where.startswith(f"{file}:{WRITTEN.count(chr(10)) + 2}")


# --- templates -------------------------------------------------------------------------------


def test_environment_variables_are_filled_in(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CATALOG", "prod")
    monkeypatch.delenv("SCHEMA_NOT_SET", raising=False)
    text = written(
        "registered_model: main.flights.arrival_delay",
        "registered_model: \"{{ env.CATALOG }}.{{ env('SCHEMA_NOT_SET', 'flights') }}.m\"",
    ).replace("replay_rows: 100", "replay_rows: \"{{ env('ROWS_NOT_SET', '7') }}\"")
    file.write_text(text, encoding="utf-8")
    spec = load_spec(file)
    assert spec.registered_model == "prod.flights.m"
    assert spec.thresholds.replay_rows == 7


@pytest.mark.parametrize(
    "template",
    ["{{ catalog }}", "{{ env['X'] }}", "{{ dg.eager() }}", "{% if x %}a{% endif %}", "a {{ b"],
)
def test_other_templates_are_refused_in_any_text(file: Path, template: str):
    text = document(changed(f"x {template} y", "description"))
    problem = only(file, text)
    assert problem.where.endswith("attributes.description")
    assert "no template but {{ env.NAME }}" in problem.expected


def test_none_from_an_unset_variable_is_refused_in_python_too():
    with pytest.raises(DeclarationError, match=r"unset \{\{ env\.X \}\} becomes None"):
        spec_from_mapping(changed("None.flights.x", "training_set"), origin="here")
