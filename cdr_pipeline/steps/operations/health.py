"""Current problems, each with its start and the command that fixes it, read from the ledger."""

import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Final, Literal
from zoneinfo import ZoneInfo

from cdr_pipeline.core.charts.composed_text import ComposedText
from cdr_pipeline.errors import (
    CallTooLong,
    ClockDisagrees,
    ConfigurationError,
    DayNotEnded,
    DialectChanged,
    ReplicaUnusable,
    RowsRejected,
    UpstreamAuthError,
    WarehouseError,
    WindowOutdated,
    WindowTooHeavy,
)
from cdr_pipeline.sources.inbound.places import load_places
from cdr_pipeline.sources.uploads.profiles import broken_profiles
from cdr_pipeline.steps.days.sealed_files import FileFault
from cdr_pipeline.steps.inbound.expected_files import LateFile, late_files
from cdr_pipeline.steps.operations.clocks import clock_differences
from cdr_pipeline.steps.operations.disk import disk_forecasts
from cdr_pipeline.steps.operations.due_nights import DueNight, UnfinishedDay, due_nights, unfinished_days
from cdr_pipeline.steps.operations.remedies import settle_command
from cdr_pipeline.steps.retention.retain_records import due_months, months_after
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.dropped_files import waiting_drops
from cdr_pipeline.steps.uploads.upload_series import upload_series
from cdr_pipeline.warehouse.inbound.inbound_files import InboundFile
from cdr_pipeline.warehouse.ledger import Account, Ledger, OpenRejects, SealedFile
from cdr_pipeline.warehouse.server.replica import replica_state

