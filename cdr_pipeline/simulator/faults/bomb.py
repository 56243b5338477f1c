"""A16: a small reply that unpacks without end."""

import gzip

from cdr_pipeline.simulator.faults.fault import Exchange, Fault, Reply

_UNPACKED = 200 * 1024**2


class Bomb(Fault):
    """Answers every list with 200 MiB of blanks in 200 kB."""

    name = "bomb"
    times = None

    async def strike(self, exchange: Exchange) -> None:
        """Sends the packed blanks."""
        packed = gzip.compress(b" " * _UNPACKED, compresslevel=9)
        await exchange.give(Reply(200, {"content-type": "application/json", "content-encoding": "gzip"}, packed))
