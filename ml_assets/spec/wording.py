"""Our words for what pydantic finds wrong: found, expected, fix, rule.

Every problem that leaves a declared model is a pydantic error of the type ``ml_assets`` whose
context holds those four texts, so that a person reads the same sentences whether a model was
declared in YAML or in Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from ml_assets.spec.errors import closest, did_you_mean
from ml_assets.spec.findings import Place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

KIND = "ml_assets"
#: The key of ``json_schema_extra`` that names the check which a field belongs to.
CHECK = "x-check"
#: Says, of a field that may be left out, what it follows from then.
DERIVED = "x-derived"
#: Marks a field that the loader sets, never the author of a file.
SET_BY_LOADER = "x-set-by-loader"
_LONGEST = 80

Details = Mapping[str, Any]
Words = tuple[str, str]


def refusal(
    found: str, *, expected: str, fix: str, rule: str | None = None, message: str | None = None
) -> PydanticCustomError:
    """Build the error that a validator raises. It is a ``ValueError`` with one sentence as text.

    >>> raise refusal("'a b'", expected="a plain name", fix="remove the space")
    Traceback (most recent call last):
    ...
    pydantic_core._pydantic_core.PydanticCustomError: 'a b'; expected a plain name; remove the space
    """
    text = message or f"{found}; expected {expected}; {fix}"
    facts = {"found": found, "expected": expected, "fix": fix, "rule": rule}
    return PydanticCustomError(KIND, "{message}", {"message": text, **facts})


def refuse(title: str, problems: Iterable[tuple[Place, PydanticCustomError]]) -> None:
    """Raise all problems at once, each with its own place; do nothing when there is none.

    Raises
    ------
    ValidationError
        With one entry for each problem.
    """
    lines = [InitErrorDetails(type=kind, loc=loc, input=None) for loc, kind in problems]
    if lines:
        raise ValidationError.from_exception_data(title, lines)


def taught(model: type[BaseModel], error: ValidationError) -> ValidationError:
    """Put every problem that pydantic found in ``model`` into our words."""
    lines = []
    for details in error.errors(include_url=False):
        if details["type"] == KIND:
            kind = PydanticCustomError(KIND, "{message}", _with_rule(model, details))
        elif _is_an_echo(details):
            continue
        else:
            kind = _in_our_words(model, details)
        lines.append(InitErrorDetails(type=kind, loc=details["loc"], input=details["input"]))
    return ValidationError.from_exception_data(model.__name__, lines)


def names_of(model: type[BaseModel]) -> list[str]:
    """List a model's fields by the names that a user writes."""
    fields = model.model_fields.items()
    return [field.alias or name for name, field in fields if not _set_by_loader(field)]


