"""Delivers what is due in a process of its own that dies at a named point.

Usage: crashing_delivery.py WAREHOUSE_URL DATA_DIR POINT
"""

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem
from pydantic import SecretStr
from sshfs import SSHFileSystem

from cdr_pipeline.exports.delivery import sending
from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.days.deliver_files import DeliverRequest, deliver_files
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.days.deliveries import DeliveryTable
from tests.support import crashing_night
from tests.support.crashing_night import then
from tests.support.own_clock import by_own_clock

_HALF = 20_000


def die(*_: object, **__: object) -> None:
    """kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def _beginning(local: str) -> bytes:
    return Path(local).read_bytes()[:_HALF]


def half_to_folder(files: Any, local: str, remote: str, **_: Any) -> None:
    """Writes the beginning and dies."""
    files.pipe_file(remote, _beginning(local))
    die()


async def half_to_sftp(files: Any, local: str, remote: str, **_: Any) -> None:
    """Writes the beginning and dies."""
    await files._pipe_file(remote, _beginning(local))
    die()


crashing_night.POINTS = {
    "half_a_part_in_a_folder": (LocalFileSystem, "put_file", lambda _: half_to_folder),
    "half_a_part_on_sftp": (SSHFileSystem, "_put_file", lambda _: half_to_sftp),
    "before_rename": (sending, "_require_arrived", lambda _: die),
    "file_without_manifest": (sending, "_place", lambda wrapped: then(wrapped, die)),
    "before_receipt": (DeliveryTable, "record_delivered", lambda _: die),
    "receipt_not_committed": (DeliveryTable, "record_delivered", lambda wrapped: then(wrapped, die)),
}
POINTS = tuple(crashing_night.POINTS)

if __name__ == "__main__":
    warehouse_url, data_dir, point = sys.argv[1:]
    crashing_night.rig(point)
    settings = by_own_clock(Settings(data_dir=Path(data_dir), warehouse_url=SecretStr(warehouse_url)))
    deliver_files(DeliverRequest(), RunContext.open(settings, clock=lambda: datetime(2026, 11, 20, 12, tzinfo=UTC)))
