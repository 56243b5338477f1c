"""Daily files in dialects that are not configured, made from the exact file when a person downloads them.

Such a file is neither announced nor kept. The same exact file gives the same bytes.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from cdr_pipeline.errors import DayNotSealable
from cdr_pipeline.exports.daily_file import DailyFile, WrittenFile
from cdr_pipeline.exports.dialects.registry import EXACT, SELECTABLE
from cdr_pipeline.exports.file_names import manifest_path
from cdr_pipeline.exports.manifest import decode_manifest, read_manifest
from cdr_pipeline.exports.renditions import write_rendition
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.days.export_files import PublishedFile

REDACTED: Final = "redacted"


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file without a name on disk; ``content`` is open for reading, and the caller closes it.

    Attributes:
        name: file name for the person who downloads it.
        size: bytes.
        sha256: hash of the content, as hex digits.
        content: the bytes.
    """

    name: str
    size: int
    sha256: str
    content: BinaryIO


def makeable_files(files: Sequence[PublishedFile], ctx: RunContext) -> list[tuple[str, str]]:
    """Dialects that the newest version of a day lacks and that can be made, with the id of each file.

    Args:
        files: daily files of one account's day.
        ctx: settings and warehouse. Without a redaction key no redacted file can be made.
    """
    newest = max((file.version for file in files if file.dialect == EXACT), default=None)
    if newest is None:
        return []
    present = {file.dialect for file in files if file.version == newest}
    day = files[0].business_date
    return [
        (dialect, f"{day}_v{newest}_{dialect}")
        for dialect in SELECTABLE
        if dialect not in present and (dialect != REDACTED or ctx.settings.redaction_key is not None)
    ]


def make_file(account_id: str, file_id: str, ctx: RunContext) -> MadeFile | None:
    """Makes the file of an id.

    Returns:
        The file; None if the version has no exact file, or the dialect cannot be made from it.

    Raises:
        SealedFileDamaged: the exact file on disk is not the recorded one.
        ExportError: the file cannot be written.
        DayNotSealable: the day is being exported again; its file is not announced at this moment.
    """
    key = PublishedFile.key_of(file_id)
    if key is None:
        return None
    with ctx.ledger() as ledger:
        files = ledger.files.published_files(account_id, key.business_date, key.business_date)
    files = [file for file in files if file.version == key.version]
    exact = next((file for file in files if file.dialect == EXACT), None)
    if exact is None or (key.dialect, file_id) not in makeable_files(files, ctx):
        return None
    path = ctx.settings.export_dir / exact.path
    manifest = decode_manifest(exact.manifest) if exact.manifest else read_manifest(manifest_path(path))
    if manifest.sha256 != exact.sha256:
        raise DayNotSealable("the file of the day is being written again", hint="try again in a minute")
    day = DailyFile(
        account_id=account_id,
        business_date=key.business_date,
        version=key.version,
        time_zone=manifest.time_zone,
        watermark_utc=None,
        rejected_rows=0,
        run_id=None,
        created_utc=datetime.fromisoformat(manifest.created_utc),
        compression=manifest.compression,
    )
    redaction_key = ctx.settings.redaction_key.get_secret_value() if ctx.settings.redaction_key else None
    # The folder is private, because the rows contain personal data. The open file outlives it.
    with tempfile.TemporaryDirectory(prefix=".made-", dir=ctx.settings.local_dir) as folder:
        made = write_rendition(
            key.dialect,
            WrittenFile(path, manifest, changed=False),
            day=day,
            export_dir=Path(folder),
            redaction_key=redaction_key,
            announce=False,
        )
        return MadeFile(made.path.name, made.size, made.sha256, made.path.open("rb"))
