"""Writes a day of many chunks in a process of its own and prints its peak memory in MB.

Usage: large_day.py FOLDER CHUNKS
"""

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from cdr_pipeline.exports.daily_file import write_daily_file
from cdr_pipeline.exports.exact_csv import encode
from tests.support.daily_files import DAY, records

_ROWS = 2_000
_NUMBER = b"@@@@@"


def chunks(count: int) -> Iterator[bytes]:
    """Lines of 1 kB in order: the same ones again, under ids that count up."""
    wide = {"caller_id_name": "x" * 900}
    lines = encode(records(*({"record_id": f"{_NUMBER.decode()}-{row:05d}"} | wide for row in range(_ROWS))))
    for number in range(count):
        yield lines.replace(_NUMBER, b"%05d" % number)


if __name__ == "__main__":
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    written = write_daily_file(chunks(count), day=DAY, export_dir=folder)
    if written.rows != count * _ROWS:
        raise SystemExit("rows are missing")
    sys.stdout.write(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}")
