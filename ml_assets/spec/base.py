"""The base of every declared thing, and the field types that several of them share."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from ml_assets.spec.frozen import FrozenDict, OrderedFrozenDict
from ml_assets.spec.wording import DERIVED, refusal, shown, taught

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

#: The key of a JSON schema that says a type in the words of the documentation.
TYPE_NAME = "x-type"


class Declared(BaseModel):
    """Frozen all the way down, and refusing what it does not know in words that teach."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, populate_by_name=True
    )

    @model_validator(mode="wrap")
    @classmethod
    def _teach(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            # Without "from None" the reader would get pydantic's wording first and ours below it.
            raise taught(cls, error) from None

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Ask for no field that may be left out because it follows from the others."""
        made = handler(schema)
        inner = handler.resolve_ref_schema(made)
        fields = inner.get("properties", {})
        if needed := [n for n in inner.pop("required", ()) if DERIVED not in fields[n]]:
            inner["required"] = needed
        return made


_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_TABLE = re.compile(rf"{_IDENTIFIER.pattern}(\.{_IDENTIFIER.pattern}){{2}}")
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(second|minute|hour|day|week)s?\s*")
_IMPORT_PATH = re.compile(r"\.?[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_PLAIN = "letters, digits and underscores"
_UNITS = (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60))


def check_identifier(value: object) -> str:
    """Accept a plain name: letters, digits and underscores, not starting with a digit.

    Raises
    ------
    ValueError
        Everything else, and ``None``, which is what an unset variable becomes in a template.

    >>> check_identifier("is_late")
    'is_late'
    """
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        message = f"{value!r} is not a plain name ({_PLAIN}; no quotes, dots or spaces)"
        raise refusal(
            shown(value),
            expected=f"a plain name: up to 128 {_PLAIN}, not starting with a digit",
            fix=f"rename it{_suggestion(value)}",
            message=message,
        )
    if value == "None":
        raise _unset(value)
    return value


def check_table_name(value: object) -> str:
    """Accept ``catalog.schema.name`` made of plain names, and nothing else (ML-01).

    Quotes, slashes, ``..`` and empty parts are refused, so that a name can neither leave the
    warehouse folder nor break out of a quoted identifier.

    Raises
    ------
    ValueError
        Everything else, and ``None`` as a part, which is what an unset variable becomes.

    >>> check_table_name("main.flights.planes")
    'main.flights.planes'
    """
    if not isinstance(value, str) or not _TABLE.fullmatch(value):
        expected = f"catalog.schema.name, each part of {_PLAIN}"
        raise refusal(
            shown(value),
            expected=f"a three-level name: {expected}",
            fix="write all three parts, without quotes or spaces, for example main.flights.planes",
            rule="ml01_table_registered",
            message=f"{value!r} is not a three-level name: expected {expected} (ML-01)",
        )
    if "None" in value.split("."):
        raise _unset(value)
    return value


def check_column_name(value: str) -> str:
    """Accept a plain name that does not collide with the columns that ml_assets adds itself.

    >>> check_column_name("wind_speed")
    'wind_speed'
    """
    if check_identifier(value).startswith("__") or value.lower() == "prediction":
        raise refusal(
            shown(value),
            expected="a name other than prediction that does not start with two underscores",
            fix="rename the column: ml_assets adds columns of these names to its own tables",
        )
    return value


def check_argument_name(value: str) -> str:
    """Accept a plain name that can be the name of a Python function's argument.

    >>> check_argument_name("flights")
    'flights'
    """
    if keyword.iskeyword(check_identifier(value)):
        raise refusal(
            shown(value),
            expected="a name that a Python argument can have",
            fix=f"rename it, for example {value}_table: transforms get sources as arguments",
        )
    return value


def quoted(name: str) -> str:
    """Quote a checked name for SQL.

    >>> quoted("main.flights.planes")
    '`main`.`flights`.`planes`'
    """
    return ".".join(f"`{check_identifier(part)}`" for part in name.split("."))


def duration_text(value: timedelta) -> str:
    """Write a duration as a declaration would.

    >>> duration_text(timedelta(hours=36)), duration_text(timedelta(days=7))
    ('36 hours', '1 week')
    """
    seconds = value / timedelta(seconds=1)
    for unit, length in _UNITS:
        if value and value % timedelta(seconds=length) == timedelta(0):
            count = value // timedelta(seconds=length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds:.6f}".rstrip("0").rstrip(".") + " seconds"


def _suggestion(value: object) -> str:
    plain = re.sub(r"\W+", "_", str(value), flags=re.ASCII).strip("_").lower()
    return f", for example {plain}" if _IDENTIFIER.fullmatch(plain) else ""


def _unset(value: str) -> Exception:
    return refusal(
        shown(value),
        expected="a name",
        fix="set the environment variable: an unset {{ env.X }} becomes None in a template",
    )


def _parse_duration(value: Any) -> Any:
    try:
        if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
            return timedelta(**{f"{match[2]}s": float(match[1])})
    except OverflowError:
        pass  # longer than Python can count: refused below like everything else
    if isinstance(value, timedelta) and value >= timedelta(0):
        return value
    raise refusal(
        shown(value),
        expected="a duration: a number and seconds, minutes, hours, days or weeks",
        fix=_written_out(value),
        message=f"{value!r} is not a duration; write for example '3 hours', '90 minutes', '7 days'",
    )


def _written_out(value: object) -> str:
    """Spell an abbreviated duration out, or give examples.

    >>> _written_out("3h")
    'write 3 hours'
    """
    match = re.fullmatch(
        r"\s*(\d+(?:\.\d+)?)\s*(s|sec|m|min|h|hr|d|w)\s*", str(value), re.IGNORECASE
    )
    if match is None:
        return "write it out, for example 3 hours, 90 minutes or 7 days"
    units = ("second", "minute", "hour", "day", "week")
    unit = next(u for u in units if u[0] == match[2][0].lower())
    return f"write {match[1]} {unit}{'' if match[1] == '1' else 's'}"


def _import_path(value: Any) -> Any:
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return value


def _check_import_path(value: str) -> str:
    if not _IMPORT_PATH.fullmatch(value):
        nested = "<" in value
        raise refusal(
            shown(value),
            expected="an import path such as .features.weather or package.module.name",
            fix="define the function at the top level of a module, so that other processes find it"
            if nested
            else "write module.name; a leading dot stands for the folder of defs.yaml",
            message=f"{value!r} is not an import path such as '.features.weather' or "
            "'package.module.name'",
        )
    return value


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise refusal(shown(value), expected="a number", fix="write a number")
    return value


def _written(name: str, pattern: re.Pattern[str]) -> WithJsonSchema:
    """Describe a text to editors and ``dg check yaml``, which see it with its template unrendered."""
    shape = rf"^(?:{pattern.pattern}|.*\{{\{{.*)$"
    return WithJsonSchema({"type": "string", "pattern": shape, TYPE_NAME: name})


Identifier = Annotated[str, AfterValidator(check_identifier), _written("name", _IDENTIFIER)]
ColumnName = Annotated[str, AfterValidator(check_column_name), _written("column name", _IDENTIFIER)]
ArgumentName = Annotated[str, AfterValidator(check_argument_name), _written("name", _IDENTIFIER)]
TableName = Annotated[str, AfterValidator(check_table_name), _written("three-level name", _TABLE)]
Duration = Annotated[
    timedelta,
    BeforeValidator(_parse_duration),
    PlainSerializer(duration_text, return_type=str, when_used="json"),
    _written("duration", _DURATION),
]
ImportPath = Annotated[
    str,
    BeforeValidator(_import_path),
    AfterValidator(_check_import_path),
    _written("import path", _IMPORT_PATH),
]
Number = Annotated[float, BeforeValidator(_no_bool), Field(allow_inf_nan=False)]
Count = Annotated[int, BeforeValidator(_no_bool)]

K = TypeVar("K")
V = TypeVar("V")
#: A mapping that cannot change; the order has no meaning.
Frozen = Annotated[Mapping[K, V], AfterValidator(FrozenDict)]
#: A mapping that cannot change; the order has a meaning.
Ordered = Annotated[Mapping[K, V], AfterValidator(OrderedFrozenDict)]
