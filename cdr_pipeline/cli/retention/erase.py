"""``cdr-pipeline warehouse erase``: a number is taken out of the records on request."""

from typing import Annotated, Final

import typer

from cdr_pipeline.cli.account_options import several
from cdr_pipeline.cli.listing_layout import account_title
from cdr_pipeline.cli.listings import listing
from cdr_pipeline.cli.reports import account_names, is_json, reports, show
from cdr_pipeline.errors.counts import count_of

_ERASED: Final = listing("erasures", "Erased", "account", "records", "rejects", "days", "dry_run")
_FILES: Final = listing("files", "Files that show it or may", "account", "kind", "path", "where")


@reports(_ERASED, _FILES)
def erase(
    number: Annotated[
        str,
        typer.Argument(
            help="Number in international form with +; - reads it from standard input, out of the shell's history."
        ),
    ],
    *,
    by: Annotated[str, typer.Option(help="Person responsible; recorded in the audit log.")],
    reason: Annotated[
        str, typer.Option(help="Reason; recorded in the audit log, so do not name the person or the number.")
    ],
    account: Annotated[
        list[str] | None, several("Only records of this account, by name or id; default: all accounts.")
    ] = None,
    reissue: Annotated[
        bool, typer.Option("--reissue", help="Also mark sealed days, so that 'days restate' writes new versions.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be erased and change nothing.")] = False,
) -> None:
    """Mask a number in records, earlier versions and rejected rows. Totals stay. Lists the files that still show it."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.retention.erase_number import EraseRequest, erase_number

    phone_number = typer.get_text_stream("stdin").readline().strip() if number == "-" else number
    with run_context("erasing") as ctx:
        erasures = erase_number(EraseRequest(phone_number, by, reason, account, reissue, dry_run), ctx)
    names = account_names(ctx)
    for item in erasures:
        out.print(
            f"{account_title(item.account_id, names)}: {count_of(item.records, 'record')} and "
            f"{count_of(item.rejects, 'rejected row')} {'would be ' if dry_run else ''}masked, files of "
            f"{count_of(item.days, 'day')} due again",
            markup=False,
            soft_wrap=True,
        )
        if is_json():
            show(_ERASED, [(item.account_id, item.records, item.rejects, item.days, dry_run)], ctx)
    if not erasures:
        out.print("no record contains this number")
        return
    show(_FILES, ((item.account_id, file.kind, file.path, file.place) for item in erasures for file in item.files), ctx)
