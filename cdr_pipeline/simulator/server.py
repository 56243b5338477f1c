"""HTTP API of the simulated switch: routes, envelopes, errors and formats of each version."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

from cdr_pipeline.core.time.timestamps import to_gregorian
from cdr_pipeline.simulator.faults.catalogue import fault_of
from cdr_pipeline.simulator.faults.clock_behind import ClockBehind
from cdr_pipeline.simulator.faults.fault import FaultySwitch
from cdr_pipeline.simulator.listing import detail, list_row
from cdr_pipeline.simulator.paging import DEFAULT_PAGE, PageSlice, cut
from cdr_pipeline.simulator.paging import Request as Window
from cdr_pipeline.simulator.switch import SimulatedSwitch
from cdr_pipeline.simulator.traffic import SimulatedAccount
from cdr_pipeline.sources.kazoo.dialects import MAX_RANGE_SECONDS, SwitchDialect

_CSV: Final = ("application/octet-stream", "text/csv", "text/comma-separated-values")
_JSON: Final = ("application/json", "application/x-json", "*/*")
# Number of tokens that 5.x reports in buffered responses. The fault "bucket" simulates the rate limit itself.
_TOKENS_LEFT: Final = 99
_OLD_DIALECTS: Final = (SwitchDialect.SEED_V1, SwitchDialect.V2_K3)


class Refusal(Exception):
    """An error response: HTTP status, Kazoo's message code, and ``data`` of the envelope."""

    def __init__(self, status: int, message: str, data: object) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.data = data


@dataclass(frozen=True, slots=True)
class _Answers:
    """Builds responses in the format of the switch's version."""

    switch: SimulatedSwitch
    version: str

    def envelope(self, data: object, request_id: str) -> dict[str, Any]:
        """The envelope of a buffered response."""
        base: dict[str, Any] = {"auth_token": self.switch.token, "status": "success", "request_id": request_id}
        if self.switch.dialect in _OLD_DIALECTS:
            base["revision"] = "undefined"
        else:
            base |= self._node()
        if self.switch.dialect is SwitchDialect.K5:
            base["tokens"] = {"consumed": 1, "remaining": _TOKENS_LEFT}
        return base | {"data": data}

    def listed(self, page: PageSlice, request_id: str, page_size: int, *, paginate: bool) -> bytes:
        """The streamed envelope of a list: rows, then the trailer. On 4.3 and later, values of the trailer are text."""
        rows = [list_row(document, self.switch.dialect) for document in page.documents]
        if self.switch.dialect in _OLD_DIALECTS:
            trailer: dict[str, Any] = {
                "page_size": page_size if self.switch.dialect is SwitchDialect.V2_K3 else page.page_size
            }
            if page.next_start_key and self.switch.dialect is SwitchDialect.V2_K3:
                trailer["next_start_key"] = page.next_start_key
            if page.start_key:
                trailer["start_key"] = page.start_key
            trailer |= {"request_id": request_id, "auth_token": self.switch.token}
            return b'{"status":"success", "data":' + orjson.dumps(rows) + b", " + orjson.dumps(trailer)[1:]
        if not rows:
            return orjson.dumps(self.envelope([], request_id))
        trailer = {}
        if paginate:
            trailer = {"start_key": page.start_key, "page_size": str(page.page_size)}
            if page.next_start_key:
                trailer["next_start_key"] = page.next_start_key
        trailer |= {"status": "success", "request_id": request_id, **self._node(), "revision": secrets.token_hex(8)}
        trailer["auth_token"] = self.switch.token
        return b'{"data":' + orjson.dumps(rows) + b", " + orjson.dumps(trailer)[1:]

    def refused(self, refusal: Refusal, request_id: str) -> dict[str, Any]:
        """The error envelope. v1 has a text where v2 has an object with a message."""
        data = refusal.data
        if self.version == "v1" and isinstance(data, dict) and "message" in data:
            data = data["message"]
        envelope: dict[str, Any] = {
            "data": data,
            "error": str(refusal.status),
            "message": refusal.message,
            "status": "error",
            "request_id": request_id,
            "auth_token": "undefined" if self.switch.dialect in _OLD_DIALECTS else "",
        }
        return envelope if self.switch.dialect in _OLD_DIALECTS else envelope | self._node()

    def _node(self) -> dict[str, str]:
        now = datetime.now(UTC)
        version = "5.0.0" if self.switch.dialect is SwitchDialect.K5 else "4.3.0"
        return {"node": "simulator", "version": version, "timestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}"}


