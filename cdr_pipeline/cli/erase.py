"""``cdr-pipeline warehouse erase``: a number is taken out of the records on request."""

from typing import Annotated

import typer


def erase(
    number: Annotated[
        str, typer.Argument(help="International form with +; - reads it from standard input, which no history keeps.")
    ],
    *,
    by: Annotated[str, typer.Option(help="Who answers for it.")],
    reason: Annotated[str, typer.Option(help="Why, without saying whose number it is.")],
    account: Annotated[list[str] | None, typer.Option(help="In whose records; everybody's when omitted.")] = None,
    reissue: Annotated[
        bool, typer.Option("--reissue", help="Also mark sealed days, so that 'days restate' writes new versions.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be erased.")] = False,
) -> None:
    """Mask a number in records, earlier versions and refused rows; totals stay. Lists the files that still show it."""
    from cdr_pipeline.cli.console import out, table, workplace
    from cdr_pipeline.steps.erase_number import EraseRequest, erase_number

    asked = typer.get_text_stream("stdin").readline().strip() if number == "-" else number
    with workplace("erasing") as at:
        found = erase_number(EraseRequest(asked, by, reason, account, reissue, dry_run), at)
    listing = table("Files that show it or may", "account", "file", "path", "where")
    for item in found:
        out.print(
            f"{item.account_id}: {item.records} records and {item.rejects} refused rows "
            f"{'would be ' if dry_run else ''}masked, files of {item.days} day(s) due again",
            soft_wrap=True,
        )
        for file in item.files:
            listing.add_row(item.account_id, file.kind, file.path, file.place)
    if not found:
        out.print("no record shows this number")
        return
    out.print(listing)
