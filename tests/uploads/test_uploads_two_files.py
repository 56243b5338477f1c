"""Calls that begin in one file and end in another: completed by the second file, whichever comes first."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.steps.uploads.decide_uploads import discard_upload
from cdr_pipeline.steps.uploads.rejects import find_upload
from cdr_pipeline.steps.uploads.replay_uploads import ReplayRequest, replay_upload
from tests.support.nights import require_sound, warehouse
from tests.support.uploads import fed, opened, own_profile

PROFILE = """cause_codes = "sip"
[layout]
delimiter = "|"
[segments]
key = "call"
begin = { method = "^INVITE$" }
alone = { code = "^[3-6]" }
end = { method = "^BYE$" }
from_end = { ended = "time" }
[time]
notation = "epoch_seconds"
[fields]
call_id = "call"
started_at = "time"
ended_at = "ended"
hangup_cause = "code"
"""
FIRST = "method|call|code|time\nINVITE|c1|200|1772442000\nINVITE|c2|200|1772442060\nBYE|c1|200|1772442090\n"
# The second file has its columns in another order, a call of its own, and one that ends in neither.
SECOND = "call|method|time|code\nc2|BYE|1772442100|200\nc3|INVITE|1772442200|487\nc4|INVITE|1772442300|200\n"
CALLS = [("c1", 90), ("c2", 40), ("c3", 0)]


@pytest.fixture
def place(ctx: RunContext) -> RunContext:
    opened(ctx, time_zone="UTC")
    own_profile(ctx, "proxy", PROFILE)
    return ctx


def calls(ctx: RunContext) -> list[tuple[object, ...]]:
    require_sound(ctx)
    return warehouse(ctx, "SELECT call_id, duration_seconds::int FROM cdr ORDER BY call_id")


def open_rejects(ctx: RunContext) -> list[tuple[object, ...]]:
    return warehouse(ctx, "SELECT split_part(raw, '|', 2), line FROM rejects WHERE state = 'open' ORDER BY raw")


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)])
def test_the_second_file_completes_a_call_of_the_first(place: RunContext, tmp_path: Path, order: Sequence[str]) -> None:
    one, two = (fed(place, tmp_path / "f.txt", text, "proxy") for text in order)
    assert calls(place) == CALLS
    assert [row[1] for row in open_rejects(place)] == [4]
    # Reading either file again changes nothing.
    for loaded in (one, two):
        with place.ledger() as ledger:
            line = find_upload(ledger, loaded.sha256)
        replay_upload(ReplayRequest(line, None, decided_by="controller"), place)
        assert calls(place) == CALLS
    assert len(open_rejects(place)) == 1


def test_a_discarded_file_leaves_the_half_of_its_call_open(place: RunContext, tmp_path: Path) -> None:
    fed(place, tmp_path / "f.txt", FIRST, "proxy")
    second = fed(place, tmp_path / "f.txt", SECOND, "proxy")
    discard_upload(second.sha256, place, decided_by="controller")
    assert calls(place) == CALLS[:1]
    assert open_rejects(place) == [("c2", 3)]


@pytest.mark.parametrize("act", ["discard", "replay"])
def test_without_the_first_file_its_half_of_a_call_is_missing(place: RunContext, tmp_path: Path, act: str) -> None:
    first = fed(place, tmp_path / "f.txt", FIRST, "proxy")
    fed(place, tmp_path / "f.txt", SECOND, "proxy")
    if act == "discard":
        discard_upload(first.sha256, place, decided_by="controller")
        assert calls(place) == CALLS[2:]
    else:
        # The other profile takes the end of a call from no row, so the first file has no call any more.
        own_profile(place, "other", PROFILE.replace("^INVITE$", "^OTHER$"))
        with place.ledger() as ledger:
            line = find_upload(ledger, first.sha256)
        replay_upload(ReplayRequest(line, "other", decided_by="controller"), place)
        assert calls(place) == CALLS[2:]
    # The second file has the end of one call and the begin of another.
    second = warehouse(place, "SELECT line FROM rejects WHERE state = 'open' AND raw LIKE 'c%' ORDER BY line")
    assert [line for (line,) in second] == [2, 4]
