"""Imports a file in a process of its own that dies at a named point.

Usage: crashing_import.py WAREHOUSE_URL DATA_DIR FILE POINT
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads import load_uploads, register_uploads
from cdr_pipeline.steps.uploads.load_uploads import import_upload
from cdr_pipeline.steps.uploads.register_uploads import UploadRequest
from cdr_pipeline.warehouse.records.loading import BatchLoad
from cdr_pipeline.warehouse.uploads.uploads import UploadTable
from tests.support import crashing_night
from tests.support.crashing_night import die, once, then
from tests.support.own_clock import by_own_clock

crashing_night.POINTS = {
    "none": (None, "", lambda wrapped: wrapped),
    "before_landing": (register_uploads, "land_upload", lambda _: die),
    "after_landing": (register_uploads, "land_upload", lambda wrapped: then(wrapped, die)),
    "after_landed_record": (UploadTable, "record_landed", lambda wrapped: then(wrapped, die)),
    "after_name": (UploadTable, "record_name", lambda wrapped: then(wrapped, die)),
    "after_stage": (BatchLoad, "stage", lambda wrapped: then(wrapped, die)),
    "after_rejects": (BatchLoad, "reject", lambda wrapped: then(wrapped, once(die))),
    "before_commit": (BatchLoad, "finish", lambda wrapped: then(wrapped, die)),
    "after_commit": (load_uploads, "loaded_upload", lambda _: die),
}
POINTS = tuple(crashing_night.POINTS)

if __name__ == "__main__":
    warehouse_url, data_dir, file, point = sys.argv[1:]
    crashing_night.rig(point)
    settings = by_own_clock(Settings(data_dir=Path(data_dir), warehouse_url=SecretStr(warehouse_url)))
    ctx = RunContext.open(settings, clock=lambda: datetime(2026, 11, 20, 12, tzinfo=UTC))
    import_upload(UploadRequest(Path(file), "acct", "generic"), ctx)
