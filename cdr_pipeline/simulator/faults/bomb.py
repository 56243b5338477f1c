"""A16: a small response that unpacks to a huge body."""

import zlib
from functools import cache
from typing import Final

from cdr_pipeline.simulator.faults.fault import Exchange, SimulatedFault, SimulatedReply

_MEBIBYTES: Final = 200
_GZIP: Final = 31


class Bomb(SimulatedFault):
    """Answers every list with 200 MiB of blanks in 200 kB."""

    name = "bomb"
    times = None

    async def strike(self, exchange: Exchange) -> None:
        """Sends the compressed blanks."""
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        await exchange.respond(SimulatedReply(200, headers, _packed()))


@cache
def _packed() -> bytes:
    packer = zlib.compressobj(9, wbits=_GZIP)
    blanks = b" " * 1024**2
    return b"".join(packer.compress(blanks) for _ in range(_MEBIBYTES)) + packer.flush()
