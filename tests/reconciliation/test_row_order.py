"""Order of the rows of a side."""

import random

import numpy as np
import polars as pl
import pytest

from cdr_pipeline.core.reconcile.inputs.row_order import order_of_ids, stable_order


@pytest.mark.parametrize("distinct", [3, 500, 2**40])
def test_equal_keys_keep_their_order(distinct: int) -> None:
    keys = np.random.default_rng(1).integers(0, distinct, 1_000).astype(np.uint64)
    assert stable_order(keys).tolist() == np.argsort(keys, kind="stable").tolist()


@pytest.mark.parametrize(
    "ids",
    [
        [f"call-{number}" for number in range(1_000)],
        [f"202603-{number:032x}" for number in range(1_000)],
        ["", "a", "ab", "abcdefgh", "abcdefghi", "abcdefgh0", "ä", "äö", "z" * 40],
        ["only"],
        [],
    ],
    ids=["short", "long, with a common beginning", "of all kinds", "one", "none"],
)
def test_ids_are_in_the_order_of_their_bytes(ids: list[str]) -> None:
    shuffled = random.Random(1).sample(ids, len(ids))
    order = order_of_ids(pl.Series(shuffled, dtype=pl.String))
    assert [shuffled[row] for row in order] == sorted(ids, key=str.encode)
