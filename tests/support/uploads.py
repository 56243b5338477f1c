"""Files to import, and what must be true after any import."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from cdr_pipeline.core.fields.schemas import LINE
from cdr_pipeline.core.normalize.imported import normalize_imported
from cdr_pipeline.core.normalize.segments import join_segments
from cdr_pipeline.core.uploads.profile import Profile
from cdr_pipeline.sources.uploads.parse import read_upload
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.load_uploads import LoadedUpload, import_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest
from cdr_pipeline.warehouse.ledger import Account
from tests.support.nights import require_sound, warehouse

EXAMPLES = Path(__file__).parents[1] / "golden" / "uploads"
# Example of each built-in profile. Some systems write the date only into the name of the file.
EXAMPLE_FILES = {re.sub(r"_[0-9]{8}$", "", path.stem): path for path in sorted(EXAMPLES.iterdir())}
HEADER = "id,caller,callee,start_time,duration_seconds,billing_seconds,cost,currency\n"


def carrier_row(number: int, *, cost: str = "0.01", seconds: str = "60", **more: str) -> str:
    """One line of a file that the profile ``generic`` reads."""
    values = {
        "id": f"c{number}",
        "caller": "+12125550100",
        "callee": f"+4420555{number:05d}",
        "start": f"2026-03-02T09:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "duration": seconds,
        "billed": seconds,
        "cost": cost,
        "currency": "USD",
    } | more
    return ",".join(values.values()) + "\n"


def carrier_text(*numbers: int, **more: str) -> str:
    """A file that the profile ``generic`` reads."""
    return HEADER + "".join(carrier_row(number, **more) for number in numbers)


def opened(ctx: RunContext, *accounts: str, time_zone: str = "Europe/Berlin") -> RunContext:
    """The workplace, with these accounts."""
    with ctx.ledger() as ledger:
        for account in accounts or ("acct",):
            ledger.accounts.add(Account(account, time_zone=time_zone), now=ctx.clock())
    return ctx


def fed(
    ctx: RunContext, path: Path, content: str | bytes, profile: str = "generic", account: str = "acct"
) -> LoadedUpload:
    """Writes a file and imports it; the batch must be sound."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    loaded = import_upload(UploadRequest(path, account, profile), ctx)
    require_sound(ctx)
    return loaded


def own_profile(ctx: RunContext, name: str, text: str) -> None:
    """Writes a profile of the operator's own."""
    ctx.settings.profile_dir.mkdir(parents=True, exist_ok=True)
    (ctx.settings.profile_dir / f"{name}.toml").write_text(text)


def stored(ctx: RunContext, columns: str = "record_id", where: str = "true") -> list[tuple[Any, ...]]:
    """Imported records."""
    return warehouse(
        ctx, f"SELECT {columns} FROM cdr WHERE origin = 'imported' AND {where} ORDER BY started_at, record_id"
    )


def normalized(path: Path, profile: Profile, zone: str = "Europe/Berlin") -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Canonical rows of a file, all its rejects, and how many lines it has."""
    profile = replace(profile, file_name=path.name)
    rows: list[pl.DataFrame] = []
    rejects: list[pl.DataFrame] = []
    read = 0
    for records in read_upload(path, profile):
        joined = join_segments(records.frame, profile)
        sifted = normalize_imported(joined.rows, profile, account_id="acct", account_time_zone=zone)
        rows.append(sifted.rows)
        rejects += [records.rejects, joined.rejects, sifted.rejects]
        read += records.read
    return pl.concat(rows).sort(LINE), pl.concat(rejects).sort(LINE), read
