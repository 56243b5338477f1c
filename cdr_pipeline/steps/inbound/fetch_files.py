"""Fetches files from the places of ``inbound.toml`` and registers them, each version once."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import stamina

from cdr_pipeline.core.uploads.inbound_files import (
    PlaceRules,
    PlannedFile,
    RemoteFile,
    SeenFile,
    WholeRule,
    plan,
    unsafe_path,
)
from cdr_pipeline.errors import (
    AccountNotFound,
    CdrError,
    ConfigurationError,
    InboundFileChanged,
    InboundFileRefused,
    InboundUnavailable,
    WarehouseUnavailable,
)
from cdr_pipeline.sources.inbound.connection import PlaceConnection
from cdr_pipeline.sources.inbound.download import delete_stale_parts
from cdr_pipeline.sources.inbound.opening import open_place
from cdr_pipeline.sources.inbound.places import COLUMN, FileRule, Place, load_places
from cdr_pipeline.sources.uploads.profiles import load_profile
from cdr_pipeline.sources.uploads.waiting import display_name
from cdr_pipeline.steps.failure import error_summary
from cdr_pipeline.steps.inbound.clear_files import clear
from cdr_pipeline.steps.inbound.download_and_register import download_and_register, parts_folder
from cdr_pipeline.steps.inbound.place_results import FileResult, Outcome, PlaceResult
from cdr_pipeline.steps.inbound.place_visit import PlaceVisit
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.inbound.inbound_files import InboundFile
from cdr_pipeline.warehouse.ledger import Ledger
from cdr_pipeline.warehouse.server.locks import named_lock

Sleep = Callable[[float], None]
# Hosts that are worked on at the same time; one connection each.
_HOSTS: Final = 4
_ATTEMPTS: Final = 3
# Decisions about entries that are no files of their own.
_UNLISTED: Final = frozenset({"companion"})


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """What to fetch.

    Attributes:
        places: names of places; all when omitted.
        dry_run: whether to say only what would be fetched, after one look; nothing is recorded or changed.
    """

    places: Sequence[str] | None = None
    dry_run: bool = False


def fetch_files(request: FetchRequest, ctx: RunContext, *, sleep: Sleep = time.sleep) -> list[PlaceResult]:
    """Looks at places, fetches every whole file once and registers it. A failed place or file does not stop others.

    Each host has one connection at a time, over all processes. A file that is recognised by a stable size is looked
    at twice; between the looks of a host the call waits once.

    Args:
        request: what to fetch.
        ctx: settings, warehouse, clock and progress callback.
        sleep: waits for a number of seconds.

    Raises:
        ConfigurationError: inbound.toml is invalid, or a requested place does not exist.
        WarehouseUnavailable: the warehouse cannot be reached.
    """
    places = wanted_places(request.places, ctx)
    with ctx.ledger() as ledger:
        registered = frozenset(account.account_id for account in ledger.accounts.active())
    by_host = defaultdict[str, list[Place]](list)
    for place in places:
        by_host[place.host].append(place)
    if not request.dry_run:
        delete_stale_parts(parts_folder(ctx))

    def visit_host(host: str) -> list[PlaceResult]:
        visits = [PlaceVisit(place, ctx, request.dry_run, registered) for place in by_host[host]]
        if request.dry_run:
            _visit_all(visits, sleep)
        else:
            with named_lock(ctx.url, f"inbound:{host}"):
                _visit_all(visits, sleep)
        return [visit.result() for visit in visits]

    if not by_host:
        return []
    with ThreadPoolExecutor(min(_HOSTS, len(by_host)), thread_name_prefix="inbound") as pool:
        results = [result for results in pool.map(visit_host, sorted(by_host)) for result in results]
    return sorted(results, key=lambda result: result.place)


def wanted_places(names: Sequence[str] | None, ctx: RunContext) -> list[Place]:
    """The places of inbound.toml with these names; all when omitted.

    Raises:
        ConfigurationError: inbound.toml is invalid, or a place does not exist.
    """
    places = {place.name: place for place in load_places(ctx.settings.inbound_file)}
    unknown = sorted(set(names or ()) - places.keys())
    if unknown:
        known = ", ".join(places) or "none"
        raise ConfigurationError(
            f"no such place: {', '.join(unknown)}; {ctx.settings.inbound_file.name} has {known}",
            hint=f"see {ctx.settings.inbound_file}",
        )
    return [places[name] for name in (names or places)]


def _visit_all(visits: Sequence[PlaceVisit], sleep: Sleep) -> None:
    """Looks at the places of a host, waits once if a file needs a second look, and fetches."""
    wait = max((_first_look(visit) for visit in visits), default=0.0)
    if wait > 0:
        sleep(wait)
    for visit in visits:
        if visit.failure is None:
            _second_look(visit)


def _first_look(visit: PlaceVisit) -> float:
    """Records what a place shows. Returns the seconds until files that were new can be looked at again."""
    place = visit.place
    if visit.dry_run or place.whole_rule.how != "stable":
        return 0.0
    planned: list[PlannedFile] = []
    with _contained(visit):
        for attempt in _attempts():
            with attempt, open_place(place) as connection, visit.ctx.ledger() as ledger:
                planned = _planned(_listed(connection, place), place, ledger, visit.ctx)
                _record_seen(planned, place, ledger, visit.ctx)
    return place.stable_seconds if any(item.decision == "growing" for item in planned) else 0.0


def _second_look(visit: PlaceVisit) -> None:
    """Looks at a place, and fetches, registers and clears its files; continues over a new connection if one breaks."""
    with _contained(visit):
        for attempt in _attempts(1 if visit.dry_run else _ATTEMPTS):
            with attempt:
                _fetch_all(visit)


def _attempts(most: int = _ATTEMPTS) -> Iterator[stamina.Attempt]:
    return iter(stamina.retry_context(on=_is_retryable, attempts=most, wait_initial=1.0, wait_max=10.0))


def _is_retryable(error: Exception) -> bool:
    return isinstance(error, InboundUnavailable)


def _fetch_all(visit: PlaceVisit) -> None:
    place, ctx = visit.place, visit.ctx
    with open_place(place) as connection, ctx.ledger() as ledger:
        files = _listed(connection, place)
        # Without a record of looks, a dry run takes every file as whole.
        whole = WholeRule("at_once") if visit.dry_run and place.whole_rule.how == "stable" else place.whole_rule
        planned = _planned(files, place, ledger, ctx, whole)
        if not visit.dry_run:
            _record_seen(planned, place, ledger, ctx)
        known = _known(place, [item.file.path for item in planned if item.decision == "known"], ledger)
        waiting = sum(item.decision == "fetch" for item in planned)
        done = 0
        for item in planned:
            if item.decision in _UNLISTED:
                continue
            if item.decision == "fetch":
                done += 1
                ctx.progress(f"{place.name}: file {done} of {waiting}")
            result = _handled(item, visit, connection, ledger)
            before = visit.files.get(item.file.path)
            # Fetched by this call before the connection broke.
            if not (before is not None and before.outcome == "fetched" and result.outcome == "known"):
                visit.files[item.file.path] = result
        for item in planned:
            result = visit.files.get(item.file.path)
            if result is not None and not visit.dry_run and result.outcome in ("known", "fetched"):
                earlier = known.get((item.file.path, item.file.stamp))
                fetched_at = earlier.fetched_at if earlier and earlier.fetched_at else ctx.clock()
                age = ctx.clock() - fetched_at
                visit.files[item.file.path] = clear(result, item.file, visit, connection, ledger, due=age)


class _contained:  # noqa: N801 - a context manager
    """Keeps the failure of a place from the others, and records it."""

    def __init__(self, visit: PlaceVisit) -> None:
        self._visit = visit

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        visit = self._visit
        if error is not None and not isinstance(error, Exception):
            return False
        if isinstance(error, WarehouseUnavailable):
            return False
        if isinstance(error, CdrError):
            visit.failure = error
        elif error is not None:
            visit.failure = CdrError(f"place {visit.place.name}: {error_summary(error)}")
        if not visit.dry_run:
            failure = visit.failure
            with visit.ctx.ledger() as ledger:
                ledger.inbound.record_look(
                    visit.place.name,
                    now=visit.ctx.clock(),
                    error_code=failure.code if failure else None,
                    error_message=failure.message if failure else None,
                )
        return error is not None


def _listed(connection: PlaceConnection, place: Place) -> list[RemoteFile]:
    patterns, depth = place.patterns, place.depth

    def wanted(path: str) -> bool:
        return path.count("/") <= depth and any(pattern.match(path) for pattern in patterns)

    return list(connection.files(wanted))


def _planned(
    files: Sequence[RemoteFile], place: Place, ledger: Ledger, ctx: RunContext, whole: WholeRule | None = None
) -> list[PlannedFile]:
    known = _known(place, [file.path for file in files], ledger)
    seen = {key: SeenFile(item.first_seen_at, item.state == "fetched") for key, item in known.items()}
    return plan(files, PlaceRules(place.patterns, whole or place.whole_rule, place.limits), seen, ctx.clock())


def _known(place: Place, paths: Sequence[str], ledger: Ledger) -> dict[tuple[str, str], InboundFile]:
    storable = [path for path in paths if not unsafe_path(path)]
    return {(item.path, item.stamp): item for item in ledger.inbound.of_place(place.name, storable)}


def _record_seen(planned: Sequence[PlannedFile], place: Place, ledger: Ledger, ctx: RunContext) -> None:
    shown = [item.file for item in planned if item.rule is not None and not unsafe_path(item.file.path)]
    ledger.inbound.record_seen(place.name, shown, now=ctx.clock())


def _handled(item: PlannedFile, visit: PlaceVisit, connection: PlaceConnection, ledger: Ledger) -> FileResult:
    """Fetches a file if it is to be fetched, and records the outcome."""
    place, file = visit.place, item.file
    result = FileResult(place.name, display_name(file.path), "known", size=file.size, stamp=file.stamp)
    if item.decision == "unmatched":
        return replace(result, outcome="unmatched")
    assert item.rule is not None  # noqa: S101 - every decision but unmatched and companion has a rule
    rule = place.files[item.rule]
    profile = rule.profile or item.matched.profile
    account = rule.accounts.get(item.matched.account, item.matched.account) or rule.account
    result = replace(result, profile=profile, file_date=_day(item, rule))
    result = result if rule.account == COLUMN else replace(result, account_ids=(account,))
    if item.decision not in ("fetch", "refused"):
        return replace(result, outcome=item.decision)  # type: ignore[arg-type]
    try:
        if item.decision == "refused":
            raise InboundFileRefused(
                f"place {place.name}: {display_name(file.name)} is not fetched: {item.why}",
                hint="ask the carrier to correct it, or change the place's limits in inbound.toml",
            )
        if rule.account != COLUMN and account not in visit.registered:
            raise AccountNotFound(
                f"place {place.name}: {display_name(file.name)} is for account {display_name(account)}, which is not "
                "registered or not active",
                hint=f"cdr-pipeline accounts add {display_name(account)}, or correct account in inbound.toml",
            )
        load_profile(profile, folder=visit.ctx.settings.profile_dir)
        if visit.dry_run:
            return replace(result, outcome="would_fetch")
        return download_and_register(item, result, rule, visit=visit, connection=connection, ledger=ledger)
    except CdrError as error:
        result = _not_fetched(error, result, item, visit, ledger)
        if isinstance(error, InboundUnavailable) and not isinstance(error, InboundFileChanged):
            visit.files[file.path] = result
            raise  # the connection is lost, so every file would fail
        return result


def _not_fetched(
    error: CdrError, result: FileResult, item: PlannedFile, visit: PlaceVisit, ledger: Ledger
) -> FileResult:
    if isinstance(error, WarehouseUnavailable):
        raise error
    if not visit.dry_run and not unsafe_path(item.file.path):
        ledger.inbound.record_not_fetched(
            visit.place.name,
            item.file,
            state="seen" if error.retryable else "refused",
            error_code=error.code,
            error_message=error.message,
        )
    outcome: Outcome = "failed" if error.retryable else "refused"
    return replace(result, outcome=outcome, code=error.code, message=error.message, hint=error.hint)


def _day(item: PlannedFile, rule: FileRule) -> date | None:
    day = item.matched.file_date
    return None if day is None else day + timedelta(days=rule.day_offset)
