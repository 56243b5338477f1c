"""Searches of the merged view: pages, streams, single legs, the legs of a call, summaries."""

from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection, AsyncCopy, Connection, sql
from psycopg.abc import Buffer, PQGen
from psycopg.rows import dict_row

from cdr_pipeline.core.records.links import LEG_REACH_DAYS
from cdr_pipeline.core.records.search import Clock, Compare, InstantRange, Operator, PageKey, Search
from cdr_pipeline.warehouse.records.candidates import narrowed, search_terms
from cdr_pipeline.warehouse.records.conditions import BoundValues, condition_sql
from cdr_pipeline.warehouse.records.list_columns import Form, list_columns, list_names, listed_names
from cdr_pipeline.warehouse.records.list_json import json_rows
from cdr_pipeline.warehouse.records.merged_view import legs_within_days
from cdr_pipeline.warehouse.statements import named, statement

# Longest call that a search by end time finds. A leg is stored under the day of its start, so a search by end time
# also reads the days before its period; this limit bounds how many.
_LONGEST: Final = timedelta(days=31)
_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)
# The clocks of a leg by its own record, as in the merged view.
_CLOCKS: Final[dict[Clock, LiteralString]] = {
    "saved_at": "CASE WHEN indexed.ended_at IS NULL THEN indexed.started_at ELSE indexed.ended_at END",
    "started_at": "indexed.started_at",
}
_REACH: Final = timedelta(days=LEG_REACH_DAYS)
_FORMS: Final[dict[str, Form]] = {
    "records/page": "texts", "records/stream_json": "json", "records/stream_csv": "csv",
}  # fmt: skip
# Legs of one interaction, conference included.
_MOST_LEGS: Final = 1000
# COPY sends one row at a time; files are written, and responses sent, in larger pieces.
_PIECE_BYTES: Final = 64 * 1024
_SENT_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class FoundPage:
    """One page of a search.

    Attributes:
        rows: list rows as JSON texts.
        first: key of the first row; None if the page is empty.
        following: key of the first row of the next page; None on the last page.
    """

    rows: list[str]
    first: PageKey | None
    following: PageKey | None


def is_read_in_order(search: Search) -> bool:
    """Whether a page is best read in time order: the search has a period or one day, and no index can narrow it."""
    return (search.span is not None or _is_of_one_day(search)) and not _narrowing(search, BoundValues())


def is_planned_once(search: Search) -> bool:
    """Whether one plan fits all searches of this form: of one account, with a period or one day and no other filter."""
    days = all(isinstance(part, Compare) and part.columns == ("business_date",) for part in search.conditions)
    return len(search.accounts) == 1 and days and is_read_in_order(search) and len(search.conditions) <= 1


async def find_page(connection: AsyncConnection[Any], search: Search, *, size: int, start: PageKey | None) -> FoundPage:
    """Reads one page of a search.

    Args:
        connection: scoped connection to the warehouse.
        search: the search.
        size: largest number of rows of the page.
        start: key of the first leg of the page; None for the first page.
    """
    query, values = page_statement(search, size=size, start=start)
    cursor = await connection.execute(query, values, prepare=is_planned_once(search) or None)
    return page_of(await cursor.fetchall(), search, size=size)


def page_statement(search: Search, *, size: int, start: PageKey | None) -> tuple[sql.Composed, dict[str, Any]]:
    """The statement of a page and its values; arguments as in ``find_page``."""
    query, bound = _composed("records/page", search, start)
    return query, bound.values | {"row_limit": size + 1, "utc_offset": search.utc_offset}


def page_of(rows: list[tuple[Any, ...]], search: Search, *, size: int) -> FoundPage:
    """The page that the rows of ``page_statement`` are."""
    keys = [PageKey(row[0], row[1], row[2]) for row in (rows[:1] + rows[size:])]
    texts = [row[3] for row in rows[:size]]
    found = json_rows(texts, listed_names(interactions=search.interactions, only=search.columns))
    return FoundPage(found, keys[0] if rows else None, keys[-1] if len(rows) > size else None)


async def stream_json(connection: AsyncConnection[Any], search: Search) -> AsyncGenerator[bytes]:
    """All legs of a search as JSON objects, one a line, in pieces of bounded size."""
    async for piece in _copied(connection, "records/stream_json", search):
        # COPY doubles backslashes and ends each row with a line break; the JSON texts have no line breaks.
        yield piece.replace(b"\\\\", b"\\")


