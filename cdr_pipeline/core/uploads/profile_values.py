"""Types of the values of a profile, as its TOML writes them: short forms are expanded, names are in lower case."""

from collections.abc import Mapping
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from cdr_pipeline.core.fields.dictionary import BY_NAME
from cdr_pipeline.core.fields.schemas import LINE, RAW

# Types are not converted ("5" is not 5), and unknown keys are errors.
STRICT: Final = ConfigDict(strict=True, extra="forbid")
# Fields that the import derives from the account, from other fields, or from the native id.
_DERIVED: Final = frozenset(
    {"account_id", "origin", "record_id", "business_date", "answered", "caller_e164", "callee_e164"}
    | {"to_host", "from_host"}
)
MAPPABLE: Final = tuple(name for name in BY_NAME if name not in _DERIVED)


def column_name(source: str) -> str:
    """Name of a source column in frames and profiles: lower case, and different from the names of our own columns."""
    name = source.strip().lower()
    return f"source_{name}" if name in (LINE, RAW) or name.startswith("__") else name


def did_you_mean(name: str, known: tuple[str, ...]) -> str:
    """The end of an error about an unknown name: the closest known one, if any is close."""
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _listed(source: object) -> object:
    return [source] if isinstance(source, str) else source


def _layouts(source: object) -> object:
    """Lists of columns; a single list may be written without the outer one."""
    listed = _listed(source)
    return [listed] if isinstance(listed, list) and listed and isinstance(listed[0], str) else listed


def _known_field(name: str) -> str:
    if name not in MAPPABLE:
        raise PydanticCustomError("unknown_key", "{guess}", {"guess": did_you_mean(name, MAPPABLE)})
    return name


def _lower_keys(source: Mapping[str, Any]) -> Mapping[str, Any]:
    return {word.lower(): meaning for word, meaning in source.items()}


Texts = Annotated[tuple[str, ...], Strict(strict=False)]
Number = Annotated[Decimal, Strict(strict=False)]
ColumnName = Annotated[str, AfterValidator(lambda name: column_name(name) if name else name)]
Columns = Annotated[
    tuple[ColumnName, ...], Strict(strict=False), BeforeValidator(_listed, json_schema_input_type=str | list[str])
]
ColumnLists = Annotated[
    tuple[Columns, ...],
    Strict(strict=False),
    BeforeValidator(_layouts, json_schema_input_type=str | list[str] | list[list[str]]),
]
Position = Annotated[tuple[int, int], Strict(strict=False)]
FieldName = Annotated[str, AfterValidator(_known_field), WithJsonSchema({"enum": list(MAPPABLE), "type": "string"})]
Words = Annotated[Mapping[str, str], AfterValidator(_lower_keys)]
Patterns = Mapping[ColumnName, str]
NewColumns = Mapping[ColumnName, ColumnName]
