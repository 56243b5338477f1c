"""``cdr-pipeline uploads``: files that came in, and those that wait for a decision."""

from typing import Annotated, Final

import typer

from cdr_pipeline.cli.account_options import Accounts, OneAccount
from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import reports, show
from cdr_pipeline.cli.uploads.drops import DROPS, print_drops
from cdr_pipeline.errors.counts import count_of

uploads_app = typer.Typer(help="Imported files, and files that wait for a decision.", no_args_is_help=True)
_UPLOAD = typer.Argument(help="Id of the upload or its first characters; see 'uploads list'.")
_BY = typer.Option("--by", help="Person who decided; stored with the upload.")
_COUNTS: Final = ("merged", "read", "rejected")
_UPLOADS: Final = listing(
    "uploads", "Uploads", "upload", "sha256", "account", "file", "profile", "received_at", "state", *_COUNTS,
    "error_code", "note", "corrects", numbers=_COUNTS, sentences=("note",),
    titles={"received_at": "received (UTC)", "sha256": "", "error_code": "code"},
)  # fmt: skip
_READ: Final = ("read", "inserted", "updated", "unchanged", "duplicate", "rejected", "filtered")
_READ_AGAIN: Final = listing("counts", "Read again", "when", "profile", *_READ, numbers=_READ)


@uploads_app.command("list")
@reports(_UPLOADS, DROPS)
def list_uploads(
    *,
    account: Accounts = None,
    state: Annotated[
        list[str] | None, typer.Option(help="landed, held, loaded, refused or discarded; repeat for several.")
    ] = None,
) -> None:
    """Show uploads with their state, newest first. A held upload repeats records of another file.

    Files in the drop folder follow: refused ones with the reason, those that arrive, and those that wait.
    """
    from cdr_pipeline.cli.terminal import run_context
    from cdr_pipeline.steps.uploads.dropped_files import waiting_drops
    from cdr_pipeline.warehouse.ledger import UPLOAD_STATES

    with run_context("reading") as ctx, ctx.ledger() as ledger:
        accounts = [item.account_id for item in ledger.accounts.active(account)]
        uploads = ledger.uploads.list_all(accounts, states=state or UPLOAD_STATES)
        dropped = [] if state else waiting_drops(ledger, ctx, accounts)
    show(
        _UPLOADS,
        (
            (
                upload.sha256[:12],
                Cell(upload.sha256, ""),
                upload.account_id,
                upload.file_name,
                upload.profile,
                upload.received_at,
                upload.state,
                None if upload.rows_inserted is None else upload.rows_inserted + (upload.rows_updated or 0),
                upload.rows_read,
                upload.rows_rejected,
                Cell(upload.error_code, ""),
                upload.error_message,
                Cell(upload.corrects, upload.corrects[:12] if upload.corrects else None),
            )
            for upload in uploads
        ),
        ctx,
    )
    print_drops(dropped, ctx)


@uploads_app.command("release")
def release(upload: Annotated[str, _UPLOAD], *, by: Annotated[str, _BY], account: OneAccount = None) -> None:
    """Load a held file: records that the warehouse has stay as they are, the others are merged.

    Records that carry the id of another call become calls of their own; no call is ever replaced. Writes the daily
    files of open days, as 'import' does. Exits with 13 if rows were rejected.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.cli.uploads.results import finish_upload
    from cdr_pipeline.steps.uploads.decide_uploads import release_upload
    from cdr_pipeline.steps.uploads.exported_upload import export_upload

    with run_context("releasing") as ctx:
        loaded = release_upload(upload, ctx, decided_by=by, account_id=account)
        exported = export_upload(loaded, ctx)
    out.print(f"{loaded.file_name}: {loaded.counts.merged} merged, {loaded.counts.unchanged} unchanged", markup=False)
    finish_upload(loaded, exported, ctx)


@uploads_app.command("discard")
def discard(upload: Annotated[str, _UPLOAD], *, by: Annotated[str, _BY], account: OneAccount = None) -> None:
    """Discard a file. Records of a loaded file are withdrawn, with history; its bytes stay in landing.

    Writes the daily files of open days, as 'import' does. Exits with 5 if a sealed day has records of the file.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.days.export_days import require_exported
    from cdr_pipeline.steps.uploads.decide_uploads import discard_upload
    from cdr_pipeline.steps.uploads.exported_upload import export_account

    with run_context("discarding") as ctx:
        discarded = discard_upload(upload, ctx, decided_by=by, account_id=account)
        exported = export_account(discarded.account_id, ctx) if discarded.state == "loaded" else []
    withdrawn = "; its records are withdrawn" if discarded.state == "loaded" else ""
    out.print(f"{discarded.file_name} discarded{withdrawn}", markup=False)
    require_exported(exported)


@uploads_app.command("replay")
@reports(_READ_AGAIN)
def replay(
    upload: Annotated[str, _UPLOAD],
    *,
    profile: Annotated[
        str | None, typer.Option("--profile", help="Read the file with this profile in place of the first one.")
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option(help="IANA time zone of the file's local times; default: as in the first reading.")
    ] = None,
    by: Annotated[str | None, _BY] = None,
    account: OneAccount = None,
) -> None:
    """Read a file again with the current profile and rules, or with another profile. Nothing is lost: history is kept.

    Records of the first reading that this one does not contain are withdrawn. With --profile, a file that was refused,
    held or discarded is loaded, and the first reading of a loaded one is withdrawn. All in one transaction: if the file
    cannot be read, nothing changes. Writes the daily files of open days; sealed days are late. Exits with 13 if rows
    were rejected.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.cli.uploads.results import finish_upload
    from cdr_pipeline.steps.uploads.exported_upload import export_upload
    from cdr_pipeline.steps.uploads.rejects import find_upload
    from cdr_pipeline.steps.uploads.replay_uploads import ReplayRequest, replay_upload

    with run_context("reading again") as ctx:
        with ctx.ledger() as ledger:
            record = find_upload(ledger, upload, account)
        replayed = replay_upload(ReplayRequest(record, profile, time_zone, by), ctx)
        exported = export_upload(replayed.upload, ctx)
    readings = [("now", replayed.upload.profile, replayed.upload.counts)]
    if replayed.before is not None:
        readings.insert(0, ("before", record.profile, replayed.before))
    show(
        _READ_AGAIN,
        ((name, reader, *(getattr(counts, column) for column in _READ)) for name, reader, counts in readings),
    )
    for reason in replayed.upload.details:
        out.print(f"  rejected: {reason.text}", markup=False)
    if replayed.withdrawn:
        out.print(f"{count_of(replayed.withdrawn, 'record')} of the earlier reading withdrawn; their history is kept")
    finish_upload(replayed.upload, exported, ctx)
