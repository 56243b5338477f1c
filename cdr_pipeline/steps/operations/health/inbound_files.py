"""Problems of the places where carriers put files, and of files that are expected there."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta

from cdr_pipeline.core.charts.composed_text import ComposedText, counted
from cdr_pipeline.errors import (
    ConfigurationError,
)
from cdr_pipeline.sources.inbound.places import load_places
from cdr_pipeline.steps.inbound.expected_files import LateFile, late_files
from cdr_pipeline.steps.operations.health.problem import (
    A_WEEK,
    FORGOTTEN,
    Problem,
    Subject,
    some,
    titled,
)
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.inbound.inbound_files import InboundFile
from cdr_pipeline.warehouse.ledger import Ledger

# Longer than a look at a place with large files takes.
_A_LOOK = timedelta(hours=2)
# A file that is missing in its series is reported for five weeks, until the month has been invoiced.
_EXPECTED = timedelta(days=35)


def inbound_problems(ledger: Ledger, names: Mapping[str, str], ctx: RunContext) -> Iterator[Problem]:
    """Places that fail, files there that are refused or stay incomplete, and expected files that are late."""
    now = ctx.clock()
    try:
        places = {place.name for place in load_places(ctx.settings.inbound_file)}
    except ConfigurationError as error:
        yield Problem(
            error.message, error.code, now, "cdr-pipeline inbound check", "inbound.toml", subject=Subject("place")
        )
        return
    if not places:
        return
    looked = {item.place: item for item in ledger.inbound.places() if item.place in places}
    for place in looked.values():
        if place.failed_since is not None:
            yield Problem(
                place.error_message or f"place {place.place} failed",
                place.error_code or "inbound",
                place.failed_since,
                f"cdr-pipeline inbound check {place.place}",
                f"place {place.place}",
                subject=Subject("place", name=place.place),
            )
    by_place = defaultdict[tuple[str, str], list[InboundFile]](list)
    for file in ledger.inbound.list_all(["refused", "seen"], since=now - A_WEEK):
        latest = looked.get(file.place)
        # Versions that a later look no longer shows have been replaced or are gone.
        if latest is None or file.seen_at < latest.looked_at - _A_LOOK:
            continue
        if file.state == "refused" or now - file.first_seen_at > FORGOTTEN:
            code = file.error_code or "inbound_file_unfinished"
            by_place[file.place, code].append(file)
    for (name, code), files in by_place.items():
        why: str = files[0].error_message or ComposedText(
            "place {place}: {path} is not complete yet", place=name, path=files[0].path
        )
        if len(files) > 1:
            why = ComposedText(
                "{first}; {more} there",
                first=why,
                more=counted(len(files) - 1, "{count} more file", "{count} more files"),
            )
        since = min(file.first_seen_at for file in files)
        yield Problem(
            why,
            code,
            since,
            f"cdr-pipeline inbound check {name}",
            f"place {name}",
            subject=Subject("place", name=name),
        )
    yield from _late_files(names, ctx)


def _late_files(names: Mapping[str, str], ctx: RunContext) -> Iterator[Problem]:
    """Files that inbound.toml expects and that are late."""
    late: dict[tuple[str, str, str], list[LateFile]] = {}
    for item in late_files(ctx, names):
        late.setdefault((item.place, item.pattern, item.account_id), []).append(item)
    for (name, pattern, account_id), missing in late.items():
        yield Problem(
            ComposedText(
                "account {account}: no file {pattern} at place {place} for {days}; "
                "import an empty file of that name if there were no calls",
                account=titled(account_id, names),
                pattern=pattern,
                place=name,
                days=some([str(item.day) for item in missing]),
            ),
            "inbound_file_late",
            missing[0].due_at.astimezone(UTC),
            f"cdr-pipeline inbound fetch {name}",
            f"{name} {pattern} {account_id}",
            datetime.combine(missing[-1].day, time(), tzinfo=UTC) + _EXPECTED,
            Subject("place", account_id, name=name),
        )