# The run that changes a day also writes its file. A file that is outdated for longer than this is a problem.
_FORGOTTEN = timedelta(hours=6)
# A day with an unusual volume is reported for one week.
_LOOKED_AT = timedelta(days=7)
# Longer than a look at a place with large files takes.
_A_LOOK = timedelta(hours=2)
# Longer than the time from one night to the end of the next.
_A_NIGHT = timedelta(days=2)
# A file that is missing in its series is reported for five weeks, until the month has been invoiced.
_EXPECTED = timedelta(days=35)
_NAMED = 3
_CENT = Decimal("0.01")
# An alert that a channel has not accepted within this time is a problem of the channel.
_UNHEARD = timedelta(minutes=10)
_SEALED_FAULTS: dict[str, str] = {
    FileFault.MISSING: "the file is missing",
    FileFault.CHANGED: "the file has other bytes than were sealed",
    FileFault.MANIFEST_MISSING: "the manifest is missing",
    FileFault.MANIFEST_CHANGED: "the manifest has changed",
    FileFault.NOT_LISTED: "SHA256SUMS does not list it with its hash",
    FileFault.RECORDS_DIFFER: "the restored warehouse has other records than the file",
}
# Code of problems with rejected rows.
ROWS_REJECTED = RowsRejected.code
# Codes of problems with sealed files.
SEALED_CODES = frozenset(f"sealed_{fault}" for fault in _SEALED_FAULTS)
_LIST_UPLOADS = "cdr-pipeline uploads list"
# By error code of a failed window: text of the problem, and settings to put before the command.
_NOT_ASKED = ("the switch could not be asked for", "")
_WORDS_OF_CODES = {
    WindowOutdated.code: ("the switch was upgraded and windows over the month's end must be read again for", ""),
    DialectChanged.code: ("CDR_API_DIALECT is not what the switch speaks for", "CDR_API_DIALECT=auto "),
    WindowTooHeavy.code: ("the switch did not answer for all of the window that is needed for", ""),
    CallTooLong.code: (
        "calls over the month's end are longer than CDR_COLLECT_LONGEST_CALL_HOURS for",
        "CDR_COLLECT_LONGEST_CALL_HOURS=72 ",
    ),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a problem is about, for a page that leads to it.

    Attributes:
        kind: kind of the thing; empty if no page shows it.
        account_id: account that owns it; empty for several accounts or none.
        business_date: its day; None without one.
        name: id of an upload, name of a profile, a delivery target or an inbound place; otherwise empty.
    """

    kind: Literal[
        "",
        "night",
        "day",
        "upload",
        "rejects",
        "drop",
        "profile",
        "series",
        "breaks",
        "delivery",
        "late_days",
        "place",
    ] = ""
    account_id: str = ""
    business_date: date | None = None
    name: str = ""


_NO_PAGE: Final = Subject()


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem that needs action.

    Attributes:
        what: description without personal data; a ``ComposedText`` where a page shows it in other languages.
        code: stable identifier of its kind or cause.
        since: start of the problem, UTC.
        command: command that fixes the problem or shows its details.
        about: what the problem is about, without counts that change while it lasts; empty if ``what`` has none.
        watched_until: instant after which the problem is not looked for any more; None if it always is.
        subject: what a page shows about it.
    """

    what: str
    code: str
    since: datetime
    command: str
    about: str = ""
    watched_until: datetime | None = None
    subject: Subject = field(default=_NO_PAGE, compare=False)

    @property
    def key(self) -> str:
        """Identifies the problem across checks."""
        return f"{self.code}: {self.what}"

    @property
    def topic(self) -> str:
        """Identifies the problem as long as it lasts."""
        return f"{self.code}: {self.about or self.what}"


def find_problems(ctx: RunContext, *, late_after: timedelta = _FORGOTTEN) -> list[Problem]:
    """All current problems, oldest first.

    Args:
        ctx: settings, warehouse, clock and progress callback.
        late_after: time after which a sealed day with late records is a problem; the sensor ``late_data`` usually
            restates it sooner.
    """
    nights = due_nights(ctx)
    with ctx.ledger() as ledger:
        active = ledger.accounts.active()
        account_ids = [account.account_id for account in active]
        names = {account.account_id: account.name for account in active}
        failed = {(day.account_id, day.business_date) for day in ledger.health.failed_days(account_ids)}
        problems = [
            *clocks_broken(ledger, ctx),
            *_nights(nights, failed, ctx),
            *_unfinished(unfinished_days(ledger, ctx), names, ctx),
            *_collections(ledger, active),
            *_uploads(ledger, names),
            *_rejects(ledger, account_ids, ctx.clock()),
            *_profiles(ctx),
            *_series(ctx, names),
            *_drops(ledger, account_ids, ctx),
            *_inbound(ledger, names, ctx),
            *_sealed_files(ledger),
            *_files(ledger, account_ids, ctx.clock()),
            *_late_days(ledger, account_ids, ctx.clock() - late_after),
            *_volumes(ledger, names, ctx.clock()),
            *_deliveries(ledger, account_ids, ctx.clock()),
            *_reconciliations(ledger, account_ids, ctx),
            *_retention(ledger, ctx.clock()),
            *_replica(ctx),
            *_alerts(ledger, ctx.clock()),
            *_disks(ledger, ctx),
        ]
    return sorted(problems, key=lambda item: (item.since, item.key))


def clocks_broken(ledger: Ledger, ctx: RunContext, *, ask_switch: bool = False) -> Iterator[Problem]:
    """Clocks that differ from this machine's by more than the setting allows, which blocks collecting and sealing.

    Args:
        ledger: ledger of the warehouse.
        ctx: settings, warehouse, clock and progress callback.
        ask_switch: whether to compare with the switch's clock too, which sends it a request.
    """
    for difference in clock_differences(ledger, ctx, ask_switch=ask_switch):
        yield Problem(
            ComposedText(
                "{difference}, more than {limit} s",
                difference=difference.message,
                limit=f"{ctx.settings.clock_tolerance_seconds:g}",
            ),
            ClockDisagrees.code,
            ctx.clock(),
            "timedatectl set-ntp true",
            f"clock of the {difference.place}",
        )


def _nights(nights: list[DueNight], failed: set[tuple[str, date]], ctx: RunContext) -> Iterator[Problem]:
    settings = ctx.settings
    for night in nights:
        # A day that could not be collected is a problem of its own.
        if all((item, night.business_date) in failed for item in night.accounts):
            continue
        began = datetime.combine(
            night.business_date + timedelta(days=1),
            time.fromisoformat(settings.nightly_at),
            tzinfo=ZoneInfo(settings.time_zone),
        )
        text = (
            ComposedText("night of {day}: no account has been collected whole", day=night.business_date)
            if night.everybody
            else ComposedText(
                "night of {day}: not {accounts} has been collected whole",
                day=night.business_date,
                accounts=_some(night.accounts),
            )
        )
        yield Problem(
            text,
            "night_missing" if night.everybody else "night_incomplete",
            began.astimezone(ctx.clock().tzinfo),
            f"cdr-pipeline nightly --date {night.business_date}",
            str(night.business_date),
            subject=Subject("night", business_date=night.business_date),
        )


def _unfinished(days: list[UnfinishedDay], names: Mapping[str, str], ctx: RunContext) -> Iterator[Problem]:
    """Days that were collected before they ended. ``missed_nights`` collects the rest of them."""
    for day in days:
        only = "".join(f" --account {item}" for item in day.accounts) if len(day.accounts) <= _NAMED else ""
        yield Problem(
            f"{day.business_date} has not ended for {_some([_titled(item, names) for item in day.accounts])}: what is "
            f"collected is incomplete; run the night again after {day.ends_at:%Y-%m-%d %H:%M} UTC",
            DayNotEnded.code,
            ctx.clock(),
            f"cdr-pipeline nightly --date {day.business_date}{only}",
            str(day.business_date),
        )


def _collections(ledger: Ledger, active: Sequence[Account]) -> Iterator[Problem]:
    """Days that could not be collected: one problem for all accounts that failed for the same cause."""
    names = {account.account_id: account.name for account in active}
    roots = [account.account_id for account in active if account.parent_id is None]
    by_day: dict[tuple[date, str, str], list[tuple[str, datetime]]] = {}
    for day in ledger.health.failed_days(list(names)):
        # A message that names its account is the same cause for each account.
        cause = (day.cause or "").removeprefix(f"account {day.account_id}: ")
        key = (day.business_date, day.error_code or "upstream", cause)
        by_day.setdefault(key, []).append((day.account_id, day.since))
    for (business_date, code, cause), parts in by_day.items():
        accounts = [account_id for account_id, _ in parts]
        text, before = _WORDS_OF_CODES.get(code, _NOT_ASKED)
        only = "".join(f" --account {account_id}" for account_id in accounts) if len(accounts) <= _NAMED else ""
        titles = _some([_titled(item, names) for item in accounts])
        first, command = (
            _access(accounts, len(names), roots) if code == UpstreamAuthError.code else (ComposedText(""), "")
        )
        yield Problem(
            ComposedText(
                "{day}: {cause}{text} {accounts}{first}",
                day=business_date,
                cause=_grouped(len(accounts), cause),
                text=ComposedText(text),
                accounts=titles,
                first=first,
            ),
            code,
            min(since for _, since in parts),
            f"{command}{before}cdr-pipeline nightly --date {business_date}{only}",
            f"{business_date} {cause}",
            subject=Subject("night", accounts[0] if len(accounts) == 1 else "", business_date),
        )


def _access(accounts: list[str], registered: int, roots: list[str]) -> tuple[ComposedText, str]:
    """What to do first about refused credentials, and the command that tries them before the night is run again."""
    if len(accounts) == registered:
        # A token does not show its account, so the root of the tree is named.
        tried = f"cdr-pipeline accounts sync --root {roots[0]} && " if len(roots) == 1 else ""
        return ComposedText("; first correct CDR_API_KEY, CDR_API_USER or CDR_API_TOKEN"), tried
    text = "; first let the switch's operator give these credentials access to it, or stop collecting it: {command}"
    return ComposedText(text, command=f"'cdr-pipeline accounts add {accounts[0]} --inactive'"), ""


def _uploads(ledger: Ledger, names: Mapping[str, str]) -> Iterator[Problem]:
    for upload in ledger.health.stuck_uploads(list(names)):
        short = upload.sha256[:12]
        held = upload.state == "held"
        yield Problem(
            ComposedText(
                "upload {upload} of account {account} repeats another file and waits for a decision"
                if held
                else "upload {upload} of account {account} could not be read",
                upload=short,
                account=_titled(upload.account_id, names),
            ),
            upload.error_code or upload.state,
            upload.since,
            f"cdr-pipeline uploads release {short} --by NAME" if held else _LIST_UPLOADS,
            subject=Subject("upload", upload.account_id, name="held" if held else "unreadable"),
        )


def _rejects(ledger: Ledger, account_ids: list[str], now: datetime) -> Iterator[Problem]:
    """Rows that were rejected within a week and are neither corrected nor dismissed."""
    by_source: dict[tuple[str, str, str], list[OpenRejects]] = {}
    for rejects in ledger.health.open_rejects(account_ids, since=now - _LOOKED_AT):
        source = rejects.sha256 or f"{rejects.business_date or 'unknown'}"
        by_source.setdefault((rejects.account_id, rejects.origin, source), []).append(rejects)
    for (account_id, origin, source), parts in by_source.items():
        rows, reasons = sum(part.row_count for part in parts), sorted({code for part in parts for code in part.reasons})
        of_file = origin == "imported" and parts[0].sha256 is not None
        yield Problem(
            ComposedText(
                "{rows} row(s) of upload {source}, account {account}, were rejected: {reasons}"
                if of_file
                else "{rows} row(s) of the switch's records of {source}, account {account}, were rejected: {reasons}",
                rows=rows,
                source=source[:12],
                account=account_id,
                reasons=", ".join(reasons),
            ),
            ROWS_REJECTED,
            min(part.since for part in parts),
            _correction(source[:12], account_id)
            if of_file
            else f"cdr-pipeline rejects dismiss --date {source} --account {account_id} --by NAME --reason WHY",
            f"{account_id} {source}",
            max(part.since for part in parts) + _LOOKED_AT,
            Subject("rejects", account_id, parts[0].business_date, parts[0].sha256 or "" if of_file else ""),
        )


def _correction(upload: str, account_id: str) -> str:
    """Writes the rejected lines to a file, opens it in an editor, and imports the corrected lines."""
    file = f"rejects_{upload}"
    return (
        f"cdr-pipeline rejects export {upload} --account {account_id} --out {file} && ${{EDITOR:-vi}} {file} && "
        f"cdr-pipeline rejects replay {file} --account {account_id}"
    )


def _profiles(ctx: RunContext) -> Iterator[Problem]:
    """Profiles of the operator that are not valid. Other profiles and their files are not affected."""
    for name, profile in broken_profiles(ctx.settings.profile_dir).items():
        path = ctx.settings.profile_dir / f"{name}.toml"
        command = f"cdr-pipeline profiles check {shlex.quote(str(path))}"
        yield Problem(
            profile.error.message,
            profile.error.code,
            profile.changed_at,
            command,
            subject=Subject("profile", name=name),
        )


def _series(ctx: RunContext, names: Mapping[str, str]) -> Iterator[Problem]:
    """Days of the last weeks for which a file is missing in a series of files."""
    now = ctx.clock()
    for series in upload_series(ctx, list(names)):
        days = [day for day in series.missing_days if day >= (now - _EXPECTED).date()]
        if days:
            named = _some([str(day) for day in days])
            yield Problem(
                ComposedText(
                    "account {account}: no file of profile {profile} for {days}; "
                    "import an empty file of that name if there were no calls",
                    account=_titled(series.account_id, names),
                    profile=series.profile,
                    days=named,
                ),
                "file_missing",
                datetime.combine(days[0] + timedelta(days=1), time(), tzinfo=UTC),
                f"cdr-pipeline import FILE --account {series.account_id} --profile {series.profile}",
                f"{series.account_id} {series.profile}",
                datetime.combine(days[-1], time(), tzinfo=UTC) + _EXPECTED,
                Subject("series", series.account_id),
            )


def _drops(ledger: Ledger, account_ids: list[str], ctx: RunContext) -> Iterator[Problem]:
    """Files in the drop folder that cannot be registered, and files that should have been registered earlier."""
    for drop in waiting_drops(ledger, ctx, account_ids):
        template = None
        if drop.state == "refused":
            template = "dropped file {place} cannot be imported: {cause}"
        elif drop.state == "arriving" and ctx.clock() - drop.since > _FORGOTTEN:
            template = "dropped file {place} has been unfinished since it last changed"
        elif drop.state == "waiting" and ctx.clock() - drop.since > _A_NIGHT:
            template = "dropped file {place} still waits for its import"
        if template is not None:
            text = ComposedText(template, place=drop.place, cause=drop.message)
            yield Problem(
                text,
                drop.code,
                drop.since,
                _LIST_UPLOADS,
                subject=Subject("drop", drop.account_id or "", name=drop.state),
            )


def _inbound(ledger: Ledger, names: Mapping[str, str], ctx: RunContext) -> Iterator[Problem]:
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
    for file in ledger.inbound.list_all(["refused", "seen"], since=now - _LOOKED_AT):
        latest = looked.get(file.place)
        # Versions that a later look no longer shows have been replaced or are gone.
        if latest is None or file.seen_at < latest.looked_at - _A_LOOK:
            continue
        if file.state == "refused" or now - file.first_seen_at > _FORGOTTEN:
            code = file.error_code or "inbound_file_unfinished"
            by_place[file.place, code].append(file)
    for (name, code), files in by_place.items():
        why: str = files[0].error_message or ComposedText(
            "place {place}: {path} is not complete yet", place=name, path=files[0].path
        )
        if len(files) > 1:
            why = ComposedText("{first}; {count} more file(s) there", first=why, count=len(files) - 1)
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
                account=_titled(account_id, names),
                pattern=pattern,
                place=name,
                days=_some([str(item.day) for item in missing]),
            ),
            "inbound_file_late",
            missing[0].due_at.astimezone(UTC),
            f"cdr-pipeline inbound fetch {name}",
            f"{name} {pattern} {account_id}",
            datetime.combine(missing[-1].day, time(), tzinfo=UTC) + _EXPECTED,
            Subject("place", account_id, name=name),
        )


