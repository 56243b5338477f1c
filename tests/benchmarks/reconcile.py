"""Benchmark ``reconcile``: calls with faults and known truth; quality by scenario, then speed beside simpler methods.

    python tests/benchmarks/reconcile.py [--calls 1000000] [--days 1] [--scenario-calls 100000]
                                         [--habit-calls 100000]
                                         [--growth 250000 500000 1000000 2000000] [--hot 1000000]
                                         [--held-out 500000]

Quality: precision and recall of pairs, the worst F1 of a class, and money that is not in its class, for every fault
alone and for all mixed. Speed: all faults mixed, written to Parquet first, so that memory is that of the work and not
of the making. The peers get the true offset for nothing and do less: pairs only, no classes, money or totals.
"""

import argparse
import gc
import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[2]))

import polars as pl
from measuring import Measured, measured

from cdr_pipeline.core.reconcile.reconcile import reconcile
from tests.support.grading import grade, grade_pairs, tied_rows
from tests.support.known_habits import HABITS, MIXED_HABITS, day_with_habit
from tests.support.known_truth import HELD_OUT, MIXED, SCENARIOS, Faults, KnownTruth, calls_of_a_day

_WINDOW: Final = 30
_HOT: Final = replace(MIXED, one_hot=0.33)
_HELD_OUT_HOT: Final = replace(HELD_OUT, one_hot=0.25)
_HELD_OUT_SEED: Final = 20_26
_DAY_OF: Final = 1_000_000


def make(calls: int, days: int, faults: Faults, folder: Path, seed: int = 1) -> tuple[int, int]:
    """Writes a day's sides and truth; returns their numbers of rows."""
    truth = calls_of_a_day(calls, faults, days=days, seed=seed)
    truth.switch.write_parquet(folder / "switch.parquet")
    truth.carrier.write_parquet(folder / "carrier.parquet")
    truth.pairs.write_parquet(folder / "pairs.parquet")
    truth.classes.write_parquet(folder / "classes.parquet")
    return truth.switch.height, truth.carrier.height


def ours(folder: Path, faults: Faults) -> float:
    """The reconciliation, from the files to its frames, written for grading; returns its processor seconds."""
    rules = calls_of_a_day(10, faults).rules
    begun, used = time.perf_counter(), time.process_time()
    result = reconcile(*_sides(folder), rules)
    seconds, used = time.perf_counter() - begun, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result.pairs.write_parquet(folder / "found_pairs.parquet")
    result.rows.write_parquet(folder / "found_rows.parquet")
    print(f"  offset {result.offset['offset_ms'].item()} ms ({result.offset['status'].item()}),"
          f" {result.pairs['ambiguous'].sum():,} ambiguous pairs, {result.narrowed:,} rows narrowed;"
          f" {seconds:.1f} s, {used:.1f} s of processor, {peak / 1024:,.0f} MB", flush=True)  # fmt: skip
    return used


def nearest(folder: Path, offset_ms: int) -> int:
    """As-of join: the nearest record of the same called number, whoever has taken it already."""
    a, b = _billable(folder, offset_ms)
    joined = a.sort("at").join_asof(
        b.sort("at"), on="at", by="callee", strategy="nearest", tolerance=f"{_WINDOW}s", check_sortedness=False
    )
    return _keep(folder, joined.drop_nulls("carrier_row_id"))


def kth(folder: Path, offset_ms: int) -> int:
    """The k-th call of two numbers with the k-th record of them: spreadsheets, and comparers of tables."""
    a, b = (
        side.sort("at").with_columns(k=pl.int_range(pl.len()).over("caller", "callee"))
        for side in _billable(folder, offset_ms)
    )
    return _keep(folder, a.join(b, on=["caller", "callee", "k"]))


