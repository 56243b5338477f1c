"""Tells about an incident in a process of its own that dies after a channel has accepted it, before that is recorded.

Usage: crashing_alert.py WAREHOUSE_URL DATA_DIR WEBHOOK_URL
"""

import os
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from cdr_pipeline.settings import Settings
from cdr_pipeline.steps.operations.alert import Incident
from cdr_pipeline.steps.operations.alert_outbox import tell
from cdr_pipeline.warehouse.operations.alerts import AlertTable
from tests.support.own_clock import by_own_clock


def main(url: str, folder: str, hook: str) -> None:
    """Dies as by kill -9."""
    settings = Settings(data_dir=Path(folder), warehouse_url=SecretStr(url), alert_webhook_url=SecretStr(hook))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AlertTable, "sent", lambda *_, **__: os._exit(137))
        tell(by_own_clock(settings), lambda _: [Incident("run: x", "x failed")], covers=lambda: ("run: ",))


if __name__ == "__main__":
    main(*sys.argv[1:])