def _set_by_loader(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return isinstance(extra, dict) and SET_BY_LOADER in extra


def shown(value: object) -> str:
    """Show a value as its author would recognize it.

    >>> shown(None), shown(True), shown("x"), shown([]), shown({"a": 1})
    ('nothing (null)', 'true', "'x'", 'an empty list', 'a mapping with a')
    """
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        text = repr(value)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    if isinstance(value, Mapping):
        return f"a mapping with {', '.join(map(str, value))}" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    return f"a Python object of type {type(value).__name__}"


def inline(value: object) -> str:
    """Write a value as YAML on one line.

    >>> inline(["origin", "dest"]), inline("3 hours"), inline("#1")
    ('[origin, dest]', '3 hours', "'#1'")
    """
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return text.strip().removesuffix("...").strip()


def summary(field: FieldInfo) -> str:
    """Take the first sentence of a field's description, without its full stop."""
    text = " ".join((field.description or "").split())
    return re.split(r"\.(?:\s|$)", text, maxsplit=1)[0]


def _with_rule(model: type[BaseModel], details: ErrorDetails) -> dict[str, Any]:
    """Name the field's check where the validator named none; "" stops outer models from it."""
    facts = details["ctx"]
    if facts["rule"] is not None:
        return facts
    return facts | {"rule": _rule(_field(model, details["loc"])[1]) or ""}


def _is_an_echo(details: ErrorDetails) -> bool:
    """Pydantic calls a list too short when its entries were refused; only those matter then."""
    if details["type"] != "too_short":
        return False
    given = details["input"]
    return hasattr(given, "__len__") and len(given) >= details["ctx"]["min_length"]


def _in_our_words(model: type[BaseModel], details: ErrorDetails) -> PydanticCustomError:
    kind, loc = details["type"], details["loc"]
    name, field = _field(model, loc)
    if kind == "extra_forbidden":
        return _unknown_field(str(loc[-1]), names_of(model))
    rule = _rule(field)
    if field is not None and kind == "missing":
        expected = summary(field) or f"the field {name}"
        return refusal(
            "nothing: the field is missing",
            expected=expected,
            fix=f"add {_sample(name, field)}",
            rule=rule,
            message=f"the field {name} is missing ({expected})",
        )
    if not loc:
        expected = f"a mapping with the fields {', '.join(names_of(model))}"
        return refusal(shown(details["input"]), expected=expected, fix="write it as field: value")
    expected, fix = _words(details)
    if not fix and field is not None and len(loc) == 1:
        fix = f"write for example {_sample(name, field)}"
    return refusal(shown(details["input"]), expected=expected, fix=fix or "correct it", rule=rule)


def _unknown_field(word: str, allowed: list[str]) -> PydanticCustomError:
    match = closest(word, allowed)
    listed = ", ".join(allowed)
    fix = f"write {match!r} (did you mean that?)" if match else "remove it"
    if not match and " " in word:
        fix = "put the text before it in quotes (within braces a comma ends it), or remove it"
    return refusal(
        f"unknown field {word!r}",
        expected=f"one of {listed}",
        fix=fix,
        rule="",  # of no check, also not of the field that it stands in
        message=f"unknown field {word!r}{did_you_mean(word, allowed)}; allowed: {listed}",
    )


def _field(model: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[str, FieldInfo | None]:
    """Find the field that a place inside ``model`` belongs to; its location says the alias."""
    if not loc:
        return "", None
    for name, field in model.model_fields.items():
        if loc[0] in {name, field.alias}:
            return field.alias or name, field
    return str(loc[0]), None


def _rule(field: FieldInfo | None) -> str | None:
    extra = field.json_schema_extra if field is not None else None
    value = extra.get(CHECK) if isinstance(extra, dict) else None
    return str(value) if value else None


def _sample(name: str, field: FieldInfo) -> str:
    """Write the field as it could stand in the file."""
    if field.examples:
        return f"{name}: {inline(field.examples[0])}"
    if isinstance(field.default, str | int | float) and field.default != "":
        return f"{name}: {inline(field.default)}"
    return f"{name}: …"


def _words(details: ErrorDetails) -> Words:
    """Say what was expected and what to do, by pydantic's type of error."""
    if (found := _BY_TYPE.get(details["type"])) is not None:
        return found(details["input"], details.get("ctx", {}))
    return details["msg"].removeprefix("Value error, "), ""


def _text(value: object, _: Details) -> Words:
    if isinstance(value, bool):
        return "text", "put it in quotes: YAML reads yes, no, on and off as true and false"
    return "text", "put it in quotes" if isinstance(value, int | float) else ""


def _choice(value: object, context: Details) -> Words:
    allowed = re.findall(r"'([^']*)'", str(context["expected"]))
    match = closest(str(value), allowed)
    fix = f"write {match!r} (did you mean that?)" if match else "choose one of them"
    return f"one of {', '.join(allowed)}", fix


def _list(value: object, _: Details) -> Words:
    if isinstance(value, str | int | float):
        return "a list", f"put it in brackets: [{value}]"
    return "a list", ""


def _same(expected: str, fix: str) -> Callable[[object, Details], Words]:
    return lambda _, __: (expected, fix)


def _bound(text: str, key: str) -> Callable[[object, Details], Words]:
    return lambda _, context: (f"{text} {context[key]:g}", "")


_WHOLE = _same("a whole number", "")
_NUMBER = _same("a number", "")
_SWITCH = _same("true or false", "")
_MAPPING = _same("a mapping (name: value)", "")

_BY_TYPE: dict[str, Callable[[object, Details], Words]] = {
    "string_type": _text,
    "invalid_key": _text,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _same("a finite number", ""),
    "bool_type": _SWITCH,
    "bool_parsing": _SWITCH,
    "literal_error": _choice,
    "tuple_type": _list,
    "dict_type": _MAPPING,
    "mapping_type": _MAPPING,
    "too_short": _same("at least one entry", ""),
    "greater_than": _bound("a number above", "gt"),
    "greater_than_equal": _bound("a number not below", "ge"),
    "less_than": _bound("a number below", "lt"),
    "less_than_equal": _bound("a number not above", "le"),
}