def build_app(switch: SimulatedSwitch) -> FastAPI | FaultySwitch:
    """The ASGI application of a switch, wrapped with its faults if it has any."""
    app = FastAPI(title="simulated switch", docs_url=None, redoc_url=None, openapi_url=None)

    @app.api_route("/{version}/{path:path}", methods=["GET", "PUT", "POST", "PATCH", "DELETE"])
    async def any_route(version: str, path: str, request: Request) -> Response:
        answers = _Answers(switch, version)
        request_id = secrets.token_hex(16)
        try:
            return await _route(switch, answers, path.strip("/").split("/"), request, request_id)
        except Refusal as refusal:
            body = answers.refused(refusal, request_id)
            return Response(orjson.dumps(body), refusal.status, media_type="application/json")

    if switch.faults:
        return FaultySwitch(app, [fault_of(name) for name in switch.faults])
    return app


async def _route(
    switch: SimulatedSwitch, answers: _Answers, path: list[str], request: Request, request_id: str
) -> Response:
    _require_version(switch, answers.version)
    if path in (["api_auth"], ["user_auth"]):
        return await _log_in(switch, answers, request, request_id)
    _require_token(switch, request)
    if path[0] != "accounts" or len(path) < 2:  # noqa: PLR2004 - the word and the id
        raise Refusal(404, "not_found", {"message": "not found"})
    account = _account(switch, path[1], request)
    match path[2:]:
        case []:
            data: object = {
                "id": account.account_id,
                "name": account.name,
                "realm": account.realm,
                "timezone": account.time_zone,
            }
        case ["descendants" | "children"]:
            return _descendants(switch, answers, account, request, request_id)
        case ["cdrs"]:
            return _list(switch, answers, account.account_id, request, request_id)
        case ["cdrs", record_id]:
            data = _detail(switch, account.account_id, record_id)
        case _:
            raise Refusal(404, "not_found", {"message": "not found"})
    return Response(orjson.dumps(answers.envelope(data, request_id)), media_type="application/json")


def _require_version(switch: SimulatedSwitch, version: str) -> None:
    if version == "v1" and switch.dialect is SwitchDialect.K5:
        raise Refusal(410, "gone", {"message": "API version 1 is not supported"})
    if version not in ("v1", "v2") or (version == "v2" and switch.dialect is SwitchDialect.SEED_V1):
        raise Refusal(404, "not_found", {"message": "not found"})


def _account(switch: SimulatedSwitch, account_id: str, request: Request) -> SimulatedAccount:
    account = switch.account(account_id)
    if account is None:
        raise Refusal(404, "bad_identifier", {"cause": account_id, "message": "bad identifier"})
    if request.method != "GET":
        raise Refusal(405, "invalid_method", {"message": "method not allowed"})
    if account_id in switch.forbidden:
        raise Refusal(403, "forbidden", {"message": "forbidden"})
    if account_id in switch.failing:
        raise Refusal(503, "datastore_unreachable", {"message": "datastore timeout"})
    return account


async def _log_in(switch: SimulatedSwitch, answers: _Answers, request: Request, request_id: str) -> Response:
    if request.method != "PUT":
        raise Refusal(405, "invalid_method", {"message": "method not allowed"})
    try:
        data = orjson.loads(await request.body())["data"]
    except (ValueError, KeyError, TypeError):
        raise Refusal(400, "parse_error", {"message": "failed to parse request body"}) from None
    if request.url.path.endswith("/api_auth"):
        if data.get("api_key") != switch.api_key:
            raise Refusal(404, "bad identifier", ["api_key"])
    else:
        owner = switch.accounts[0]
        is_owner = data.get("account_name") == owner.name or data.get("account_realm") == owner.realm
        if not is_owner or data.get("credentials") != _user_credentials(switch, data.get("method", "md5")):
            raise Refusal(401, "invalid_credentials", {"message": "invalid credentials"})
    body = answers.envelope({"account_id": switch.accounts[0].account_id}, request_id)
    return Response(orjson.dumps(body), 201, media_type="application/json")


def _user_credentials(switch: SimulatedSwitch, method: str) -> str:
    """Hash of "user:password", with the user in lower case."""
    digest = hashlib.new("sha1" if method == "sha" else "md5", usedforsecurity=False)
    digest.update(":".join(switch.user).encode())
    return digest.hexdigest()


def _descendants(
    switch: SimulatedSwitch, answers: _Answers, account: SimulatedAccount, request: Request, request_id: str
) -> Response:
    """Accounts below an account; v2 pages them by opaque keys."""
    below = [item for item in switch.accounts if item.parent_id == account.account_id]
    size = len(below) if answers.version == "v1" else DEFAULT_PAGE
    start = int(request.query_params.get("start_key", "0"))
    rows = [
        {"id": item.account_id, "name": item.name, "realm": item.realm, "tree": [account.account_id]}
        for item in below[start : start + size]
    ]
    body = answers.envelope(rows, request_id) | {"page_size": len(rows)}
    if start + size < len(below):
        body["next_start_key"] = str(start + size)
    return Response(orjson.dumps(body), media_type="application/json")


