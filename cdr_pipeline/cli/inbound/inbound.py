"""``cdr-pipeline inbound``: files that are fetched from where carriers put them."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from cdr_pipeline.cli.listings import listing
from cdr_pipeline.cli.reports import reports, show
from cdr_pipeline.errors.counts import count_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdr_pipeline.steps.inbound.place_results import PlaceResult
    from cdr_pipeline.steps.run_context import RunContext

inbound_app = typer.Typer(help="Files that are fetched from the places in inbound.toml.", no_args_is_help=True)
_PLACES: Final = listing(
    "places", "Places", "place", "kind", "state", "files", "code", "why", "next", numbers=("files",),
    sentences=("why", "next"),
)  # fmt: skip
_FILES: Final = listing(
    "files", "Files", "place", "file", "outcome", "account", "profile", "day", "bytes", "upload", "at_place", "code",
    "why", "next", numbers=("bytes",), sentences=("why", "next"), titles={"at_place": "there"},
)  # fmt: skip
_LOADED: Final = listing(
    "loaded", "Loaded", "file", "account", "profile", "merged", "unchanged", "rejected", "read",
    numbers=("merged", "unchanged", "rejected", "read"),
)  # fmt: skip
_LATE: Final = listing(
    "late", "Expected and not here", "place", "pattern", "account", "profile", "day", "due_at", "age_seconds",
    titles={"due_at": "due (UTC)", "age_seconds": "late by"},
)  # fmt: skip
_KNOWN_PLACES: Final = listing(
    "places", "Places", "place", "kind", "looked_at", "reached_at", "failed_since", "code", "why", sentences=("why",),
    titles={"looked_at": "looked at (UTC)", "reached_at": "reached (UTC)", "failed_since": "fails since (UTC)"},
)  # fmt: skip
_KNOWN_FILES: Final = listing(
    "files", "Files, newest first", "place", "file", "state", "accounts", "profile", "day", "bytes", "fetched_at",
    "age_seconds", "uploads", "at_place", "attempts", "code", "why", numbers=("bytes", "attempts"), sentences=("why",),
    titles={"fetched_at": "fetched (UTC)", "age_seconds": "seen for", "at_place": "there"},
)  # fmt: skip
_Names = Annotated[list[str] | None, typer.Argument(help="Names of places in inbound.toml; all when omitted.")]
_BAD: Final = ("refused", "failed")


@inbound_app.command()
@reports(_PLACES, _FILES)
def check(place: _Names = None) -> None:
    """Try places: connect, list, and show what would be fetched, for which account and profile. Changes nothing.

    Files that match no pattern are named too. Exits with 16 if a place cannot be used or a file would be refused.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.inbound.fetch_files import FetchRequest, fetch_files

    with run_context("looking") as ctx:
        results = fetch_files(FetchRequest(place, dry_run=True), ctx)
        _show_results(results, ctx)
    if not results:
        out.print(
            f"no places: {ctx.settings.inbound_file} does not exist; see 'cdr-pipeline docs inbound'", markup=False
        )
    _require_good(results)


