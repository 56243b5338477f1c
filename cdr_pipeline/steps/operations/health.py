"""Current problems, each with its start and the command that fixes it, read from the ledger."""

import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

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
class Problem:
    """A problem that needs action.

    Attributes:
        what: description without personal data.
        code: stable identifier of its kind or cause.
        since: start of the problem, UTC.
        command: command that fixes the problem or shows its details.
        about: what the problem is about, without counts that change while it lasts; empty if ``what`` has none.
        watched_until: instant after which the problem is not looked for any more; None if it always is.
    """

    what: str
    code: str
    since: datetime
    command: str
    about: str = ""
    watched_until: datetime | None = None

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
        problems = [
            *clocks_broken(ledger, ctx),
            *_nights(nights, ctx),
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
            f"{difference.message}, more than {ctx.settings.clock_tolerance_seconds:g} s",
            ClockDisagrees.code,
            ctx.clock(),
            "timedatectl set-ntp true",
            f"clock of the {difference.place}",
        )


def _nights(nights: list[DueNight], ctx: RunContext) -> Iterator[Problem]:
    settings = ctx.settings
    for night in nights:
        if not night.accounts:
            continue
        began = datetime.combine(
            night.business_date + timedelta(days=1),
            time.fromisoformat(settings.nightly_at),
            tzinfo=ZoneInfo(settings.time_zone),
        )
        who = "no account" if night.everybody else f"not {_some(night.accounts)}"
        yield Problem(
            f"night of {night.business_date}: {who} has been collected whole",
            "night_missing" if night.everybody else "night_incomplete",
            began.astimezone(ctx.clock().tzinfo),
            f"cdr-pipeline nightly --date {night.business_date}",
            str(night.business_date),
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
        first, command = _access(accounts, len(names), roots) if code == UpstreamAuthError.code else ("", "")
        yield Problem(
            f"{business_date}: {_grouped(len(accounts), cause)}{text} {titles}{first}",
            code,
            min(since for _, since in parts),
            f"{command}{before}cdr-pipeline nightly --date {business_date}{only}",
            f"{business_date} {cause}",
        )


def _access(accounts: list[str], registered: int, roots: list[str]) -> tuple[str, str]:
    """What to do first about refused credentials, and the command that tries them before the night is run again."""
    if len(accounts) == registered:
        # A token does not show its account, so the root of the tree is named.
        tried = f"cdr-pipeline accounts sync --root {roots[0]} && " if len(roots) == 1 else ""
        return "; first correct CDR_API_KEY, CDR_API_USER or CDR_API_TOKEN", tried
    stop = f"'cdr-pipeline accounts add {accounts[0]} --inactive'"
    return f"; first let the switch's operator give these credentials access to it, or stop collecting it: {stop}", ""


def _uploads(ledger: Ledger, names: Mapping[str, str]) -> Iterator[Problem]:
    for upload in ledger.health.stuck_uploads(list(names)):
        short = upload.sha256[:12]
        held = upload.state == "held"
        yield Problem(
            f"upload {short} of account {_titled(upload.account_id, names)} "
            + ("repeats another file and waits for a decision" if held else "could not be read"),
            upload.error_code or upload.state,
            upload.since,
            f"cdr-pipeline uploads release {short} --by NAME" if held else _LIST_UPLOADS,
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
        where = f"upload {source[:12]}" if of_file else f"the switch's records of {source}"
        yield Problem(
            f"{rows} row(s) of {where}, account {account_id}, were rejected: {', '.join(reasons)}",
            ROWS_REJECTED,
            min(part.since for part in parts),
            _correction(source[:12], account_id)
            if of_file
            else f"cdr-pipeline rejects dismiss --date {source} --account {account_id} --by NAME --reason WHY",
            f"{account_id} {source}",
            max(part.since for part in parts) + _LOOKED_AT,
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
        yield Problem(profile.error.message, profile.error.code, profile.changed_at, command)


def _series(ctx: RunContext, names: Mapping[str, str]) -> Iterator[Problem]:
    """Days of the last weeks for which a file is missing in a series of files."""
    now = ctx.clock()
    for series in upload_series(ctx, list(names)):
        days = [day for day in series.missing_days if day >= (now - _EXPECTED).date()]
        if days:
            named = ", ".join(map(str, days[:_NAMED])) + (
                f" and {len(days) - _NAMED} more" if len(days) > _NAMED else ""
            )
            yield Problem(
                f"account {_titled(series.account_id, names)}: no file of profile {series.profile} for {named}; "
                "import an empty file of that name if there were no calls",
                "file_missing",
                datetime.combine(days[0] + timedelta(days=1), time(), tzinfo=UTC),
                f"cdr-pipeline import FILE --account {series.account_id} --profile {series.profile}",
                f"{series.account_id} {series.profile}",
                datetime.combine(days[-1], time(), tzinfo=UTC) + _EXPECTED,
            )


def _drops(ledger: Ledger, account_ids: list[str], ctx: RunContext) -> Iterator[Problem]:
    """Files in the drop folder that cannot be registered, and files that should have been registered earlier."""
    for drop in waiting_drops(ledger, ctx, account_ids):
        where = f"dropped file {drop.place}"
        if drop.state == "refused":
            yield Problem(f"{where} cannot be imported: {drop.message}", drop.code, drop.since, _LIST_UPLOADS)
        elif drop.state == "arriving" and ctx.clock() - drop.since > _FORGOTTEN:
            yield Problem(f"{where} has been unfinished since it last changed", drop.code, drop.since, _LIST_UPLOADS)
        elif drop.state == "waiting" and ctx.clock() - drop.since > _A_NIGHT:
            yield Problem(f"{where} still waits for its import", drop.code, drop.since, _LIST_UPLOADS)


def _inbound(ledger: Ledger, names: Mapping[str, str], ctx: RunContext) -> Iterator[Problem]:
    """Places that fail, files there that are refused or stay incomplete, and expected files that are late."""
    now = ctx.clock()
    try:
        places = {place.name for place in load_places(ctx.settings.inbound_file)}
    except ConfigurationError as error:
        yield Problem(error.message, error.code, now, "cdr-pipeline inbound check", "inbound.toml")
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
        why = files[0].error_message or f"place {name}: {files[0].path} is not complete yet"
        more = f"; {len(files) - 1} more file(s) there" if len(files) > 1 else ""
        since = min(file.first_seen_at for file in files)
        yield Problem(f"{why}{more}", code, since, f"cdr-pipeline inbound check {name}", f"place {name}")
    yield from _late_files(names, ctx)


def _late_files(names: Mapping[str, str], ctx: RunContext) -> Iterator[Problem]:
    """Files that inbound.toml expects and that are late."""
    late: dict[tuple[str, str, str], list[LateFile]] = {}
    for item in late_files(ctx, names):
        late.setdefault((item.place, item.pattern, item.account_id), []).append(item)
    for (name, pattern, account_id), missing in late.items():
        days = ", ".join(str(item.day) for item in missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        yield Problem(
            f"account {_titled(account_id, names)}: no file {pattern} at place {name} for {days}{more}; import an "
            "empty file of that name if there were no calls",
            "inbound_file_late",
            missing[0].due_at.astimezone(UTC),
            f"cdr-pipeline inbound fetch {name}",
            f"{name} {pattern} {account_id}",
            datetime.combine(missing[-1].day, time(), tzinfo=UTC) + _EXPECTED,
        )


def _files(ledger: Ledger, account_ids: list[str], now: datetime) -> Iterator[Problem]:
    for files in ledger.health.outdated_files(account_ids, before=now - _FORGOTTEN):
        if files.still_open:
            yield Problem(
                f"{files.business_date}: the files of {files.accounts} account(s) do not show their latest records",
                "file_outdated",
                files.since,
                f"cdr-pipeline export --date {files.business_date}",
                str(files.business_date),
            )


def _late_days(ledger: Ledger, account_ids: list[str], before: datetime) -> Iterator[Problem]:
    """Sealed days that are ``late_pending`` since before an instant."""
    for files in ledger.health.outdated_files(account_ids, before=before):
        if not files.still_open:
            yield Problem(
                f"{files.business_date}: {files.accounts} account(s) are late_pending: records arrived or changed "
                "after the day was sealed",
                "restatement_due",
                files.since,
                f"cdr-pipeline days restate --by NAME --reason WHY --date {files.business_date}",
                str(files.business_date),
            )


def _sealed_files(ledger: Ledger) -> Iterator[Problem]:
    """Faults that the last run of ``check_sealed_files`` recorded."""
    by_fault: dict[tuple[str, str], list[SealedFile]] = {}
    for file in ledger.sealed_files.faulty_files():
        by_fault.setdefault((file.account_id, file.fault or ""), []).append(file)
    for (account_id, fault), files in by_fault.items():
        first = files[0]
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        if fault == FileFault.RECORDS_DIFFER:
            command = f"cdr-pipeline collect --replay --date {first.business_date} --account {account_id}"
        else:
            command = f"cdr-pipeline days repair --account {account_id}"
        yield Problem(
            f"account {account_id}: {PurePosixPath(first.path).name}{more}, sealed: {_SEALED_FAULTS[fault]}",
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
            f"{len(due)} file(s) have not arrived at {target}",
            code,
            min(due),
            f"cdr-pipeline deliver --target {target}{again}",
            f"{target} {state}",
        )


def _volumes(ledger: Ledger, names: Mapping[str, str], now: datetime) -> Iterator[Problem]:
    for day in ledger.health.suspicious_days(list(names), first_date=(now - _LOOKED_AT).date()):
        yield Problem(
            f"{day.business_date}: account {_titled(day.account_id, names)} is {day.volume}; "
            f"{day.usual_rows} rows are usual",
            "volume_unusual",
            day.since,
            f"cdr-pipeline nightly --date {day.business_date} --account {day.account_id}",
            f"{day.business_date} {day.account_id}",
            _last_look(day.business_date),
        )


def _reconciliations(ledger: Ledger, account_ids: list[str], ctx: RunContext) -> Iterator[Problem]:
    limit = ctx.settings.alert_exposure
    for day in ledger.health.open_exposure(account_ids, first_date=(ctx.clock() - _LOOKED_AT).date()):
        ended = datetime.combine(day.business_date + timedelta(days=1), time(), tzinfo=UTC)
        settle = settle_command(day.business_date)
        if limit is not None and day.exposure > limit:
            yield Problem(
                f"{day.business_date}: {day.breaks} breaks leave {day.exposure:.2f} {day.currency} open, "
                f"more than {limit}",
                "exposure",
                ended,
                settle,
                f"{day.business_date} {day.currency}",
                _last_look(day.business_date),
            )
        elif day.red:
            yield Problem(
                f"{day.business_date}: {day.red} reconciliation(s) are red, {day.breaks} break(s) are undecided",
                "reconciliation_red",
                ended,
                settle,
                f"{day.business_date} {day.currency}",
                _last_look(day.business_date),
            )
        if day.unverified:
            yield Problem(
                f"{day.business_date}: nothing verifies the charges of {day.unverified} reconciliation(s); give the"
                " profile a rate_card, or set compare_amounts = false",
                "charges_unverified",
                ended,
                f"cdr-pipeline reconcile --date {day.business_date}",
                f"{day.business_date} {day.currency}",
                _last_look(day.business_date),
            )


def _retention(ledger: Ledger, now: datetime) -> Iterator[Problem]:
    """Months that are due for removal for two days. Nights apply the policies, so these could not be removed."""
    for policy in ledger.retention.policies():
        due = due_months(policy, ledger, (now - _A_NIGHT).date())
        if not due or policy.keep_months is None or now - policy.set_at < _A_NIGHT:
            continue
        first = datetime.combine(months_after(due[0], policy.keep_months + 1), time(), tzinfo=UTC)
        yield Problem(
            f"account {policy.account_id}: {len(due)} month(s) from {due[0]:%Y-%m} on should have been removed",
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
        text = f"the replica is not used: {error.message}"
        yield Problem(text, ReplicaUnusable.code, now, "cdr-pipeline warehouse status", "replica")
        return
    since = state.replayed_at or now
    if state.bytes_behind and (now - since).total_seconds() > limit:
        yield Problem(
            f"the replica is {state.bytes_behind / 1e6:.1f} MB behind, its last transaction is older than {limit:g} s",
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
                f"{waiting.alerts} alert(s) wait for the channel {waiting.channel}: {waiting.error or 'not yet sent'}",
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


def _grouped(accounts: int, cause: str) -> str:
    """Number of accounts and what they have in common, such as ``12 accounts: connection refused by host; ``."""
    return f"{accounts} account{'s' if accounts > 1 else ''}: {cause}; " if cause else ""


def _titled(account_id: str, names: Mapping[str, str]) -> str:
    """An account by its name and id."""
    name = names.get(account_id, "")
    return f"{name} ({account_id})" if name and name != account_id else account_id


def _some(accounts: "tuple[str, ...] | list[str]") -> str:
    named = ", ".join(accounts[:_NAMED])
    more = len(accounts) - _NAMED
    return f"{named} and {more} more" if more > 0 else named
