"""Correctness (a), (b) and (d): a matching, of greatest weight, whatever the order."""

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cdr_pipeline.core.reconcile.match import conflict_components as knots
from cdr_pipeline.core.reconcile.match.assignment import Pairing, assign
from cdr_pipeline.core.reconcile.match.conflict_components import AMBIGUOUS
from tests.support.examples import examples

Weights = list[list[int]]


def solve(weights: Weights, order: list[int] | None = None) -> Pairing:
    """The assignment of a matrix; 0 is no candidate."""
    matrix = np.array(weights, np.int32)
    a, b = np.nonzero(matrix)
    sequence = np.arange(len(a)) if order is None else np.array(order, np.int64)
    times = [np.arange(size) * 1_000 for size in matrix.shape]
    return assign(a[sequence].astype(np.int32), b[sequence].astype(np.int32), matrix[a, b][sequence], *times)


def total(weights: Weights, found: Pairing) -> int:
    return sum(weights[a][b] for a, b in zip(found.switch, found.carrier, strict=True))


def best(weights: Weights) -> int:
    """Brute force: every row of the switch takes each free record, or none."""
    rows = tuple(tuple(row) for row in weights)

    @cache
    def from_row(number: int, used: int) -> int:
        if number == len(rows):
            return 0
        taken = [
            weight + from_row(number + 1, used | 1 << column)
            for column, weight in enumerate(rows[number])
            if weight and not used >> column & 1
        ]
        return max([from_row(number + 1, used), *taken])

    return from_row(0, 0)


ANY_WEIGHT = st.one_of(st.just(0), st.integers(1, 12_000), st.sampled_from([1, 5_000, 5_001, 12_000]))


def matrices(largest: int = 7, values: st.SearchStrategy[int] = ANY_WEIGHT) -> st.SearchStrategy[Weights]:
    weight = values
    size = st.integers(1, largest)
    return st.tuples(size, size).flatmap(
        lambda shape: st.lists(
            st.lists(weight, min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]
        )
    )


@given(matrices())
@settings(max_examples=examples(600))
@example([[12_000, 12_000], [12_000, 12_000]])
@example([[10, 10, 10]])
@example([[7_000, 12_000], [0, 7_000]])
@example([[9_000, 12_000], [0, 12_000]])
def test_the_pairing_is_a_matching_and_no_other_weighs_more(weights: Weights) -> None:
    found = solve(weights)
    assert len(set(found.switch.tolist())) == len(found.switch)
    assert len(set(found.carrier.tolist())) == len(found.carrier)
    assert all(weights[a][b] > 0 for a, b in zip(found.switch, found.carrier, strict=True))
    assert total(weights, found) == best(weights)


@given(matrices(values=st.sampled_from([0, 0, 4_000, 4_000, 8_000])), st.randoms())
@settings(max_examples=examples(300))
def test_the_order_of_candidates_changes_nothing_even_among_equals(weights: Weights, random: Any) -> None:
    order = list(range(int(np.count_nonzero(np.array(weights)))))
    random.shuffle(order)
    one, other = solve(weights), solve(weights, order)
    pairs = [
        sorted(zip(found.switch.tolist(), found.carrier.tolist(), found.ambiguous.tolist(), strict=True))
        for found in (one, other)
    ]
    assert pairs[0] == pairs[1]


@given(matrices(4, st.one_of(st.just(0), st.integers(100, 12_000), st.sampled_from([5_000, 5_020, 5_049, 5_050]))))
@settings(max_examples=examples(400))
@example([[5_000, 5_000, 5_000]])
@example([[5_000, 5_049], [5_000, 5_000]])
def test_a_pair_is_ambiguous_exactly_when_a_pairing_without_it_is_as_good(weights: Weights) -> None:
    found = solve(weights)
    for a, b, flag in zip(found.switch.tolist(), found.carrier.tolist(), found.ambiguous.tolist(), strict=True):
        without = [row.copy() for row in weights]
        without[a][b] = 0
        assert flag == (best(weights) - best(without) < AMBIGUOUS)


@pytest.mark.fault("D08")
@pytest.mark.parametrize("size", [2, 3, 7])
def test_k_equal_calls_and_k_equal_records_pair_in_order_of_time(size: int) -> None:
    found = solve([[6_000] * size] * size)
    assert sorted(zip(found.switch.tolist(), found.carrier.tolist(), strict=True)) == [(k, k) for k in range(size)]
    assert found.ambiguous.all()


@pytest.mark.fault("D08")
@given(matrices(values=st.sampled_from([0, 3_000, 6_000])))
@settings(max_examples=examples(200))
def test_swapping_the_sides_weighs_the_same(weights: Weights) -> None:
    turned = [list(column) for column in zip(*weights, strict=True)]
    assert total(weights, solve(weights)) == total(turned, solve(turned))


def band(rows: int, seed: int) -> tuple[Any, Any, Any]:
    """A long chain of candidates, as a hot number makes: every call has the eight records around it."""
    random = np.random.default_rng(seed)
    a = np.repeat(np.arange(rows, dtype=np.int32), 8)
    b = (a + np.tile(np.arange(8, dtype=np.int32), rows)).astype(np.int32)
    return a, b, random.integers(4_000, 5_000, len(a)).astype(np.int32)


def test_the_sparse_solver_solves_large_components_like_the_dense_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a, b, weight = band(300, 1)
    times = np.arange(300), np.arange(307)
    dense = assign(a, b, weight, *times)
    monkeypatch.setattr(knots, "_DENSE_CELLS", 0)
    sparse = assign(a, b, weight, *times)
    matrix = np.zeros((300, 307), np.int64)
    matrix[a, b] = weight
    assert matrix[dense.switch, dense.carrier].sum() == matrix[sparse.switch, sparse.carrier].sum()


def test_a_hot_number_cannot_make_a_knot_that_is_solved_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    solved: list[int] = []
    inner = knots._sparse

    def watched(local_a: Any, local_b: Any, weight: Any, shape: tuple[int, int]) -> Any:
        solved.append(max(shape))
        return inner(local_a, local_b, weight, shape)

    monkeypatch.setattr(knots, "_sparse", watched)
    a, b, weight = band(20_000, 2)
    found = assign(a, b, weight, np.arange(20_000), np.arange(20_007))
    assert solved
    assert max(solved) <= knots.LARGEST
    assert len(found.switch) >= 0.999 * 20_000
    assert all(len(set(rows.tolist())) == len(rows) for rows in (found.switch, found.carrier))


def test_equal_times_are_ordered_by_row_so_results_are_deterministic() -> None:
    a = np.array([0, 0, 1, 1], np.int32)
    b = np.array([0, 1, 0, 1], np.int32)
    weight = np.full(4, 5_000, np.int32)
    found = assign(a, b, weight, np.zeros(2, np.int64), np.zeros(2, np.int64))
    assert all(one < other for one, other in pairwise(sorted(found.switch.tolist())))
    assert sorted(zip(found.switch.tolist(), found.carrier.tolist(), strict=True)) == [(0, 0), (1, 1)]
