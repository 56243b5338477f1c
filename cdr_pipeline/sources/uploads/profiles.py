"""Reads import profiles: the built-in TOML files and those of the operator.

A profile is one TOML file with the profile's name. Its tables and keys are those of ``core.uploads.profile.Profile``::

    description = "The system that writes such files"
    native_id   = ["uniqueid"]            # columns that identify a record; leave out to use a fingerprint
    currency    = "EUR"

    [layout]                              # format, delimiter, quoted, header, type_rows, columns, nulls, ...
    [layout.widths]                       # of fixed-width text: column = [first character, number of characters]
    [time]                                # notation, formats, zone ("account" or an IANA name), zero_is_no_time, ...
    [duration_units]                      # canonical field = "seconds", where it is not duration_unit
    [combine]                             # new column = ["date column", "time column"]
    [segments]                            # calls of several rows: key, continued, more, sums, last
    [control]                             # line with totals, name of files in a series, every, grace_days
    [rating]                              # increment_seconds, minimum_seconds
    [reconcile]                           # carrier, direction, trunks, tolerances, rate_card, ... of CarrierRules
    [plan]                                # country_code, national_prefix, international_prefix, tech_prefix
    [fields]                              # canonical field = "column" or ["first choice", "second choice"]
    [constants]                           # canonical field = "value"
    [values.call_direction]               # the source's word = the canonical one
"""

import tomllib
from collections.abc import Mapping
from dataclasses import fields as dataclass_fields
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from cdr_pipeline.core.fields.dictionary import BY_NAME
from cdr_pipeline.core.normalize.numbers import NumberPlan
from cdr_pipeline.core.reconcile.inputs.carrier_rules import CarrierRules
from cdr_pipeline.core.uploads.profile import FileControl, Layout, Profile, Rating, Segments, column_name
from cdr_pipeline.errors import InvalidProfile, UnknownProfile
from cdr_pipeline.sources.uploads.contradictions import contradiction

_TOP_LEVEL = {
    "description", "native_id", "currency", "cost_scale", "duration_unit", "decimal_mark", "account_column", "overlap",
    "charges_are_negative",
}  # fmt: skip
_TABLES = {
    "layout", "time", "plan", "fields", "constants", "values", "combine", "segments", "control", "rating",
    "account_names", "reconcile", "duration_units",
}  # fmt: skip
_TIME = {
    "notation": "time_notation",
    "formats": "time_formats",
    "zone": "time_zone",
    "zero_is_no_time": "zero_is_no_time",
    "zone_column": "zone_column",
    "zones": "zones",
    "zone_notation": "zone_notation",
    "precision": "time_precision",
}
# Fields that the import derives from the account, from other fields, or from the native id.
_DERIVED: Final = frozenset(
    {"account_id", "origin", "record_id", "business_date", "answered", "caller_e164", "callee_e164"}
    | {"to_host", "from_host"}
)
_MAPPABLE: Final = BY_NAME.keys() - _DERIVED
_FILL_IN: Final = "FILL IN"
_PROFILE: Final = TypeAdapter(Profile)
_SHAPES: Final = {
    "plan": NumberPlan,
    "segments": Segments,
    "control": FileControl,
    "rating": Rating,
    "reconcile": CarrierRules,
}


def list_profiles(folder: Path | None = None) -> dict[str, Profile]:
    """Every profile by name: the built-in ones and those in ``folder``, which override built-in ones of the same name.

    Raises:
        InvalidProfile: a profile is invalid.
    """
    return {name: _read(name, text) for name, text in sorted(_texts(folder).items())}


def load_profile(name: str, folder: Path | None = None) -> Profile:
    """Loads a profile by name.

    Args:
        name: name of the profile, without ``.toml``.
        folder: folder of the operator's own profiles, if any.

    Raises:
        UnknownProfile: no profile has this name; the error suggests a close one.
        InvalidProfile: the file is not TOML, has an unknown key or field, or contradicts itself.
    """
    texts = _texts(folder)
    if name not in texts:
        close = get_close_matches(name, texts, n=1)
        guess = f" (did you mean {close[0]!r}?)" if close else ""
        raise UnknownProfile(
            f"there is no profile of that name{guess}", hint=f"choose one of: {', '.join(sorted(texts))}"
        )
    return _read(name, texts[name])


def profile_text(name: str, folder: Path | None = None) -> str:
    """The TOML of a profile. Raises UnknownProfile if no profile has this name."""
    texts = _texts(folder)
    if name not in texts:
        raise UnknownProfile("there is no profile of that name", hint=f"choose one of: {', '.join(sorted(texts))}")
    return texts[name]


def check_profile(path: Path) -> Profile:
    """Loads a profile from a file in any folder. Raises InvalidProfile with the reason if it is invalid."""
    return _read(path.stem, _file_text(path))


