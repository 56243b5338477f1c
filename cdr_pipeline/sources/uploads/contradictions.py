"""Checks of a profile across its keys: each key is valid, but the values of several contradict each other."""

import codecs
import re
from functools import lru_cache
from typing import Final

import polars as pl

from cdr_pipeline.core.normalize.numbers import NumberPlan, e164
from cdr_pipeline.core.time.local_time import is_time_format, is_zone, zone_names
from cdr_pipeline.core.uploads.profile import ACCOUNT_ZONE, FILE_NAME, Profile

_CURRENCY: Final = re.compile(r"(?:[A-Z]{3})?")


def contradiction(profile: Profile) -> str:
    """First contradiction in a profile whose types are valid; empty if there is none."""
    layout, zone = profile.layout, profile.time_zone
    unreadable = [text for text in profile.time_formats if not is_time_format(text)]
    widths = [len(names) for names in layout.columns]
    listed = {column for names in layout.columns for column in names}
    ends = bool(profile.fields.get("ended_at") and profile.fields.get("duration_seconds"))
    faults = {
        "fields.started_at must name the column of the start of a call, or set ended_at and duration_seconds": (
            not profile.fields.get("started_at") and not ends and not profile.profile_column
        ),
        "profile_column needs [profile_names] with the profiles of its values, and no [fields] or [control];"
        " account_column is another column": bool(profile.profile_column or profile.profile_names)
        and (
            not (profile.profile_column and profile.profile_names)
            or bool(profile.fields or profile.control.name or profile.control.line)
            or profile.profile_column == profile.account_column
            or profile.name in profile.profile_names.values()
        ),
        "layout.widths must name the columns of fixed-width text, each from character 1 on": (
            layout.format == "fixed"
            and not (layout.widths and all(start > 0 and length > 0 for start, length in layout.widths.values()))
        ),
        "layout.repair needs one list of columns that names them, and layout.shapes of others": bool(layout.repair)
        and not (len(layout.columns) == 1 and {*layout.repair, *layout.shapes} <= listed and layout.shapes),
        "layout.more_columns needs one list of columns": layout.more_columns and len(layout.columns) != 1,
        "layout.escape must be one character": len(layout.escape) > 1,
        "segments needs key, and either continued or begin": bool(profile.segments.key)
        != bool(profile.segments.continued or profile.segments.begin),
        "segments.begin needs segments.end": bool(profile.segments.begin) and not profile.segments.end,
        "a regular expression of layout or control is invalid": not all(map(_is_expression, _expressions(profile))),
        "control.line needs a group rows, seconds or cost": bool(profile.control.line)
        and not re.search(r"\(\?P<(?:rows|seconds|cost)>", profile.control.line),
        "time.zones names no zone": not all(map(is_zone, profile.zones.values())),
        "without a header, layout.columns must name the columns": (
            layout.format == "delimited" and not layout.header and not layout.columns
        ),
        "layout.columns names a column twice": any(len(set(names)) < len(names) for names in layout.columns),
        "layout.columns has two lists of one length": len(set(widths)) < len(widths),
        "a field or native_id names a column that layout.columns lacks": (
            layout.format == "delimited" and not layout.header and not profile.columns <= listed
        ),
        "derive: file_name cannot be used with segments, whose rows may be in two files": bool(profile.segments.key)
        and any(FILE_NAME in item.columns for item in profile.derive.values()),
        "derive needs columns in source": not all(item.source for item in profile.derive.values()),
        "derive: part counts from 1, or from -1 at the end": any(item.part == 0 for item in profile.derive.values()),
        "derive: match needs one group, such as ^00(.*)$": any(
            item.match and _is_expression(item.match) and re.compile(item.match).groups != 1
            for item in profile.derive.values()
        ),
        f"time.formats cannot be read: {', '.join(unreadable)}; 'cdr-pipeline docs profiles' lists the parts of a "
        "format": bool(unreadable),
        "time.formats names no format": profile.time_notation == "local" and not profile.time_formats,
        "layout.delimiter is one character, and neither a quote nor a line end": (
            len(layout.delimiter) != 1 or layout.delimiter in '"\r\n'
        ),
        "currency must be an ISO 4217 code such as EUR": not _CURRENCY.fullmatch(profile.currency),
        "layout.encoding is not a supported encoding": not _is_encoding(layout.encoding),
        "time.zone must be account or an IANA time zone": zone != ACCOUNT_ZONE and zone not in zone_names(),
        "reconcile.increments must be first/next in seconds, such as 60/6": not re.fullmatch(
            r"|[1-9]\d*/[1-9]\d*", profile.reconcile.increments
        ),
        "reconcile.rate_card must be the name of a file in the profile's folder": "/" in profile.reconcile.rate_card
        or profile.reconcile.rate_card.startswith("."),
        "plan: country_code is digits, and prefixes are regular expressions": not _is_usable(profile.plan),
    }
    return next((fault for fault, present in faults.items() if present), "")


def _is_encoding(name: str) -> bool:
    """Whether Python can decode text in this encoding, except encodings that can return half a character."""
    try:
        "a".encode(name)
        codecs.getincrementaldecoder(name)
    except (LookupError, UnicodeError):
        return False
    return "escape" not in name.lower() and codecs.lookup(name).name != "utf-7"


def _expressions(profile: Profile) -> list[str]:
    layout, control, segments = profile.layout, profile.control, profile.segments
    patterns = [segments.begin, segments.answer, segments.end, segments.alone]
    return [
        *(expression for item in profile.derive.values() for expression in item.expressions),
        *profile.not_calls.values(),
        *(expression for item in patterns for expression in item.values()),
        *[layout.unwrap, *layout.skip, *layout.footer, *layout.shapes.values(), control.line, control.name],
    ]


@lru_cache(maxsize=1024)
def _is_expression(text: str) -> bool:
    """Whether both the standard library and Polars can compile it."""
    try:
        re.compile(text)
        pl.select(pl.lit("").str.contains(text or "x"))
    except (re.error, pl.exceptions.ComputeError):
        return False
    return True


def _is_usable(plan: NumberPlan) -> bool:
    if plan.country_code is not None and not plan.country_code.isdecimal():
        return False
    try:
        pl.select(e164(pl.lit("0"), plan))
    except pl.exceptions.ComputeError:
        return False
    return True
