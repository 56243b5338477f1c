"""Serves made pages of a list as fast as bytes can be sent, so that a benchmark measures the client.

Usage: page_server.py ROWS PAGE_SIZE; prints its port. Every account has the same pages; keys count them. After a
request to ``/change``, one row in a hundred of each account has another cause.
"""

import asyncio
import sys
import zlib
from datetime import date
from urllib.parse import parse_qs, urlsplit

import orjson

from cdr_pipeline.simulator.listing import list_row
from cdr_pipeline.simulator.switch import SimulatedSwitch

_CHANGED_ONE_IN = 100
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Pages:
    """Rows of real shape, made different from page to page by their ids alone."""

    def __init__(self, rows: int, page_size: int) -> None:
        switch = SimulatedSwitch.build(accounts=1, calls_per_day=max(200, page_size))
        documents = switch.documents(switch.accounts[0].account_id, date(2026, 3, 2))[:page_size]
        for document in documents:
            document["call_id"] = document["call_id"].split("@")[0] + "@@PAGE@@"
            document["_id"] = f"202603-{document['call_id']}"
        listed = [list_row(document, switch.dialect) for document in documents]
        self._rows = [orjson.dumps(row) for row in listed]
        self._unchanged = b",".join(self._rows)
        self._changed = [orjson.dumps(row | {"hangup_cause": "CHANGED"}) for row in listed]
        self._size = len(documents)
        self._pages = max(1, rows // self._size)
        self.change = False

    def page(self, number: int, account: str) -> bytes:
        """One whole reply."""
        trailer = {
            "page_size": str(self._size),
            "status": "success",
            "node": "n",
            "version": "5.0.0",
            "auth_token": "x" * 64,
        }
        if number + 1 < self._pages:
            trailer["next_start_key"] = str(number + 1)
        rows = self._listed(number, account).replace(b"@@PAGE@@", b"@%07d" % number)
        return b'{"data":[' + rows + b"], " + orjson.dumps(trailer)[1:]

    def _listed(self, number: int, account: str) -> bytes:
        if not self.change:
            return self._unchanged
        first = (zlib.crc32(account.encode()) + number * self._size) % _CHANGED_ONE_IN
        return b",".join(
            changed if (first + place) % _CHANGED_ONE_IN == 0 else row
            for place, (row, changed) in enumerate(zip(self._rows, self._changed, strict=True))
        )


async def serve(pages: Pages) -> None:
    """Answers until it is killed; keeps connections open."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                request = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            asked = urlsplit(request.split(b" ", 2)[1].decode())
            pages.change |= asked.path == "/change"
            account = asked.path.partition("/accounts/")[2].partition("/")[0]
            body = pages.page(int(parse_qs(asked.query).get("start_key", ["0"])[0]), account)
            writer.write(_HEAD % len(body) + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Pages(int(sys.argv[1]), int(sys.argv[2]))))