def _files(ledger: Ledger, account_ids: list[str], now: datetime) -> Iterator[Problem]:
    for files in ledger.health.outdated_files(account_ids, before=now - _FORGOTTEN):
        if files.still_open:
            yield Problem(
                ComposedText(
                    "{day}: the files of {accounts} account(s) do not show their latest records",
                    day=files.business_date,
                    accounts=files.accounts,
                ),
                "file_outdated",
                files.since,
                f"cdr-pipeline export --date {files.business_date}",
                str(files.business_date),
                subject=Subject("night", business_date=files.business_date),
            )


def _late_days(ledger: Ledger, account_ids: list[str], before: datetime) -> Iterator[Problem]:
    """Sealed days that are ``late_pending`` since before an instant."""
    for files in ledger.health.outdated_files(account_ids, before=before):
        if not files.still_open:
            yield Problem(
                ComposedText(
                    "{day}: {accounts} account(s) are late_pending: records arrived or changed"
                    " after the day was sealed",
                    day=files.business_date,
                    accounts=files.accounts,
                ),
                "restatement_due",
                files.since,
                f"cdr-pipeline days restate --by NAME --reason WHY --date {files.business_date}",
                str(files.business_date),
                subject=Subject("late_days", business_date=files.business_date),
            )


def _sealed_files(ledger: Ledger) -> Iterator[Problem]:
    """Faults that the last run of ``check_sealed_files`` recorded."""
    by_fault: dict[tuple[str, str], list[SealedFile]] = {}
    for file in ledger.sealed_files.faulty_files():
        by_fault.setdefault((file.account_id, file.fault or ""), []).append(file)
    for (account_id, fault), files in by_fault.items():
        first = files[0]
        more = ComposedText(" and {count} more", count=len(files) - 1) if len(files) > 1 else ""
        if fault == FileFault.RECORDS_DIFFER:
            command = f"cdr-pipeline collect --replay --date {first.business_date} --account {account_id}"
        else:
            command = f"cdr-pipeline days repair --account {account_id}"
        yield Problem(
            ComposedText(
                "account {account}: {file}{more}, sealed: {fault}",
                account=account_id,
                file=PurePosixPath(first.path).name,
                more=more,
                fault=ComposedText(_SEALED_FAULTS[fault]),
            ),
            f"sealed_{fault}",
            min(file.fault_since for file in files if file.fault_since is not None),
            command,
            f"account {account_id}",
        )


