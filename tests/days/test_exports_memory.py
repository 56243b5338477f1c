"""D19: a day of any size is written in the memory of a few chunks, in one stable order."""

import subprocess
import sys
from pathlib import Path

import pytest

from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.records.reading import day_lines
from tests.support.days import ACCOUNT, DAY, collected, deliver

PROGRAM = Path(__file__).parents[1] / "support" / "large_day.py"


def peak_mb(folder: Path, chunks: int) -> float:
    """Peak memory of a process that writes a day of so many chunks."""
    arguments = [sys.executable, str(PROGRAM), str(folder), str(chunks)]
    done = subprocess.run(arguments, check=True, timeout=120, capture_output=True, text=True)
    return float(done.stdout)


@pytest.mark.fault("D19")
@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows_of_a_day(tmp_path: Path) -> None:
    # 20 and 220 chunks of 2 MB: what was held of the larger day would show as 400 MB.
    assert peak_mb(tmp_path / "large", 220) - peak_mb(tmp_path / "small", 20) < 100


@pytest.mark.fault("D19")
def test_a_day_is_read_in_bounded_chunks_in_one_order(ctx: RunContext) -> None:
    collected(ctx)
    deliver(ctx, *({"record_id": f"r{number:03d}", "caller_id_name": "x" * 500} for number in range(200)))
    with ctx.ledger() as ledger:
        chunks = list(day_lines(ledger.connection, ACCOUNT, DAY, chunk_bytes=4_000))
        whole = list(day_lines(ledger.connection, ACCOUNT, DAY))
    assert len(chunks) > 20
    assert max(map(len, chunks)) < 6_000
    assert [b"".join(chunks)] == whole
    ids = [line.split(b",")[2] for line in whole[0].splitlines()]
    assert ids == sorted(ids)
    assert len(ids) == 200