async def stream_csv(connection: AsyncConnection[Any], search: Search) -> AsyncGenerator[bytes]:
    """All legs of a search as CSV in pieces: a header, then rows with every cell quoted."""
    async for piece in _copied(connection, "records/stream_csv", search):
        yield piece


def copy_rows(connection: Connection[Any], search: Search, *, as_json: bool) -> Generator[tuple[bytes, int]]:
    """All legs of a search as ``stream_json`` or ``stream_csv`` have them, for a thread.

    Args:
        connection: scoped connection to the warehouse.
        search: the search.
        as_json: whether the rows are JSON lines instead of CSV with a header.

    Yields:
        Pieces of bounded size with the number of their lines, the header included.
    """
    query, bound = _composed("records/stream_json" if as_json else "records/stream_csv", search, None)
    lines: list[bytes] = []
    size = 0
    with connection.cursor() as cursor, cursor.copy(query, bound.values | {"utc_offset": search.utc_offset}) as copy:
        for line in copy:
            lines.append(bytes(line))
            size += len(line)
            if size >= _PIECE_BYTES:
                yield _joined(lines, as_json=as_json), len(lines)
                lines, size = [], 0
    if lines:
        yield _joined(lines, as_json=as_json), len(lines)


def _joined(lines: list[bytes], *, as_json: bool) -> bytes:
    piece = b"".join(lines)
    return piece.replace(b"\\\\", b"\\") if as_json else piece


async def find_record(connection: AsyncConnection[Any], account_id: str, record_id: str) -> dict[str, Any] | None:
    """One leg with all columns of the merged view."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            statement("records/record"), {"account_id": account_id, "record_id": record_id}, prepare=True
        )
        return await cursor.fetchone()


async def find_legs(connection: AsyncConnection[Any], account_id: str, identity: str) -> list[dict[str, Any]]:
    """All legs of an interaction, oldest first, with all columns.

    Args:
        connection: scoped connection to the warehouse.
        account_id: account that owns the records.
        identity: id of the interaction or of one of its legs.
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            statement("records/legs"),
            {"account_id": account_id, "identity": identity, "row_limit": _MOST_LEGS},
            prepare=True,
        )
        return await cursor.fetchall()


async def find_summary(connection: AsyncConnection[Any], search: Search) -> list[dict[str, Any]]:
    """Billed ``seconds`` by ``direction, domain, classifier, rate_name``."""
    bound = BoundValues()
    query = named("records/summary", conditions=_conditions(search, bound))
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, bound.values)
        return await cursor.fetchall()


async def _copied(connection: AsyncConnection[Any], name: str, search: Search) -> AsyncGenerator[bytes]:
    query, bound = _composed(name, search, None)
    parameters = bound.values | {"utc_offset": search.utc_offset}
    async with connection.cursor() as cursor, cursor.copy(query, parameters) as copy:
        while piece := await connection.wait(_piece_of(copy)):
            yield piece


def _piece_of(copy: AsyncCopy) -> PQGen[bytes]:
    """The next lines of a COPY. To wait for each line takes longer than to read it."""
    lines: list[Buffer] = []
    size = 0
    while size < _SENT_BYTES and (line := (yield from copy._read_gen())):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        lines.append(line)
        size += len(line)
    return b"".join(lines)


def _composed(name: str, search: Search, start: PageKey | None) -> tuple[sql.Composed, BoundValues]:
    bound = BoundValues()
    conditions = _conditions(search, bound)
    clock = sql.Identifier(search.clock)
    if start is not None:
        compared = sql.SQL(">=") if search.ascending else sql.SQL("<=")
        moment = bound.add(start.moment)
        # The origin depends on the link and is not indexed; the first comparison lets the index on the time be used.
        conditions += sql.SQL(
            " AND record.{clock} {compared} {moment}"
            " AND (record.{clock}, record.record_id, record.origin) {compared} ({moment}, {record}, {origin})"
        ).format(
            clock=clock, compared=compared, moment=moment, record=bound.add(start.record_id),
            origin=bound.add(start.origin),
        )  # fmt: skip
    direction = sql.SQL(" ASC") if search.ascending else sql.SQL(" DESC")
    order = sql.SQL(", ").join(
        sql.SQL("record.{}").format(sql.Identifier(column)) + direction
        for column in (search.clock, "record_id", "origin")
    )
    parts: dict[str, sql.Composable] = {
        "columns": list_columns(_FORMS[name], interactions=search.interactions, only=search.columns),
        "conditions": conditions,
        "order": order,
    }
    if name == "records/page":
        names = list_names(interactions=search.interactions, only=search.columns)
        parts |= {"clock": clock, "names": names, "legs": _legs(search, bound)}
    return named(name, **parts), bound


