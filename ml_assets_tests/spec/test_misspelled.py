"""Whatever field is misspelled wherever, the error names its place and the right spelling."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ml_assets.spec.errors import DeclarationError
from ml_assets.spec.findings import field_path
from ml_assets.spec.loader import load_spec, spec_from_mapping
from ml_assets.spec.model import ModelSpec
from ml_assets.spec.wording import names_of
from ml_assets_tests.spec.examples import at, declaration, document

Place = tuple[str | int, ...]


def fields(value: Any, place: Place = ()) -> Iterator[tuple[Place, list[str]]]:
    """List every field of the example, with the names that are allowed beside it."""
    if isinstance(value, BaseModel):
        allowed = names_of(type(value))
        for name, field in type(value).model_fields.items():
            yield (*place, field.alias or name), allowed
            yield from fields(getattr(value, name), (*place, field.alias or name))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from fields(item, (*place, name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from fields(item, (*place, index))


def written(place: Place) -> bool:
    try:
        at(declaration(), *place)
    except (KeyError, IndexError, TypeError):
        return False
    return True


FIELDS = [(p, a) for p, a in fields(ModelSpec(**declaration())) if written(p)]


@st.composite
def misspellings(draw: st.DrawFn) -> tuple[Place, str]:
    """One slip of the finger in one field: a letter missing, doubled, or exchanged."""
    place, allowed = draw(st.sampled_from([f for f in FIELDS if len(str(f[0][-1])) > 4]))
    word = str(place[-1])
    index = draw(st.integers(0, len(word) - 2))
    slip = draw(
        st.sampled_from(
            [
                word[:index] + word[index + 1 :],
                word[:index] + word[index] + word[index:],
                word[:index] + word[index + 1] + word[index] + word[index + 2 :],
            ]
        ).filter(lambda s: s not in allowed)
    )
    return place, slip


def misspelled(place: Place, slip: str) -> dict[str, Any]:
    mapping = declaration()
    parent = at(mapping, *place[:-1])
    entries = [(slip if k == place[-1] else k, v) for k, v in parent.items()]
    parent.clear()
    parent.update(entries)
    return mapping


def test_the_example_holds_every_kind_of_field():
    assert len(FIELDS) > 60


@given(misspellings())
def test_a_misspelled_field_is_refused_with_the_right_spelling(case: tuple[Place, str]):
    place, slip = case
    with pytest.raises(DeclarationError) as caught:
        spec_from_mapping(misspelled(place, slip), origin="x")
    where = f"x: {field_path((*place[:-1], slip))}"
    problem = next(p for p in caught.value.problems if p.where == where)
    assert problem.fix == f"write '{place[-1]}' (did you mean that?)"


@given(misspellings())
def test_a_misspelled_field_is_found_in_its_line(case: tuple[Place, str]):
    place, slip = case
    text = document(misspelled(place, slip))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "defs.yaml"
        file.write_text(text, encoding="utf-8")
        with pytest.raises(DeclarationError) as caught:
            load_spec(file)
    path = field_path(("attributes", *place[:-1], slip))
    problem = next(p for p in caught.value.problems if p.where.endswith(f": {path}"))
    line = int(problem.where.removeprefix(f"{file}:").split(":")[0])
    assert text.splitlines()[line - 1].strip(" -").startswith(f"{slip}:")


@given(
    st.sampled_from(sorted({p[:-1] for p, _ in FIELDS}, key=str)),
    st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), min_size=1),
)
def test_no_unknown_field_is_ever_accepted(parent: Place, word: str):
    mapping = declaration()
    allowed = next(a for p, a in FIELDS if p[:-1] == parent)
    if word in {*allowed, "cls"}:
        return
    at(mapping, *parent)[word] = 1
    with pytest.raises(DeclarationError) as caught:
        spec_from_mapping(mapping, origin="x")
    assert any(p.found == f"unknown field {word!r}" for p in caught.value.problems)
