"""Spreads accounts over the shards of a night."""

import hashlib
import heapq
from collections.abc import Mapping
from typing import Final

# Work that an account costs even without records, in rows: requests, statements and files.
_ROWS_OF_AN_ACCOUNT: Final = 100


def spread(rows: Mapping[str, int], shards: int) -> list[list[str]]:
    """Assigns every account to one shard, so that the shards have about the same work.

    The accounts with the most rows come first, each to the shard with the least work so far. The loads of two shards
    differ at most by the work of the largest account. A hash decides between accounts with equally many rows, so that
    accounts with similar names do not end up in the same shard. Equal inputs give equal shards on every machine.

    Args:
        rows: expected number of rows by account id.
        shards: number of shards.

    Returns:
        Account ids of each shard, sorted. There are at most as many shards as accounts; none is empty.
    """
    loads = [(0, number) for number in range(min(shards, len(rows)))]
    members: list[list[str]] = [[] for _ in loads]
    for account_id in sorted(rows, key=lambda name: (-rows[name], _hash(name))):
        load, number = heapq.heappop(loads)
        members[number].append(account_id)
        heapq.heappush(loads, (load + work_of(rows[account_id]), number))
    return [sorted(accounts) for accounts in members]


def work_of(rows: int) -> int:
    """Work of an account with a number of rows, in rows."""
    return rows + _ROWS_OF_AN_ACCOUNT


def _hash(account_id: str) -> bytes:
    return hashlib.sha256(account_id.encode()).digest()