def _legs(search: Search, bound: BoundValues) -> sql.Composable:
    """The merged view; for a page in time order, the part of it whose linked records are of the days of its period."""
    dates = _dates_of(search)
    if dates is None or not is_read_in_order(search):
        return sql.Identifier("cdr_merged")
    first, last = (bound.add(day) for day in (dates[0] - _REACH, dates[1] + _REACH))
    return legs_within_days(first, sql.SQL("{}::date").format(last))


def _conditions(search: Search, bound: BoundValues) -> sql.Composed:
    parts: list[sql.Composable] = []
    if len(search.accounts) == 1:
        parts.append(sql.SQL("record.account_id = {}").format(bound.add(search.accounts[0])))
    else:
        parts.append(sql.SQL("record.account_id = ANY({})").format(bound.add(list(search.accounts))))
    if search.span is not None:
        parts += _in_span(search, bound)
    parts += _narrowing(search, bound)
    parts += [condition_sql(condition, bound) for condition in search.conditions]
    if search.interactions:
        parts.append(
            sql.SQL(
                "NOT EXISTS (SELECT 1 FROM cdr_merged AS earlier WHERE earlier.account_id = record.account_id"
                " AND earlier.interaction_id = record.interaction_id AND"
                " (earlier.started_at, earlier.record_id, earlier.origin)"
                " < (record.started_at, record.record_id, record.origin))"
            )
        )
    if search.known_at is not None:
        parts.append(_existed(search, bound))
    return sql.SQL(" AND ").join(parts)


def _is_of_one_day(search: Search) -> bool:
    return _one_day(search) is not None


def _one_day(search: Search) -> date | None:
    """The business date of a search of one day."""
    for condition in search.conditions:
        if (
            isinstance(condition, Compare)
            and condition.columns == ("business_date",)
            and condition.operator is Operator.EQUALS
            and len(condition.values) == 1
        ):
            (day,) = condition.values
            return day if isinstance(day, date) else date.fromisoformat(str(day))
    return None


def _dates_of(search: Search) -> tuple[date, date] | None:
    """First and last business date that a leg of the search can have; None if it can have any."""
    if search.span is not None:
        return _dates(search.span)
    day = _one_day(search)
    return None if day is None else (day, day)


def _narrowing(search: Search, bound: BoundValues) -> list[sql.Composable]:
    """Additional conditions that an index can answer; the other conditions then filter the few remaining legs."""
    dates = None if search.span is None else _dates(search.span)
    terms = [item for item in map(search_terms, search.conditions) if item is not None]
    period = None if search.span is None or not terms else _period_of_leg(search.span, bound)
    parts = [narrowed(item, search.accounts, bound.add, dates, period) for item in terms]
    return [part for part in parts if part is not None]


def _period_of_leg(span: InstantRange, bound: BoundValues) -> sql.Composable:
    """The period of a search as a condition on ``indexed``, the record that is the leg."""
    return sql.SQL("{clock} >= {first} AND {clock} < {last}").format(
        clock=sql.SQL(_CLOCKS[span.clock]), first=bound.add(span.first), last=bound.add(span.last + _SECOND)
    )


def _dates(span: InstantRange) -> tuple[date, date]:
    first_day = (span.first - _LONGEST if span.clock == "saved_at" else span.first - _DAY).date()
    return first_day, (span.last + _DAY).date()


def _in_span(search: Search, bound: BoundValues) -> list[sql.Composable]:
    span = search.span
    if span is None:
        return []
    # A span has a resolution of one second and includes its last second completely.
    clock = sql.Identifier(span.clock)
    first_day, last_day = _dates(span)
    return [
        sql.SQL("record.{} >= {}").format(clock, bound.add(span.first)),
        sql.SQL("record.{} < {}").format(clock, bound.add(span.last + _SECOND)),
        sql.SQL("record.business_date >= {}").format(bound.add(first_day)),
        sql.SQL("record.business_date <= {}").format(bound.add(last_day)),
    ]


def _existed(search: Search, bound: BoundValues) -> sql.Composable:
    """Limits a walk through pages to records that existed when it began, including those changed since."""
    moment = bound.add(search.known_at)
    return sql.SQL(
        "(record.changed_at <= {} OR EXISTS (SELECT 1 FROM cdr_history AS before"
        " WHERE before.account_id = record.account_id AND before.record_id = record.record_id"
        " AND before.changed_at <= {}))"
    ).format(moment, moment)