def greedy(folder: Path, offset_ms: int) -> int:
    """Candidates by both numbers within the window, the nearest pair first; loops over what collides."""
    a, b = _billable(folder, offset_ms)
    bucket = (pl.col("at").dt.epoch("s") // _WINDOW).alias("bucket")
    spread = pl.concat([b.with_columns(bucket + shift) for shift in (-1, 0, 1)])
    hidden = spread.filter(pl.col("caller").is_null()).drop("caller")
    known = a.with_columns(bucket)
    found = [known.join(spread, on=["caller", "callee", "bucket"], suffix="_b")]
    found.append(known.join(hidden, on=["callee", "bucket"], suffix="_b").select(found[0].columns))
    edges = (
        pl.concat(found)
        .with_columns(apart=(pl.col("at_b") - pl.col("at")).abs())
        .filter(pl.col("apart") <= pl.duration(seconds=_WINDOW))
        .sort("apart", "switch_row_id", "carrier_row_id")
    )
    alone = edges.filter(pl.col("switch_row_id").is_unique() & pl.col("carrier_row_id").is_unique())
    rest = edges.join(alone, on="switch_row_id", how="anti")
    taken_a, taken_b, kept = set[str](), set[str](), list[tuple[str, str]]()
    for one, other in rest.select("switch_row_id", "carrier_row_id").iter_rows():
        if one not in taken_a and other not in taken_b:
            taken_a.add(one)
            taken_b.add(other)
            kept.append((one, other))
    more = pl.DataFrame(kept, schema={"switch_row_id": pl.String, "carrier_row_id": pl.String}, orient="row")
    return _keep(folder, pl.concat([alone.select(more.columns), more]))


def _sides(folder: Path) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    return pl.scan_parquet(folder / "switch.parquet"), pl.scan_parquet(folder / "carrier.parquet")


def _billable(folder: Path, offset_ms: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    a, b = (side.filter("answered").select("row_id", "caller", "callee", at="started_at") for side in _sides(folder))
    shifted = b.with_columns(pl.col("at") - pl.duration(milliseconds=offset_ms))
    return a.rename({"row_id": "switch_row_id"}).collect(), shifted.rename({"row_id": "carrier_row_id"}).collect()


def _keep(folder: Path, pairs: pl.DataFrame) -> int:
    pairs.select("switch_row_id", "carrier_row_id").write_parquet(folder / "found_pairs.parquet")
    return pairs.height


def graded(folder: Path) -> tuple[float, float]:
    """Precision and recall of the pairs found last."""
    truth, found = pl.read_parquet(folder / "pairs.parquet"), pl.read_parquet(folder / "found_pairs.parquet")
    nothing = pl.DataFrame()
    return grade_pairs(found, KnownTruth(nothing, nothing, truth, nothing, calls_of_a_day(10, MIXED).rules))


def judged(folder: Path, faults: Faults) -> str:
    """The class with the smallest F1; rows and money that are in another class than in truth.

    Tied rows are those that nothing in the files could tell; flagged ones are ambiguous in the result.
    """
    truth = pl.read_parquet(folder / "classes.parquet")
    both = (
        pl.read_parquet(folder / "found_rows.parquet")
        .select("row_id", "ambiguous", said=pl.col("class").cast(pl.String))
        .join(truth, on="row_id")
    )
    counts = both.group_by("said", "class").agg(pl.len())
    scores: dict[str, float] = {}
    for name in sorted({*counts["class"]}):
        said, true = counts.filter(pl.col("said") == name), counts.filter(pl.col("class") == name)
        hit = said.filter(pl.col("class") == name)["len"].sum()
        scores[name] = 2 * hit / (said["len"].sum() + true["len"].sum())
    worst = min(scores, key=scores.__getitem__)
    found, pairs = (pl.read_parquet(folder / f"{name}.parquet") for name in ("found_pairs", "pairs"))
    places = [
        pl.read_parquet(folder / f"{name}.parquet", columns=["row_id", "started_at", "duration_ms"])
        for name in ("switch", "carrier")
    ]
    elsewhere = both.filter(pl.col("said") != pl.col("class")).join(
        tied_rows(found, pairs, places[0], places[1], faults), on="row_id", how="left"
    )
    tied = elsewhere.filter(pl.col("tied").fill_null(value=False))
    neither = elsewhere.filter(~pl.col("tied").fill_null(value=False) & ~pl.col("ambiguous"))
    return (
        f"worst F1 {scores[worst]:.5f} ({worst}); in another class {elsewhere.height} rows of "
        f"{elsewhere['amount'].sum() or 0:.2f}, of these tied {tied.height} of {tied['amount'].sum() or 0:.2f}, flagged"
        f" {elsewhere['ambiguous'].sum()}, neither {neither.height}; {both['ambiguous'].sum():,} rows flagged in all"
    )


def report(name: str, part: Measured, quality: tuple[float, float], rows: int, more: str = "") -> None:
    print(
        f"{name:44s} P {quality[0]:.6f}  R {quality[1]:.6f} {part.seconds:8.1f} s {rows / part.seconds:11,.0f} rows/s"
        f" {part.peak_mb:8,.0f} MB  {more}",
        flush=True,
    )


def scenarios(calls: int) -> None:
    print(f"\nQuality by fault, {calls:,} answered calls each")
    for name, faults in SCENARIOS.items():
        truth = calls_of_a_day(calls, faults)
        result = reconcile(truth.switch, truth.carrier, truth.rules)
        found = grade(result, truth)
        worst, score = found.worst
        print(
            f"{name:32s} P {found.precision:.6f}  R {found.recall:.6f}  worst F1 {score:.5f} ({worst})"
            f"  money misplaced {found.amount_error:.2f}  offset {result.offset['offset_ms'].item():>9,} ms",
            flush=True,
        )


def habits(calls: int) -> None:
    """Quality by habit of the carrier, alone and together, with F1 of every class."""
    print(f"\nQuality by habit, {calls:,} answered calls each")
    for name in [*HABITS, MIXED_HABITS]:
        truth = day_with_habit(name, calls)
        result = reconcile(truth.switch, truth.carrier, truth.rules)
        found = grade(result, truth)
        scores = ", ".join(f"{kind} {score:.5f}" for kind, score in found.f1.items())
        print(
            f"{name:32s} P {found.precision:.6f}  R {found.recall:.6f}  money misplaced {found.amount_error:.4f}"
            f"  F1: {scores}",
            flush=True,
        )


def growth(sizes: list[int]) -> None:
    print("\nGrowth, all faults mixed, one day: processor seconds, beside what n log n makes of the first")
    first = 0.0
    for calls in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            measured(make, calls, 1, MIXED, folder)
            part = measured(ours, folder, MIXED)
        per_step = part.result / (calls * math.log(calls))
        first = first or per_step
        print(f"{calls:11,} calls {part.result:8.1f} s of processor {part.peak_mb:8,.0f} MB"
              f"  {per_step / first:5.2f} of n log n", flush=True)  # fmt: skip


def speed(calls: int, days: int, faults: Faults, title: str, peers: list[Callable[..., int]], seed: int = 1) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = measured(make, calls, days, faults, folder, seed).result
        print(f"\n{title}: {rows[0]:,} x {rows[1]:,} rows, {days} days", flush=True)
        part = measured(ours, folder, faults)
        quality = measured(graded, folder).result
        report("reconcile (classes, money, totals)", part, quality, sum(rows), measured(judged, folder, faults).result)
        for peer in peers:
            part = measured(peer, folder, faults.offset_ms)
            report(
                (peer.__doc__ or "").split(":")[0].split(",")[0][:43], part, measured(graded, folder).result, sum(rows)
            )
            gc.collect()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=0, help="days the calls are spread over; one a million when 0")
    parser.add_argument("--scenario-calls", type=int, default=100_000)
    parser.add_argument("--habit-calls", type=int, default=100_000)
    parser.add_argument("--growth", type=int, nargs="*", default=[250_000, 500_000, 1_000_000, 2_000_000])
    parser.add_argument("--hot", type=int, default=1_000_000)
    parser.add_argument("--held-out", type=int, default=500_000)
    arguments = parser.parse_args()
    if arguments.scenario_calls:
        scenarios(arguments.scenario_calls)
    if arguments.habit_calls:
        habits(arguments.habit_calls)
    if arguments.growth:
        growth(arguments.growth)
    if arguments.held_out:
        speed(arguments.held_out, 1, HELD_OUT, "Held out: all faults, otherwise made", [], _HELD_OUT_SEED)
        title = "Held out: a number with a quarter of all calls"
        speed(arguments.held_out, 1, _HELD_OUT_HOT, title, [], _HELD_OUT_SEED)
    if arguments.hot:
        speed(arguments.hot, 1, _HOT, "One number takes a third of all calls", [])
    if arguments.calls:
        days = arguments.days or max(1, arguments.calls // _DAY_OF)
        speed(arguments.calls, days, MIXED, "All faults mixed", [nearest, kth, greedy])


if __name__ == "__main__":
    main()
