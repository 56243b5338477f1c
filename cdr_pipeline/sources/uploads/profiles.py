"""Import profiles: TOML files, those that ship with the product and the operator's own.

A profile is one TOML file named after it. Its tables and keys are those of ``core.profile.Profile``::

    description = "What writes such files"
    native_id   = ["uniqueid"]            # columns that identify a record; leave out to use a fingerprint
    currency    = "EUR"

    [layout]                              # format, delimiter, quoted, header, type_rows, columns, nulls, ...
    [time]                                # notation, formats, zone ("account" or an IANA name), zero_is_no_time
    [plan]                                # country_code, national_prefix, international_prefix, tech_prefix
    [fields]                              # canonical field = "column" or ["first choice", "second choice"]
    [constants]                           # canonical field = "value"
    [values.call_direction]               # the source's word = the canonical one
"""

import tomllib
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, cast

from cdr_pipeline.core.fields import BY_NAME
from cdr_pipeline.core.numbers import NumberPlan
from cdr_pipeline.core.profile import Layout, Profile
from cdr_pipeline.errors import InvalidProfile, UnknownProfile

_TOP_LEVEL = {"description", "native_id", "currency", "cost_scale", "duration_unit"}
_TABLES = {"layout", "time", "plan", "fields", "constants", "values"}
_TIME = {
    "notation": "time_notation",
    "formats": "time_formats",
    "zone": "time_zone",
    "zero_is_no_time": "zero_is_no_time",
}


def list_profiles(folder: Path | None = None) -> dict[str, Profile]:
    """Every profile by name: the built-in ones and those in ``folder``, which win over built-in ones of their name."""
    return {name: _read(name, text) for name, text in sorted(_texts(folder).items())}


def load_profile(name: str, folder: Path | None = None) -> Profile:
    """The profile of that name.

    Args:
        name: as people ask for it.
        folder: the operator's own profiles, if any.

    Raises:
        UnknownProfile: there is none; close names are suggested.
        InvalidProfile: its file is not TOML, or has a key or column that nothing knows.
    """
    texts = _texts(folder)
    if name not in texts:
        close = get_close_matches(name, texts, n=1)
        guess = f" (did you mean {close[0]!r}?)" if close else ""
        raise UnknownProfile(f"there is no profile of that name{guess}", hint=f"there are: {', '.join(sorted(texts))}")
    return _read(name, texts[name])


def _texts(folder: Path | None) -> dict[str, str]:
    shipped = resources.files("cdr_pipeline.sources.uploads") / "profiles"
    found = {
        item.name.removesuffix(".toml"): item.read_text("utf-8")
        for item in shipped.iterdir()
        if item.name.endswith(".toml")
    }
    if folder is not None and folder.is_dir():
        found |= {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.toml"))}
    return found


def _read(name: str, text: str) -> Profile:
    try:
        source = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidProfile(f"profile {name} is not TOML: {error}") from None
    _known_keys(name, "", source, _TOP_LEVEL | _TABLES)
    time = cast("dict[str, Any]", source.get("time", {}))
    _known_keys(name, "time.", time, set(_TIME))
    wanted = {**source.get("fields", {}), **source.get("constants", {}), **source.get("values", {})}
    _known_keys(name, "fields.", wanted, set(BY_NAME))
    try:
        profile = Profile(name=name, description=str(source.get("description", "")))
        return replace(
            profile,
            layout=_layout(name, source.get("layout", {})),
            plan=_plan(name, source.get("plan", {})),
            fields={field: _columns(columns) for field, columns in source.get("fields", {}).items()},
            constants={field: str(value) for field, value in source.get("constants", {}).items()},
            values={field: _words(words) for field, words in source.get("values", {}).items()},
            **{key: _frozen(source[key]) for key in _TOP_LEVEL & source.keys() - {"description"}},
            **{_TIME[key]: _frozen(value) for key, value in time.items()},
        )
    except (TypeError, AttributeError) as error:
        raise InvalidProfile(f"profile {name}: a value has the wrong type ({error})") from None


def _known_keys(name: str, table: str, source: dict[str, Any], known: set[str]) -> None:
    for key in source.keys() - known:
        close = get_close_matches(key, known, n=1)
        guess = f"; did you mean {close[0]!r}?" if close else ""
        raise InvalidProfile(f"profile {name}: unknown key {table}{key}{guess}")


def _layout(name: str, source: dict[str, Any]) -> Layout:
    _known_keys(name, "layout.", source, {field.name for field in dataclass_fields(Layout)})
    lists = source.get("columns", [])
    if lists and isinstance(lists[0], str):
        lists = [lists]
    columns = tuple(tuple(column.lower() for column in names) for names in lists)
    layout = replace(Layout(), **{**{key: _frozen(value) for key, value in source.items()}, "columns": columns})
    if layout.format == "delimited" and not layout.header and not columns:
        raise InvalidProfile(f"profile {name}: without a header, layout.columns must name the columns")
    if len(layout.delimiter) != 1:
        raise InvalidProfile(f"profile {name}: layout.delimiter is one character")
    return layout


def _plan(name: str, source: dict[str, Any]) -> NumberPlan:
    _known_keys(name, "plan.", source, {field.name for field in dataclass_fields(NumberPlan)})
    return replace(NumberPlan(), **source)


def _columns(source: str | list[str]) -> tuple[str, ...]:
    return (source.lower(),) if isinstance(source, str) else tuple(column.lower() for column in source)


def _words(source: dict[str, str]) -> dict[str, str]:
    return {word.lower(): meaning for word, meaning in source.items()}


def _frozen(value: object) -> object:
    return tuple(cast("list[object]", value)) if isinstance(value, list) else value
