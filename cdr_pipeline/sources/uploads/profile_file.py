"""The TOML of an import profile as a Pydantic model, and its JSON Schema for editors.

``core.uploads.profile`` defines the keys with their types, defaults and meanings. In the file, the keys of times are in
a table ``[time]``; everything else is where the class has it.
"""

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, create_model
from pydantic import Field as ModelField

from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.core.reconcile.inputs.carrier_rules import CarrierRules
from cdr_pipeline.core.uploads.derived import Derived
from cdr_pipeline.core.uploads.profile import FileControl, Layout, Profile, Rating, Segments
from cdr_pipeline.core.uploads.profile_values import STRICT

# Keys of the table [time], and the attributes of a profile that they set.
TIME_KEYS: Final = {
    "notation": "time_notation",
    "formats": "time_formats",
    "zone": "time_zone",
    "zero_is_no_time": "zero_is_no_time",
    "zone_column": "zone_column",
    "zones": "zones",
    "zone_notation": "zone_notation",
    "precision": "time_precision",
}
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TABLES: Final = (Layout, Segments, FileControl, Rating, NumberPlan, CarrierRules, Derived)


def meanings(kind: type) -> dict[str, str]:
    """Meaning of each attribute of a class, from the section ``Attributes`` of its docstring."""
    _, _, listed = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    texts: dict[str, str] = {}
    name = ""
    for line in listed.splitlines():
        started = re.fullmatch(r" {4}([a-z_, ]+): (.*)", line)
        if started:
            name = started[1]
            texts[name] = started[2]
        elif line.strip():
            texts[name] += " " + line.strip()
    return {single.strip(): text for several, text in texts.items() for single in several.split(",")}


def _model(name: str, attributes: Mapping[str, str], **more: Any) -> type[BaseModel]:  # noqa: ANN401 - as create_model
    """A strict model with attributes of ``Profile``: key in the file to attribute."""
    hints = get_type_hints(Profile, include_extras=True)
    known: dict[str, Field[Any]] = {item.name: item for item in fields(Profile)}
    texts = meanings(Profile)
    keys = {
        key: (hints[attribute], _default(known[attribute], texts[attribute])) for key, attribute in attributes.items()
    }
    return create_model(name, __config__=STRICT, **keys, **more)


def _default(item: "Field[Any]", meaning: str) -> Any:  # noqa: ANN401 - as pydantic.Field
    if item.default_factory is not MISSING:
        return ModelField(default_factory=item.default_factory, description=meaning)
    return ModelField(default="" if item.default is MISSING else item.default, description=meaning)


TimeTable: Final = _model("TimeTable", TIME_KEYS)
ProfileFile: Final = _model(
    "ProfileFile",
    {item.name: item.name for item in fields(Profile) if item.name not in {"name", "file_name", *TIME_KEYS.values()}},
    time=(
        TimeTable,
        ModelField(default_factory=TimeTable, description="notation, formats and zone of times"),
    ),
)


def profile_of(name: str, source: Mapping[str, Any]) -> Profile:
    """The profile that a TOML file states. Raises pydantic.ValidationError if a key or a value is invalid."""
    # As JSON, because tables and lists of the file are no instances of the classes that strict mode demands.
    file = ProfileFile.model_validate_json(json.dumps(source, default=_no_text))
    values = dict(file)
    times = {TIME_KEYS[key]: value for key, value in values.pop("time")}
    return Profile(name=name, **values, **times)


def _no_text(value: object) -> dict[str, str]:
    """A date or time of TOML, which no key takes: as a table it is invalid everywhere."""
    return {"date": str(value)}


def known_keys(table: str) -> tuple[str, ...]:
    """Keys of a table of the file, or of the file itself for an empty name; empty for tables with free names."""
    if not table:
        return tuple(ProfileFile.model_fields)
    if table == "time":
        return tuple(TimeTable.model_fields)
    kind = get_type_hints(Profile).get(table)
    return tuple(item.name for item in fields(kind)) if isinstance(kind, type) and is_dataclass(kind) else ()


@cache
def profile_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the TOML of a profile."""
    schema = ProfileFile.model_json_schema()
    for kind in _TABLES:
        definition = schema["$defs"][kind.__name__]
        definition["description"] = (inspect.getdoc(kind) or "").partition("\n")[0]
        for key, meaning in meanings(kind).items():
            definition["properties"][key]["description"] = meaning
    schema["$defs"]["TimeTable"]["description"] = "Notation, formats and zone of times."
    return {"$schema": _DIALECT} | schema | {"title": "Import profile of cdr_pipeline"}


def schema_text() -> str:
    """The JSON Schema as text; the built-in profiles name a file with it for editors."""
    return json.dumps(profile_schema(), indent=2, ensure_ascii=False) + "\n"
