"""Files of several accounts are sent to a folder by several threads, each file once and in the order of its account."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cdr_pipeline.core.records.volume import Volume
from cdr_pipeline.core.time.business_day import day_bounds
from cdr_pipeline.errors import DeliveryError
from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.steps.days import deliver_files as delivery_step
from cdr_pipeline.steps.days.deliver_files import DeliverRequest, deliver_files
from cdr_pipeline.steps.days.seal_days import SealRequest, seal_days
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, CompleteDay
from tests.support.days import DAY

ACCOUNTS = [f"acct{number}" for number in range(7)]
DAYS = [DAY, DAY + timedelta(days=1), DAY + timedelta(days=2)]


@pytest.fixture
def sealed(ctx: RunContext, tmp_path: Path) -> RunContext:
    """Three sealed days of each account, and a folder that takes their files."""
    place = replace(ctx, clock=lambda: ctx.clock() + timedelta(days=10))
    with place.ledger() as ledger:
        for account_id in ACCOUNTS:
            ledger.accounts.add(Account(account_id, time_zone="UTC"), now=ctx.clock())
        complete = [
            CompleteDay(account_id, day, day_bounds(day, "UTC")[1], Volume(0, None, "usual"))
            for account_id in ACCOUNTS
            for day in DAYS
        ]
        ledger.days.record_collected(complete, now=place.clock())
    assert {day.outcome for day in seal_days(SealRequest(DAYS), place)} == {"sealed"}
    place.settings.targets_file.write_text(f'[finance]\nurl = "{tmp_path / "finance"}"\n')
    return place


def _sent(monkeypatch: pytest.MonkeyPatch, *, down_after: int | None = None) -> list[str]:
    """Names of the files that are sent, in order; after some files, the target fails."""
    sent: list[str] = []
    real = delivery_step.send

    def noted(parcel: Any, *where: Any) -> str:
        sent.append(parcel.file.name)
        if down_after is not None and len(sent) > down_after:
            raise DeliveryError("target finance: cannot be reached")
        return real(parcel, *where)

    monkeypatch.setattr(delivery_step, "send", noted)
    return sent


def _by_account(names: Sequence[str]) -> dict[str, list[str]]:
    return {account_id: [name for name in names if f"_{account_id}_" in name] for account_id in ACCOUNTS}


def test_each_file_is_sent_once_in_the_order_of_its_account(
    sealed: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = _sent(monkeypatch)

    delivered = deliver_files(DeliverRequest(), sealed)

    assert [file.outcome for file in delivered] == ["delivered"] * len(ACCOUNTS) * len(DAYS)
    names = [Path(file.path).name for file in delivered]
    assert names == sorted(names, key=lambda name: (name.split("_")[2], name))
    assert Counter(sent) == Counter(names)
    assert all(files == sorted(files) and len(files) == len(DAYS) for files in _by_account(sent).values())
    assert len(verify_tree(tmp_path / "finance")) == len(ACCOUNTS) * len(DAYS)
    assert deliver_files(DeliverRequest(), sealed) == []


def test_a_target_that_goes_down_gets_no_more_files(sealed: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        sent = _sent(patch, down_after=5)
        delivered = deliver_files(DeliverRequest(), sealed)

    outcomes = Counter(file.outcome for file in delivered)
    assert outcomes == {"delivered": 5, "pending": len(ACCOUNTS) * len(DAYS) - 5}
    # Each thread may have begun one more file.
    assert 6 <= len(sent) <= 5 + 4

    assert Counter(file.outcome for file in deliver_files(DeliverRequest(), sealed)) == {
        "delivered": len(ACCOUNTS) * len(DAYS) - 5
    }