def _require_token(switch: SimulatedSwitch, request: Request) -> None:
    token = request.headers.get("x-auth-token") or request.query_params.get("auth_token", "")
    bearer = request.headers.get("authorization", "")
    if not token and switch.dialect not in _OLD_DIALECTS and bearer.startswith("Bearer "):
        token = bearer.removeprefix("Bearer ")
    if not secrets.compare_digest(token, switch.token):
        raise Refusal(401, "invalid_credentials", {"message": "invalid credentials"})


def _detail(switch: SimulatedSwitch, account_id: str, record_id: str) -> dict[str, Any]:
    if not record_id[:6].isdigit() or record_id[6:7] != "-":
        raise Refusal(404, "could not find cdr with supplied id", {})
    document = switch.document(account_id, record_id)
    if document is None:
        raise Refusal(404, "bad_identifier", {"cause": record_id, "message": "bad identifier"})
    return detail(document, switch.dialect)


def _list(switch: SimulatedSwitch, answers: _Answers, account_id: str, request: Request, request_id: str) -> Response:
    accept = request.headers.get("accept", "*/*").split(",")[0].split(";")[0].strip()
    if accept not in (*_CSV, *_JSON):
        return Response(status_code=406)
    window = _window(switch, request)
    page = cut(switch.saved_between(account_id, window.created_from, window.created_to), window, switch.dialect)
    if accept in _CSV:
        return _csv(switch, page)
    body = answers.listed(page, request_id, window.page_size, paginate=window.paginate)
    return Response(body, media_type="application/json", headers={"x-request-id": request_id})


def _window(switch: SimulatedSwitch, request: Request) -> Window:
    """Window of a list request. An invalid one raises the error of the switch's version, with its status and texts."""
    query = request.query_params
    old = switch.dialect in _OLD_DIALECTS
    now = to_gregorian(datetime.now(UTC))
    last = _integer(query.get("created_to")) or now
    first = _integer(query.get("created_from")) or last - MAX_RANGE_SECONDS
    status, message = (500, "invalid request") if old else (400, "validation error")
    if first > last:
        text = "created_from is prior to created_to" if old else f"created_to {last} is prior to created_from {first}"
        raise Refusal(status, message, {"created_from": {"date_range": {"message": text, "cause": first}}})
    if last - first > MAX_RANGE_SECONDS:
        text = f"created_to {last} is more than {MAX_RANGE_SECONDS} seconds from created_from {first}"
        raise Refusal(status, message, {"created_from": {"date_range": {"message": text, "cause": last}}})
    size = query.get("page_size", str(DEFAULT_PAGE))
    if not size.isdigit() or int(size) < 1:
        raise Refusal(404, "faulty_request", {"message": "page size must be at least 1"})
    paginate = old or query.get("paginate", "true") != "false"
    return Window(first, last, int(size), query.get("start_key"), paginate)


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _csv(switch: SimulatedSwitch, page: PageSlice) -> Response:
    """CSV in the version's format: without quotes on 3.x, fully quoted on later versions. On 3.x the times differ."""
    old = switch.dialect in _OLD_DIALECTS
    rows = [list_row(document, switch.dialect) for document in page.documents]
    if not rows:
        return Response(status_code=200 if old else 204)
    if old:
        for row, document in zip(rows, page.documents, strict=True):
            row["timestamp"] = str(document["timestamp"])
        content = "".join(",".join(map(str, cells)) + "\r\n" for cells in (rows[0], *(row.values() for row in rows)))
        return Response(content, media_type="application/octet-stream", headers=_attached("cdrs.csv"))
    names = ["ID" if name == "id" else name for name in rows[0]]
    content = "".join(f"{_quoted(cells)}\n" for cells in (names, *(row.values() for row in rows)))
    return Response(content, media_type="text/csv", headers=_attached(f"json_{secrets.token_hex(11)}.csv"))


def _quoted(cells: Iterable[object]) -> str:
    return ",".join('"' + str(cell).replace('"', '""') + '"' for cell in cells)


def _attached(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def config(switch: SimulatedSwitch, host: str, port: int) -> uvicorn.Config:
    """Configuration of the web server. The access log is off, because its lines would contain tokens of the query."""
    return uvicorn.Config(
        build_app(switch),
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        lifespan="off",
        ws="none",
        date_header=ClockBehind.name not in switch.faults,
    )


def serve(switch: SimulatedSwitch, *, host: str, port: int) -> None:
    """Serves the switch until the process is interrupted."""
    uvicorn.Server(config(switch, host, port)).run()