def _texts(folder: Path | None) -> dict[str, str]:
    built_in = resources.files("cdr_pipeline.sources.uploads") / "profiles"
    texts = {
        item.name.removesuffix(".toml"): item.read_text("utf-8")
        for item in built_in.iterdir()
        if item.name.endswith(".toml")
    }
    if folder is not None and folder.is_dir():
        texts |= {path.stem: _file_text(path) for path in sorted(folder.glob("*.toml"))}
    return texts


def _file_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidProfile(f"profile {path.stem} is not UTF-8 text at byte {error.start}") from None


def _read(name: str, text: str) -> Profile:
    try:
        source = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidProfile(f"profile {name} is not TOML: {error}") from None
    _require_filled_in(name, text)
    _require_known_keys(name, "", source, _TOP_LEVEL | _TABLES)
    for table in _TABLES:
        if not isinstance(source.get(table, {}), dict):
            raise InvalidProfile(f"profile {name}: {table} must be a table, [{table}]")
    _require_known_keys(name, "time.", source.get("time", {}), set(_TIME))
    _require_known_keys(name, "layout.", source.get("layout", {}), {field.name for field in dataclass_fields(Layout)})
    for table, shape in _SHAPES.items():
        _require_known_keys(name, f"{table}.", source.get(table, {}), {field.name for field in dataclass_fields(shape)})
    for table in ("fields", "constants", "values", "duration_units"):
        _require_known_keys(name, f"{table}.", source.get(table, {}), set(_MAPPABLE))
    try:
        profile = _PROFILE.validate_python(_spelled_out(name, source))
    except ValidationError as errors:
        first = errors.errors(include_url=False)[0]
        location = ".".join(map(str, first["loc"]))
        raise InvalidProfile(f"profile {name}: {location}: {first['msg']}") from None
    fault = contradiction(profile)
    if fault:
        raise InvalidProfile(f"profile {name}: {fault}")
    return profile


def _require_filled_in(name: str, text: str) -> None:
    """Raises InvalidProfile if a draft still contains FILL IN, which marks values that no file can show."""
    left = [str(number) for number, line in enumerate(text.splitlines(), start=1) if _FILL_IN in line]
    if left:
        raise InvalidProfile(f"profile {name}: still to be filled in: line {', '.join(left)}")


def _require_known_keys(name: str, table: str, source: Mapping[str, Any], keys: set[str]) -> None:
    for key in source.keys() - keys:
        close = get_close_matches(key, keys, n=1)
        guess = f"; did you mean {close[0]!r}?" if close else ""
        raise InvalidProfile(f"profile {name}: unknown key {table}{key}{guess}")


def _spelled_out(name: str, source: dict[str, Any]) -> dict[str, Any]:
    """The keys of ``Profile``, with short forms expanded and columns and words in lower case. Checks no types."""
    layout = dict(source.get("layout", {}))
    lists = _listed(layout.get("columns", []))
    if isinstance(lists, list):
        lists = [lists] if lists and isinstance(lists[0], str) else lists
        layout["columns"] = [_columns(names) for names in lists]
    layout |= {key: _columns(layout[key]) for key in ("repair", "required") if key in layout}
    layout |= {key: _named(layout[key]) for key in ("widths", "shapes") if key in layout}
    segments = dict(source.get("segments", {}))
    segments |= {key: _columns(segments[key]) for key in ("key", "sums", "last") if key in segments}
    segments |= {key: _name(segments[key]) for key in ("continued",) if key in segments}
    return {
        "name": name,
        "description": source.get("description", ""),
        "layout": layout,
        "plan": source.get("plan", {}),
        "fields": {field: _columns(columns) for field, columns in source.get("fields", {}).items()},
        "constants": source.get("constants", {}),
        "values": {field: _words(words) for field, words in source.get("values", {}).items()},
        **{key: source[key] for key in _TOP_LEVEL & source.keys() - {"description", "native_id"}},
        **{_TIME[key]: value for key, value in source.get("time", {}).items()},
        "native_id": _columns(source.get("native_id", [])),
        "combine": {column_name(name): _columns(columns) for name, columns in source.get("combine", {}).items()},
        "segments": segments,
        "control": source.get("control", {}),
        "rating": source.get("rating", {}),
        "reconcile": source.get("reconcile", {}),
        "duration_units": source.get("duration_units", {}),
        "account_names": source.get("account_names", {}),
        "zones": _words(source.get("time", {}).get("zones", {})),
        "zone_column": _name(source.get("time", {}).get("zone_column", "")),
        "account_column": _name(source.get("account_column", "")),
    }


def _listed(source: object) -> object:
    return [source] if isinstance(source, str) else source


def _columns(source: object) -> object:
    listed = _listed(source)
    if not isinstance(listed, list):
        return listed
    return [column_name(column) if isinstance(column, str) else column for column in listed]


def _name(source: object) -> object:
    return column_name(source) if isinstance(source, str) and source else source


def _named(source: object) -> object:
    return {column_name(name): value for name, value in source.items()} if isinstance(source, dict) else source


def _words(source: object) -> object:
    return {word.lower(): meaning for word, meaning in source.items()} if isinstance(source, dict) else source
