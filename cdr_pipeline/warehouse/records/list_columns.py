"""Columns of Kazoo's CDR list as SQL over a row of the merged view, with the names, order and texts of Kazoo 4.3.

The columns exist as values of JSON, as cells of CSV, and as the texts that ``list_json`` makes JSON of; the forms
differ where JSON has numbers and lists. Kazoo's 35 columns come first, in their order, with two more for the reseller
above the account. Columns of the Kazoo CDR API (2017 page) that Kazoo itself leaves out follow, then the origin, the
currency and the business date.
"""

from functools import lru_cache
from typing import Final, Literal, LiteralString, cast

from psycopg import sql

Form = Literal["json", "csv", "texts"]
# The session prints instants as "2026-11-24 21:39:02.123456+00": UTC, ISO.
_STARTED: Final[LiteralString] = "record.started_at::text"
_SECONDS: Final[LiteralString] = "(extract(epoch FROM date_trunc('second', record.started_at))::bigint)"


def _text(column: LiteralString) -> LiteralString:
    return "coalesce(record." + column + ", '')"


# Name and SQL text of each column. No f-strings, so that the parts stay literal strings.
_COLUMNS: Final[tuple[tuple[LiteralString, LiteralString], ...]] = (
    ("id", "record.record_id"),
    ("call_id", _text("call_id")),
    ("caller_id_number", _text("caller_id_number")),
    ("caller_id_name", _text("caller_id_name")),
    ("callee_id_number", _text("callee_id_number")),
    ("callee_id_name", _text("callee_id_name")),
    ("duration_seconds", "coalesce(trim_scale(record.duration_seconds)::text, '')"),
    ("billing_seconds", "coalesce(trim_scale(record.billing_seconds)::text, '')"),
    ("timestamp", "(" + _SECONDS + " + 62167219200)::text"),
    ("hangup_cause", _text("hangup_cause")),
    ("disposition", _text("disposition")),
    ("other_leg_call_id", _text("other_leg_call_id")),
    ("owner_id", _text("owner_id")),
    ("to", _text("sip_to")),
    ("from", _text("sip_from")),
    ("direction", _text("call_direction")),
    ("request", _text("sip_request")),
    ("authorizing_id", "coalesce(nullif(record.authorizing_id, record.account_id), '')"),
    ("cost", "coalesce(trim_scale(record.cost * 10000)::text, '0')"),
    ("dialed_number", _text("dialed_number")),
    ("calling_from", _text("calling_from")),
    ("datetime", "left((record.started_at + make_interval(secs => %(utc_offset)s))::text, 19)"),
    ("unix_timestamp", _SECONDS + "::text"),
    ("rfc_1036", """to_char(record.started_at, 'Dy, DD Mon YYYY HH24:MI:SS "GMT"')"""),
    ("iso_8601", "left(" + _STARTED + ", 10)"),
    ("iso_8601_combined", "left(" + _STARTED + ", 10) || 'T' || substr(" + _STARTED + ", 12, 8) || 'Z'"),
    ("call_type", _text("call_type")),
    ("rate", "coalesce(trim_scale(record.rate)::text, '0.0')"),
    ("rate_name", _text("rate_name")),
    ("bridge_id", _text("bridge_id")),
    ("recording_url", _text("recording_url")),
    ("media_recordings", "coalesce(record.media_recordings, '')"),
    ("media_server", _text("media_server")),
    ("call_priority", _text("call_priority")),
    ("interaction_id", _text("interaction_id")),
    ("reseller_cost", "coalesce(trim_scale(record.reseller_cost * 10000)::text, '')"),
    ("reseller_call_type", _text("reseller_call_type")),
    ("call_direction", _text("call_direction")),
    ("ringing_seconds", "coalesce(trim_scale(record.ringing_seconds)::text, '')"),
    ("digits_dialed", _text("digits_dialed")),
    ("to_uri", _text("to_uri")),
    ("from_uri", _text("from_uri")),
    ("origin", "record.origin"),
    ("cost_currency", _text("cost_currency")),
    ("business_date", "record.business_date::text"),
)


def _number(column: LiteralString) -> LiteralString:
    return "coalesce(to_json(trim_scale(record." + column + ")), '\"\"'::json)"


_RECORDINGS: Final[LiteralString] = (
    "CASE WHEN record.media_recordings IS NULL THEN '[]'::json"
    """ WHEN record.media_recordings ~ '^\\[("[^"\\\\[:cntrl:]]*"(, ?"[^"\\\\[:cntrl:]]*")*)?\\]$'"""
    " THEN record.media_recordings::json ELSE to_json(record.media_recordings) END"
)
_JSON: Final[dict[LiteralString, LiteralString]] = {
    "duration_seconds": _number("duration_seconds"),
    "billing_seconds": _number("billing_seconds"),
    "ringing_seconds": _number("ringing_seconds"),
    "media_recordings": _RECORDINGS,
}
# Columns whose texts are JSON without quotation marks: numbers, and recordings, which are JSON already.
NUMBERS: Final = frozenset(("duration_seconds", "billing_seconds", "ringing_seconds"))
RECORDINGS: Final = "media_recordings"
_FORMS: Final[dict[Form, dict[LiteralString, LiteralString]]] = {
    "json": _JSON,
    "csv": {},
    "texts": {RECORDINGS: "(" + _RECORDINGS + ")::text"},
}
_INCEPTION: Final[tuple[LiteralString, LiteralString]] = (
    "inception_direction",
    "CASE record.call_direction WHEN 'inbound' THEN 'termination' WHEN 'outbound' THEN 'origination' ELSE '' END",
)

# What the account pays to the one above, which only that one sees.
_OF_RESELLERS: Final = frozenset(("reseller_cost", "reseller_call_type"))
RESELLER_NAMES: Final = tuple(name for name, _ in _COLUMNS)
NAMES: Final = tuple(name for name in RESELLER_NAMES if name not in _OF_RESELLERS)
INTERACTION_NAMES: Final = (_INCEPTION[0],)


@lru_cache(256)
def list_columns(form: Form, *, interactions: bool = False, only: tuple[str, ...] = ()) -> sql.SQL:
    """The select list over ``record``, a row of the merged view; needs the parameter ``utc_offset``.

    The result is cached, since most requests need the same text.

    Args:
        form: values of JSON, cells of CSV, or texts without null for ``list_json``.
        interactions: with the column that only lists of interactions have.
        only: names of the columns; empty for all but those of resellers. Their order is always that of the list.
    """
    composed = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(sql.SQL(_FORMS[form].get(name, text)), sql.Identifier(name))
        for name, text in _listed(interactions, only)
    )
    return sql.SQL(cast("LiteralString", composed.as_string(None)))


@lru_cache(256)
def list_names(*, interactions: bool = False, only: tuple[str, ...] = ()) -> sql.SQL:
    """Names of the columns of ``list_columns``, as columns of a subquery ``page``."""
    composed = sql.SQL(", ").join(sql.Identifier("page", name) for name, _ in _listed(interactions, only))
    return sql.SQL(cast("LiteralString", composed.as_string(None)))


@lru_cache(256)
def listed_names(*, interactions: bool = False, only: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Names of the columns of ``list_columns``."""
    return tuple(name for name, _ in _listed(interactions, only))


def _listed(interactions: bool, only: tuple[str, ...]) -> tuple[tuple[LiteralString, LiteralString], ...]:  # noqa: FBT001
    columns = (*_COLUMNS, _INCEPTION) if interactions else _COLUMNS
    return tuple(column for column in columns if (column[0] in only if only else column[0] not in _OF_RESELLERS))