@inbound_app.command()
@reports(_PLACES, _FILES, _LOADED)
def fetch(
    place: _Names = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be fetched, as 'check' does.")
    ] = False,
    load: Annotated[
        bool, typer.Option("--load/--no-load", help="Whether to merge the fetched files too; the next night does.")
    ] = True,
) -> None:
    """Fetch every new or changed file once, merge it, and write the daily files of open days.

    A file that changed after it was fetched is fetched again and held where it repeats records, as a correction. Exits
    with 16 if a place failed or a file was refused; with 5 if a file is held or cannot be read; with 13 if rows were
    rejected. All other places and files are done then.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.errors import RowsRejected, UploadError
    from cdr_pipeline.steps.days.export_days import require_exported
    from cdr_pipeline.steps.inbound.fetch_files import FetchRequest, fetch_files
    from cdr_pipeline.steps.inbound.import_fetched import import_fetched

    with run_context("fetching") as ctx:
        results = fetch_files(FetchRequest(place, dry_run=dry_run), ctx)
        _show_results(results, ctx)
        if not results:
            out.print(f"no places in {ctx.settings.inbound_file}; see 'cdr-pipeline docs inbound'", markup=False)
        if dry_run or not load:
            _require_good(results)
            return
        imported = import_fetched(results, ctx)
        loaded = imported.loaded
        show(
            _LOADED,
            (
                (item.file_name, item.account_id, item.profile, item.counts.merged, item.counts.unchanged,
                 item.counts.rejected, item.counts.read)
                for item in loaded.files
            ),
            ctx,
        )  # fmt: skip
    written = sum(item.file is not None for item in imported.exported)
    if written:
        out.print(f"{count_of(written, 'daily file')} written below {ctx.settings.export_dir}")
    require_exported(imported.exported)
    _require_good(results)
    waiting = [*loaded.failures, *loaded.held]
    if waiting:
        raise UploadError(
            f"fetched and not merged: {count_of(len(waiting), 'file')}: "
            + "; ".join(f"[{item.code}] {item.message}" for item in waiting),
            hint="'cdr-pipeline uploads list' shows them; 'uploads release' or 'uploads discard' decides a held one",
        )
    if loaded.counts.rejected:
        raise RowsRejected(
            f"{count_of(loaded.counts.rejected, 'row was', 'rows were')} rejected; the others are stored",
            hint="'cdr-pipeline rejects list' shows them",
        )


@inbound_app.command("list")
@reports(_KNOWN_PLACES, _LATE, _KNOWN_FILES)
def list_files(
    place: _Names = None,
    *,
    state: Annotated[list[str] | None, typer.Option(help="Only seen, fetched or refused; repeat for several.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Files that were seen in the last days.")] = 35,
) -> None:
    """Show places and since when they fail, expected files that are late, and files with their state.

    Exits with 16 if an expected file is late or a place fails.
    """
    from datetime import timedelta

    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.errors import InboundError
    from cdr_pipeline.steps.inbound.expected_files import late_files
    from cdr_pipeline.steps.inbound.fetch_files import wanted_places
    from cdr_pipeline.warehouse.inbound.inbound_files import INBOUND_STATES

    with run_context("reading") as ctx:
        wanted = {item.name: item for item in wanted_places(place, ctx)}
        now = ctx.clock()
        with ctx.ledger() as ledger:
            looked = {item.place: item for item in ledger.inbound.places()}
            files = ledger.inbound.list_all(state or INBOUND_STATES, since=now - timedelta(days=days))
        late = [item for item in late_files(ctx) if item.place in wanted]
        show(_KNOWN_PLACES, (_place_row(name, item.kind, looked.get(name)) for name, item in wanted.items()))
        if late:
            show(
                _LATE,
                (
                    (item.place, item.pattern, item.account_id, item.profile, item.day, item.due_at, now - item.due_at)
                    for item in late
                ),
                ctx,
            )
        show(
            _KNOWN_FILES,
            (
                (
                    item.place,
                    item.path,
                    item.state,
                    ", ".join(item.account_ids) or None,
                    item.profile,
                    item.file_date,
                    item.size,
                    item.fetched_at,
                    (item.fetched_at or now) - item.first_seen_at,
                    ", ".join(upload[:12] for upload in item.upload_ids) or None,
                    item.cleared,
                    item.attempts,
                    item.error_code,
                    item.error_message,
                )
                for item in files
                if item.place in wanted
            ),
        )
    failing = [name for name in wanted if name in looked and looked[name].failed_since is not None]
    if not wanted:
        out.print(f"no places in {ctx.settings.inbound_file}; see 'cdr-pipeline docs inbound'", markup=False)
    if late or failing:
        raise InboundError(
            "; ".join(
                [f"{count_of(len(late), 'expected file is', 'expected files are')} late"] * bool(late)
                + [f"place {name} fails" for name in failing]
            ),
            hint="'cdr-pipeline inbound check' tries the places",
        )


def _place_row(name: str, kind: str, looked: object) -> tuple[object, ...]:
    from cdr_pipeline.warehouse.inbound.inbound_files import LookedPlace

    if not isinstance(looked, LookedPlace):
        return (name, kind, None, None, None, None, None)
    return (
        name, kind, looked.looked_at, looked.reached_at, looked.failed_since, looked.error_code, looked.error_message,
    )  # fmt: skip


def _show_results(results: "Sequence[PlaceResult]", ctx: "RunContext") -> None:
    show(
        _PLACES,
        (
            (
                item.place,
                item.kind,
                "failed" if item.code else "reached",
                len(item.files),
                item.code or None,
                item.message or None,
                item.hint or None,
            )
            for item in results
        ),
    )
    rows: list[tuple[object, ...]] = []
    for file in (file for item in results for file in item.files):
        uploads = {upload.account_id: upload.sha256[:12] for upload in file.uploads}
        rows += [
            (
                file.place,
                file.path,
                file.outcome,
                account,
                file.profile or None,
                file.file_date,
                file.size,
                uploads.get(account or ""),
                file.cleared or None,
                file.code or None,
                file.message or None,
                file.hint or None,
            )
            for account in file.account_ids or (None,)
        ]
    if rows:
        show(_FILES, rows, ctx)


def _require_good(results: "Sequence[PlaceResult]") -> None:
    """Raises InboundError if a place failed or a file was refused."""
    from cdr_pipeline.errors import InboundError, InboundUnavailable

    failed = [item for item in results if item.code]
    files = [file for item in results for file in item.files if file.outcome in _BAD]
    if not failed and not files:
        return
    texts = [item.message for item in failed] + [file.message for file in files]
    hint = next((item.hint for item in (*failed, *files) if item.hint), "'cdr-pipeline inbound check' tries it again")
    kind = InboundUnavailable if all(item.retryable for item in failed) and not files else InboundError
    raise kind("; ".join(dict.fromkeys(texts)), hint=hint)
