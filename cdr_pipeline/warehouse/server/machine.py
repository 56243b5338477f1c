"""Memory of this machine, or of the container that this process runs in."""

import os
from pathlib import Path
from typing import Final

# Files in which Linux states the limit of a container: control groups version 2, then version 1.
_LIMITS: Final = ("memory.max", "memory/memory.limit_in_bytes")
_UNKNOWN_MACHINE: Final = 4 * 1024**3


def usable_memory(control_groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes of memory that the machine has, or the limit of the container if that is lower.

    Args:
        control_groups: folder of the container's limits.
    """
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        memory = _UNKNOWN_MACHINE
    for name in _LIMITS:
        try:
            return min(memory, int((control_groups / name).read_text("utf-8")))
        except (OSError, ValueError):
            continue
    return memory
