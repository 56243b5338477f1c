"""A18: half a surrogate pair in a caller's name."""

from cdr_pipeline.simulator.faults.fault import Exchange, Fault, Reply


class BrokenText(Fault):
    """Puts a lone surrogate into the first row of every list."""

    name = "broken_text"
    times = None

    async def strike(self, exchange: Exchange) -> None:
        """Spoils the bytes, which no JSON writer would."""
        reply = await exchange.answer()
        body = reply.body.replace(b'"caller_id_name":"', b'"caller_id_name":"\\ud83d', 1)
        await exchange.give(Reply(reply.status, reply.headers, body))