def _deliveries(ledger: Ledger, account_ids: list[str], now: datetime) -> Iterator[Problem]:
    by_target: dict[tuple[str, str, str], list[datetime]] = {}
    for delivery in ledger.deliveries.list_all(account_ids, ["pending", "refused"]):
        if delivery.state == "refused" or delivery.age(now) > _FORGOTTEN:
            key = (delivery.target, delivery.state, delivery.error_code or "delivery")
            by_target.setdefault(key, []).append(delivery.due_at)
    for (target, state, code), due in by_target.items():
        again = " --again" if state == "refused" else ""
        yield Problem(
            ComposedText("{files} file(s) have not arrived at {target}", files=len(due), target=target),
            code,
            min(due),
            f"cdr-pipeline deliver --target {target}{again}",
            f"{target} {state}",
            subject=Subject("delivery", name=state),
        )


def _volumes(ledger: Ledger, names: Mapping[str, str], now: datetime) -> Iterator[Problem]:
    for day in ledger.health.suspicious_days(list(names), first_date=(now - _LOOKED_AT).date()):
        yield Problem(
            ComposedText(
                "{day}: account {account} is {volume}; {usual} rows are usual",
                day=day.business_date,
                volume=ComposedText(day.volume),
                account=_titled(day.account_id, names),
                usual=day.usual_rows,
            ),
            "volume_unusual",
            day.since,
            f"cdr-pipeline nightly --date {day.business_date} --account {day.account_id}",
            f"{day.business_date} {day.account_id}",
            _last_look(day.business_date),
            Subject("day", day.account_id, day.business_date),
        )


