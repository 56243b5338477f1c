"""Reads import profiles: the built-in TOML files and those of the operator.

A profile is one TOML file with the profile's name. Its tables and keys are those of ``core.uploads.profile.Profile``::

    description = "The system that writes such files"
    native_id   = ["uniqueid"]            # columns that identify a record; leave out to use a fingerprint
    currency    = "EUR"

    [layout]                              # format, delimiter, quoted, header, type_rows, columns, nulls, ...
    [layout.widths]                       # of fixed-width text: column = [first character, number of characters]
    [time]                                # notation, formats, zone ("account" or an IANA name), zero_is_no_time, ...
    [duration_units]                      # canonical field = "seconds", where it is not duration_unit
    [derive.NAME]                         # new column from others, in a few steps: source, match, split, when, ...
    [not_calls]                           # column = expression of its values in rows that are no calls
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

import re
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from cdr_pipeline.core.uploads.profile import Profile
from cdr_pipeline.core.uploads.profile_values import did_you_mean
from cdr_pipeline.errors import InvalidProfile, UnknownProfile
from cdr_pipeline.sources.uploads.contradictions import contradiction
from cdr_pipeline.sources.uploads.profile_file import known_keys, profile_of

_FILL_IN: Final = "FILL IN"
_HINT: Final = "'cdr-pipeline docs profiles' lists the keys; 'cdr-pipeline profiles check FILE' checks a file"
_CARRIER: Final = re.compile(r"""^[ \t]*carrier[ \t]*=[ \t]*(["'])(.+?)\1""", re.MULTILINE)
_NO_TABLE: Final = frozenset({"dataclass_type", "model_type", "dict_type", "mapping_type"})


@dataclass(frozen=True, slots=True)
class BrokenProfile:
    """A file in the operator's folder that is not a valid profile, such as a draft that is not filled in yet.

    Attributes:
        name: name of the profile.
        error: what is wrong.
        carrier: carrier that it names in ``[reconcile]``; None if it names none, or if the text cannot be read.
        changed_at: time of the file's last change, UTC.
    """

    name: str
    error: InvalidProfile
    carrier: str | None
    changed_at: datetime


def list_profiles(folder: Path | None = None) -> dict[str, Profile]:
    """Every valid profile by name: the built-in ones and those in ``folder``, which override built-in ones.

    An invalid file in ``folder`` is left out, with the built-in profile of its name; see ``broken_profiles``.

    Raises:
        InvalidProfile: a built-in profile is invalid.
    """
    built_in, own = _built_in_files(), _own_files(folder)
    profiles: dict[str, Profile] = {}
    for name in sorted({*built_in, *own}):
        if name not in own:
            profiles[name] = _read(name, _file_text(name, built_in[name]))
            continue
        with suppress(InvalidProfile):
            profiles[name] = check_profile(own[name])
    return profiles


def broken_profiles(folder: Path | None = None) -> dict[str, BrokenProfile]:
    """The invalid profiles in ``folder`` by name. Each one affects only its own files and carrier."""
    broken: dict[str, BrokenProfile] = {}
    for name, path in sorted(_own_files(folder).items()):
        try:
            check_profile(path)
        except InvalidProfile as error:
            broken[name] = BrokenProfile(name, error, _carrier(path), _changed(path))
    return broken


def load_profile(name: str, folder: Path | None = None) -> Profile:
    """Loads a profile by name.

    Args:
        name: name of the profile, without ``.toml``.
        folder: folder of the operator's own profiles, if any.

    Raises:
        UnknownProfile: no profile has this name; the error suggests a close one.
        InvalidProfile: the file is not TOML, has an unknown key or field, or contradicts itself.
    """
    return _read(name, profile_text(name, folder))


def profile_text(name: str, folder: Path | None = None) -> str:
    """The TOML of a profile.

    Raises:
        UnknownProfile: no profile has this name; the error suggests a close one.
        InvalidProfile: the file cannot be read, or is not UTF-8 text.
    """
    files = _files(folder)
    if name not in files:
        close = get_close_matches(name, files, n=1)
        guess = f" (did you mean {close[0]!r}?)" if close else ""
        raise UnknownProfile(
            f"there is no profile of that name{guess}", hint=f"choose one of: {', '.join(sorted(files))}"
        )
    return _file_text(name, files[name])


def shown_text(name: str, folder: Path | None = None) -> str:
    """The TOML of a profile, to copy. An empty file of the operator does not hide the built-in profile of its name.

    A shell empties the file before the command that writes it runs: ``profiles show generic > profiles/generic.toml``.

    Raises:
        UnknownProfile, InvalidProfile: as ``profile_text``.
    """
    text = profile_text(name, folder)
    return text if text.strip() or name not in _built_in_files() else profile_text(name)


def read_profile(name: str, text: str) -> Profile:
    """Reads the TOML of a profile. Raises InvalidProfile with the reason if it is invalid."""
    return _read(name, text)


def check_profile(path: Path) -> Profile:
    """Loads a profile from a file in any folder. Raises InvalidProfile with the reason if it is invalid."""
    return _read(path.stem, _file_text(path.stem, path))


def _files(folder: Path | None) -> dict[str, Traversable]:
    return {**_built_in_files(), **_own_files(folder)}


def _built_in_files() -> dict[str, Traversable]:
    built_in = resources.files("cdr_pipeline.sources.uploads") / "profiles"
    return {item.name.removesuffix(".toml"): item for item in built_in.iterdir() if item.name.endswith(".toml")}


def _own_files(folder: Path | None) -> dict[str, Path]:
    return {} if folder is None else {path.stem: path for path in folder.glob("*.toml")}


def _file_text(name: str, file: Traversable) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidProfile(f"profile {name} is not UTF-8 text at byte {error.start}", hint=_HINT) from None
    except OSError as error:
        raise InvalidProfile(f"profile {name} cannot be read: {error.strerror}", hint="check its permissions") from None


def _carrier(path: Path) -> str | None:
    """Carrier that an invalid profile names, as far as its text can be read."""
    try:
        named = _CARRIER.search(path.read_text("utf-8", errors="replace"))
    except OSError:
        return None
    return named[2] if named else None


def _changed(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return datetime.fromtimestamp(path.lstat().st_mtime, UTC)


@lru_cache(maxsize=512)
def _read(name: str, text: str) -> Profile:
    """The profile in a text. A night asks for all of them several times, and checking one takes milliseconds."""
    if not text.strip():
        raise InvalidProfile(
            f"profile {name} is an empty file", hint=f"delete it, or write it with 'cdr-pipeline profiles show {name}'"
        )
    try:
        source = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidProfile(f"profile {name} is not TOML: {error}") from None
    _require_filled_in(name, text)
    try:
        profile = profile_of(name, source)
    except ValidationError as error:
        # An unknown key explains other faults, such as a missing value, so it comes first.
        faults = sorted(error.errors(include_url=False, include_input=False), key=lambda fault: not _is_unknown(fault))
        raise InvalidProfile(f"profile {name}: {_explained(faults[0])}", hint=_HINT) from None
    fault = contradiction(profile)
    if fault:
        raise InvalidProfile(f"profile {name}: {fault}", hint=_HINT)
    return profile


def _require_filled_in(name: str, text: str) -> None:
    """Raises InvalidProfile if a draft still contains FILL IN, which marks values that no file can show."""
    left = [str(number) for number, line in enumerate(text.splitlines(), start=1) if _FILL_IN in line]
    if left:
        raise InvalidProfile(f"profile {name}: still to be filled in: line {', '.join(left)}")


def _is_unknown(fault: Mapping[str, Any]) -> bool:
    return fault["type"] in ("extra_forbidden", "unknown_key", "unexpected_keyword_argument")


def _explained(fault: Mapping[str, Any]) -> str:
    """Key of the file and what is wrong with its value. Values are not repeated."""
    where: Sequence[str] = [str(part) for part in fault["loc"] if part != "[key]"]
    key = ".".join(where)
    if fault["type"] == "unknown_key":
        return f"unknown key {key}{fault['msg']}"
    if _is_unknown(fault):
        return f"unknown key {key}{did_you_mean(where[-1], known_keys('.'.join(where[:-1])))}"
    if fault["type"] in _NO_TABLE:
        return f"{key} must be a table, [{key}]"
    return f"{key}: {fault['msg']}"
