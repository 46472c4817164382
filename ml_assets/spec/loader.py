"""Turn a ``defs.yaml`` or a mapping into a ``ModelSpec``, or say everything that is wrong."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ml_assets.spec.errors import closest
from ml_assets.spec.findings import Finding, as_error
from ml_assets.spec.imports import package_of
from ml_assets.spec.marks import marks
from ml_assets.spec.model import ModelSpec
from ml_assets.spec.owners import Find, Neighbours, among, with_reused
from ml_assets.spec.templates import render
from ml_assets.spec.wording import names_of, shown
from ml_assets.spec.yaml_file import YamlFile, read_yaml

#: The one path that a declaration names its component by: ``dg check yaml`` skips all others.
COMPONENT = "ml_assets.components.ModelComponent"
#: What Dagster allows at the top of a component file.
_TOP = ("type", "attributes", "template_vars_module", "requirements", "post_processing")
#: How pydantic marks that the key, not the value, of a mapping is wrong.
_KEY = "[key]"
_MISSING = "nothing: the field is missing"


def load_spec(
    path: str | os.PathLike[str],
    *,
    package: str | None = None,
    loading: tuple[str, ...] = (),
) -> ModelSpec:
    """Load the model that a ``defs.yaml`` declares.

    Parameters
    ----------
    path
        The file, or the folder that holds it.
    package
        The package that import paths with a leading dot start from. Without it, the package that
        the file's folder is, when Python can import it.
    loading
        The models whose declarations reuse from this one and wait for it.

    Raises
    ------
    DeclarationError
        With everything that is wrong, each with file, line and field.
    """
    file = Path(path)
    if file.is_dir():
        file = file / "defs.yaml"
    document = read_yaml(_text_of(file), str(file))
    problems = list(document.problems)
    spec = None
    if document.node is not None:
        attributes, around = _attributes(document)
        problems += around
        if attributes is not None:
            folder = file.resolve().parent
            find = Neighbours(folder, loading, _load_owner)
            spec, inside = _build(attributes, package or package_of(folder), find)
            problems += [_in_file(document, finding) for finding in inside]
    if spec is None or problems:
        raise as_error(str(file), problems)
    return spec


def _load_owner(file: Path, loading: tuple[str, ...]) -> ModelSpec:
    return load_spec(file, loading=loading)


def spec_from_mapping(
    mapping: Mapping[str, Any],
    *,
    origin: str,
    package: str | None = None,
    owners: Iterable[ModelSpec] = (),
) -> ModelSpec:
    """Build the model that a mapping of ``ModelSpec``'s fields declares.

    Parameters
    ----------
    mapping
        Plain values, as in YAML, or parts that are already built (``Label(...)``).
    origin
        What the errors call it.
    package
        The package that import paths with a leading dot start from.
    owners
        The models whose feature tables and sources it may reuse.

    Raises
    ------
    DeclarationError
        With everything that is wrong, each with its field.
    """
    spec, problems = _build(mapping, package, among({owner.name: owner for owner in owners}))
    if spec is None:
        raise as_error(origin, problems)
    return spec


def _build(mapping: Any, package: str | None, find: Find) -> tuple[ModelSpec | None, list[Finding]]:
    """Build the spec; it is None exactly when there are problems."""
    rendered, unset = render(mapping)
    if isinstance(find, Neighbours) and isinstance(rendered, dict):
        own = f"{rendered.get('project')}/{rendered.get('model')}"
        find = replace(find, loading=(*find.loading, own))
    rendered, reusing, judged = with_reused(rendered, find)
    unset += marks(mapping)
    if package is not None and isinstance(rendered, dict):
        rendered = {**rendered, "package": package}
    problems = [*reusing, *(Finding.of(place, kind.context or {}) for place, kind in unset)]
    known = {place for place, _ in unset}
    spec = None
    try:
        spec = ModelSpec.model_validate(rendered)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            place = tuple(step for step in details["loc"] if step != _KEY)
            # A template that was not replaced makes the value wrong too: say it once.
            if place not in known and place[:2] not in judged:
                problems.append(Finding.of(place, details["ctx"]))
    return (None if problems else spec), problems


def _in_file(document: YamlFile, finding: Finding) -> Finding:
    place = ("attributes", *finding.place)
    return replace(finding, place=place, line=document.line(place))


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        problem = Finding(
            (),
            found=f"the file cannot be read: {reason}",
            expected="a defs.yaml that declares a model",
            fix="correct the path, or make the file readable as UTF-8",
        )
        raise as_error(str(file), [problem]) from error


def _attributes(document: YamlFile) -> tuple[Any, list[Finding]]:
    """Check the component file around the declaration, and take the declaration out of it."""
    top = document.value
    if not isinstance(top, dict):
        expected = f"type: {COMPONENT} and attributes"
        return None, [Finding((), shown(top), expected, "write the fields as name: value", line=1)]
    problems = [_unknown_key(document, str(key)) for key in top if key not in _TOP]
    if top.get("type") != COMPONENT:
        found = shown(top["type"]) if "type" in top else _MISSING
        line, fix = document.line(("type",)), f"write type: {COMPONENT}"
        problems.append(Finding(("type",), found, COMPONENT, fix, line=line))
    if "attributes" in top:
        return {} if top["attributes"] is None else top["attributes"], problems
    fix = "write attributes: and the model's fields below it, indented"
    line, expected = document.line(()), "the fields of the model"
    return None, [*problems, Finding(("attributes",), _MISSING, expected, fix, line=line)]


def _unknown_key(document: YamlFile, word: str) -> Finding:
    match = closest(word, _TOP)
    fix = f"write {match!r} (did you mean that?)" if match else "remove it"
    if word in names_of(ModelSpec):
        fix = f"indent {word} below attributes:"
    expected = f"one of {', '.join(_TOP)}"
    line = document.line((word,))
    return Finding((word,), f"unknown field {word!r}", expected, fix, line=line)