def _reconciliations(ledger: Ledger, account_ids: list[str], ctx: RunContext) -> Iterator[Problem]:
    limit = ctx.settings.alert_exposure
    for day in ledger.health.open_exposure(account_ids, first_date=(ctx.clock() - _LOOKED_AT).date()):
        ended = datetime.combine(day.business_date + timedelta(days=1), time(), tzinfo=UTC)
        settle = settle_command(day.business_date)
        if limit is not None and day.exposure > limit:
            yield Problem(
                ComposedText(
                    "{day}: {breaks} breaks leave {exposure} {currency} open, more than {limit}",
                    day=day.business_date,
                    breaks=day.breaks,
                    exposure=day.exposure.quantize(_CENT),
                    currency=day.currency,
                    limit=limit,
                ),
                "exposure",
                ended,
                settle,
                f"{day.business_date} {day.currency}",
                _last_look(day.business_date),
                Subject("breaks", business_date=day.business_date),
            )
        elif day.red:
            yield Problem(
                ComposedText(
                    "{day}: {red} reconciliation(s) are red, {breaks} break(s) are undecided",
                    day=day.business_date,
                    red=day.red,
                    breaks=day.breaks,
                ),
                "reconciliation_red",
                ended,
                settle,
                f"{day.business_date} {day.currency}",
                _last_look(day.business_date),
                Subject("breaks", business_date=day.business_date),
            )
        if day.unverified:
            yield Problem(
                ComposedText(
                    "{day}: nothing verifies the charges of {count} reconciliation(s); give the profile a rate_card, or"
                    " set compare_amounts = false",
                    day=day.business_date,
                    count=day.unverified,
                ),
                "charges_unverified",
                ended,
                f"cdr-pipeline reconcile --date {day.business_date}",
                f"{day.business_date} {day.currency}",
                _last_look(day.business_date),
                Subject("profile"),
            )


