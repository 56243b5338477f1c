"""Accounts that move from one zone to another (D12), in a warehouse."""

from datetime import date, timedelta

import pytest

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.exports.verify import verify_tree
from cdr_pipeline.steps.accounts.add_account import AccountRequest, add_account
from cdr_pipeline.steps.run_context import RunContext
from tests.support.days import DAY, collected, deliver, export, restate, seal


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    """A day of two calls in Europe/Berlin, collected whole."""
    collected(ctx)
    deliver(ctx, {"record_id": "a"}, {"record_id": "b"})
    return ctx


def whole(ctx: RunContext) -> None:
    assert not any(verify_tree(ctx.settings.export_dir).values())


@pytest.mark.fault("D12")
def test_an_account_moves_to_another_zone_from_an_empty_day_on(place: RunContext) -> None:
    berlin, tokyo = (AccountRequest("acct", time_zone=zone) for zone in ("Europe/Berlin", "Asia/Tokyo"))
    before = export(place).file.path.read_bytes()
    with pytest.raises(ConfigurationError, match="2026-03-02 is already in Europe/Berlin"):
        add_account(tokyo, place, zone_from=DAY)
    next_day = DAY + timedelta(days=1)
    assert add_account(tokyo, place, zone_from=next_day).moved == next_day
    assert add_account(tokyo, place).moved is None
    moved = export(place).file
    assert moved.path.read_bytes() == before
    assert (moved.manifest.time_zone, moved.manifest.next_time_zone) == ("Europe/Berlin", "Asia/Tokyo")
    assert moved.manifest.window_end_utc == "2026-03-02T15:00:00Z"
    assert export(place, DAY + timedelta(days=1)).file.manifest.time_zone == "Asia/Tokyo"
    # The clock stands at 20 November: moving back takes effect on the next day of both zones, once that is stated.
    with pytest.raises(ConfigurationError) as refused:
        add_account(berlin, place)
    assert "accounts add acct --time-zone Europe/Berlin --zone-from 2026-11-21" in (refused.value.hint or "")
    assert add_account(berlin, place, zone_from=date(2026, 11, 21)).moved == date(2026, 11, 21)
    with place.ledger() as ledger:
        (account,) = ledger.accounts.active(["acct"])
    assert [account.zones.on(day) for day in (DAY, date(2026, 11, 20), date(2026, 11, 21))] == [
        "Europe/Berlin", "Asia/Tokyo", "Europe/Berlin",
    ]  # fmt: skip
    whole(place)


@pytest.mark.fault("D12")
def test_a_restatement_keeps_the_bounds_of_the_last_day_before_a_move(place: RunContext) -> None:
    add_account(AccountRequest("acct", time_zone="Asia/Tokyo"), place, zone_from=DAY + timedelta(days=1))
    first = seal(place).files[0].manifest
    deliver(place, {"record_id": "c"})
    second = restate(place).files[0].manifest
    for key in ("time_zone", "next_time_zone", "window_start_utc", "window_end_utc"):
        assert getattr(second, key) == getattr(first, key)
    whole(place)


@pytest.mark.fault("D12")
def test_an_account_without_any_day_yet_is_simply_in_its_new_zone(ctx: RunContext) -> None:
    for zone in ("UTC", "Asia/Tokyo"):
        assert add_account(AccountRequest("new", time_zone=zone), ctx).moved is None
    with ctx.ledger() as ledger:
        assert ledger.accounts.active(["new"])[0].earlier_zones == ()
