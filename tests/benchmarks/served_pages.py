"""The page server of benchmarks, in a process of its own so that its work is not measured with ours."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def served_pages(rows: int, page_size: int) -> Iterator[str]:
    """The address of a server that lists so many rows an account; it ends with the block, however that ends."""
    program = [sys.executable, str(Path(__file__).with_name("page_server.py")), str(rows), str(page_size)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()