def _retention(ledger: Ledger, now: datetime) -> Iterator[Problem]:
    """Months that are due for removal for two days. Nights apply the policies, so these could not be removed."""
    for policy in ledger.retention.policies():
        due = due_months(policy, ledger, (now - _A_NIGHT).date())
        if not due or policy.keep_months is None or now - policy.set_at < _A_NIGHT:
            continue
        first = datetime.combine(months_after(due[0], policy.keep_months + 1), time(), tzinfo=UTC)
        yield Problem(
            ComposedText(
                "account {account}: {months} month(s) from {first} on should have been removed",
                account=policy.account_id,
                months=len(due),
                first=f"{due[0]:%Y-%m}",
            ),
            "retention_due",
            max(first, policy.set_at),
            "cdr-pipeline warehouse retention run",
            f"account {policy.account_id}",
        )


def _replica(ctx: RunContext) -> Iterator[Problem]:
    """A replica that the API cannot use or that shows records older than the setting allows."""
    url, limit, now = ctx.settings.warehouse_replica_url, ctx.settings.serve_replica_seconds, ctx.clock()
    if url is None:
        return
    try:
        state = replica_state(ctx.url, url.get_secret_value())
    except WarehouseError as error:
        text = ComposedText("the replica is not used: {cause}", cause=error.message)
        yield Problem(text, ReplicaUnusable.code, now, "cdr-pipeline warehouse status", "replica")
        return
    since = state.replayed_at or now
    if state.bytes_behind and (now - since).total_seconds() > limit:
        yield Problem(
            ComposedText(
                "the replica is {size} MB behind, its last transaction is older than {limit} s",
                size=f"{state.bytes_behind / 1e6:.1f}",
                limit=f"{limit:g}",
            ),
            "replica_behind",
            since,
            "cdr-pipeline warehouse status",
            "replica",
        )


