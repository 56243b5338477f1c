"""Accounts are spread over the shards of a night."""

from hypothesis import given
from hypothesis import strategies as st

from cdr_pipeline.core.records.shards import spread, work_of

ROWS = st.dictionaries(st.text(min_size=1, max_size=12), st.integers(0, 1_000_000), max_size=60)
SHARDS = st.integers(1, 20)


@given(ROWS, SHARDS)
def test_every_account_is_in_exactly_one_shard(rows: dict[str, int], shards: int) -> None:
    assert sorted(account for shard in spread(rows, shards) for account in shard) == sorted(rows)


@given(ROWS, SHARDS)
def test_no_shard_is_empty(rows: dict[str, int], shards: int) -> None:
    divided = spread(rows, shards)
    assert len(divided) == min(shards, len(rows))
    assert all(divided)


@given(ROWS, SHARDS, st.randoms())
def test_equal_rows_give_equal_shards_in_any_order(rows: dict[str, int], shards: int, random: object) -> None:
    items = list(rows.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    assert spread(dict(items), shards) == spread(rows, shards)


@given(ROWS, SHARDS)
def test_shards_differ_at_most_by_the_largest_account(rows: dict[str, int], shards: int) -> None:
    loads = [sum(work_of(rows[account]) for account in shard) for shard in spread(rows, shards)]
    assert max(loads, default=0) - min(loads, default=0) <= max(map(work_of, rows.values()), default=0)


def test_accounts_without_known_rows_are_spread_evenly() -> None:
    accounts = {f"a{number:04d}": 0 for number in range(1000)}
    assert {len(shard) for shard in spread(accounts, 16)} == {62, 63}
