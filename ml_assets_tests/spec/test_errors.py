from __future__ import annotations

import pickle

import pytest

from ml_assets.spec.errors import (
    ConcurrentWriteError,
    DataError,
    DeclarationError,
    LibraryError,
    MlAssetsError,
    SpecError,
    StorageError,
    TrainingError,
    did_you_mean,
)


def problem(field: str, rule: str | None = None) -> SpecError:
    return SpecError(field, found="a", expected="b", fix="c", rule=rule)


def test_an_error_says_one_fact_a_line_and_names_the_check():
    assert str(problem("label", "ml05_binary_labels")) == (
        "[ml05_binary_labels] label\n  found:    a\n  expected: b\n  fix:      c"
    )


@pytest.mark.parametrize(
    "kind",
    [SpecError, DataError, StorageError, ConcurrentWriteError, TrainingError, LibraryError],
)
def test_errors_survive_pickling(kind: type[MlAssetsError]):
    error = kind("w", found="f", expected="e", fix="x", rule="r")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert (copy.where, copy.rule) == ("w", "r")


def test_one_problem_is_shown_as_itself():
    error = DeclarationError("defs.yaml", [problem("defs.yaml:3: label", "ml05_binary_labels")])
    assert str(error) == str(error.problems[0])
    assert (error.where, error.rule) == ("defs.yaml:3: label", "ml05_binary_labels")


def test_several_problems_are_all_listed_and_survive_pickling():
    error = DeclarationError("defs.yaml", [problem("x"), problem("y")])
    assert str(error).splitlines()[0] == "defs.yaml: 2 problems"
    assert str(problem("x")) in str(error)
    assert str(problem("y")) in str(error)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert str(copy) == str(error)
    assert isinstance(copy, SpecError)


def test_suggestions_do_not_depend_on_case():
    assert did_you_mean("TRESHOLD", ["threshold"]) == " (did you mean 'threshold'?)"
    assert did_you_mean("label", ["threshold"]) == ""