def _alerts(ledger: Ledger, now: datetime) -> Iterator[Problem]:
    """Channels that have not accepted an alert for a while; their attempts go on."""
    for waiting in ledger.alerts.waiting():
        if now - waiting.since > _UNHEARD:
            yield Problem(
                ComposedText(
                    "{alerts} alert(s) wait for the channel {channel}: {cause}",
                    alerts=waiting.alerts,
                    channel=waiting.channel,
                    cause=waiting.error or ComposedText("not yet sent"),
                ),
                "alert_waiting",
                waiting.since,
                "cdr-pipeline alerts retry",
                f"channel {waiting.channel}",
            )


def _disks(ledger: Ledger, ctx: RunContext) -> Iterator[Problem]:
    """Disks that are full within ``CDR_DISK_WARNING_DAYS`` at the growth so far, or nearly full now."""
    for forecast in disk_forecasts(ledger, ctx):
        if forecast.is_short(ctx.settings.disk_warning_days):
            folder = shlex.quote(str(forecast.folder))
            yield Problem(
                forecast.text(),
                "disk_full_soon",
                ctx.clock(),
                f"du -xh --max-depth=2 {folder} | sort -h | tail",
                f"disk of {folder}",
            )


def _last_look(day: date) -> datetime:
    """Instant after which a day is too old to be looked at."""
    return datetime.combine(day, time(), tzinfo=UTC) + _LOOKED_AT


def _grouped(accounts: int, cause: str) -> ComposedText:
    """Number of accounts and what they have in common, such as ``12 accounts: connection refused by host; ``."""
    if not cause:
        return ComposedText("")
    return ComposedText(
        "{count} account: {cause}; " if accounts == 1 else "{count} accounts: {cause}; ", count=accounts, cause=cause
    )


def _titled(account_id: str, names: Mapping[str, str]) -> str:
    """An account by its name and id."""
    name = names.get(account_id, "")
    return f"{name} ({account_id})" if name and name != account_id else account_id


def _some(accounts: "tuple[str, ...] | list[str]") -> ComposedText:
    named = ", ".join(accounts[:_NAMED])
    more = len(accounts) - _NAMED
    return (
        ComposedText("{names} and {count} more", names=named, count=more)
        if more > 0
        else ComposedText("{names}", names=named)
    )
