"""A web server: the links of an index page, or addresses with a date."""

from collections.abc import Generator, Iterator
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

import httpx2

from cdr_pipeline.core.uploads.inbound_files import RemoteFile
from cdr_pipeline.core.uploads.inbound_pattern import dated
from cdr_pipeline.errors import InboundError, InboundRefused, InboundUnavailable
from cdr_pipeline.sources.inbound.connection import BLOCK, Counted, Wanted
from cdr_pipeline.sources.inbound.places import Place
from cdr_pipeline.sources.inbound.trust import tls_context

_LARGEST_PAGE: Final = 16 * BLOCK
_GONE: Final = frozenset({404, 410})
_REFUSED: Final = frozenset({401, 403})
_PARTIAL: Final = 206
_NOT_IN_RANGE: Final = 416


class HttpsConnection:
    """Files of a web server. Only links below the index page, on the same host, are followed; redirects are not."""

    resumes = True

    def __init__(self, place: Place) -> None:
        self._place = place
        self._urls: dict[str, str] = {}
        password = place.password.get_secret_value() if place.password else ""
        user = urlsplit(place.url).username
        headers = {"Accept-Encoding": "identity"}
        if place.token:
            headers["Authorization"] = f"Bearer {place.token.get_secret_value()}"
        self._client = httpx2.Client(
            verify=tls_context(place),
            timeout=place.timeout_seconds,
            headers=headers,
            auth=(unquote(user), password) if user else None,
            trust_env=False,
        )

    def files(self, wanted: Wanted) -> Iterator[RemoteFile]:
        """Yields the linked or listed files that a pattern matches, and the names of other links."""
        counted = Counted(self._place.name, self._place.max_files)
        self._urls = dict(self._dated() if self._place.urls else self._linked())
        for path in sorted(self._urls):
            counted.add()
            if not wanted(path):
                yield RemoteFile(path)
            elif (file := self.look(path)) is not None:
                yield file

    def look(self, path: str) -> RemoteFile | None:
        """The file as it is now, by a HEAD request."""
        url = self._urls.get(path)
        if url is None:
            return None
        response = self._client.head(url)
        if response.status_code in _GONE:
            return None
        self._require(response)
        length = response.headers.get("content-length", "")
        return RemoteFile(
            path,
            int(length) if length.isdecimal() else None,
            _moment(response.headers.get("last-modified")),
            response.headers.get("etag", ""),
        )

    def read(self, file: RemoteFile, offset: int) -> Generator[bytes]:
        """Yields the bytes from an offset on; a server without ranges sends all, and the beginning is skipped."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with self._client.stream("GET", self._urls[file.path], headers=headers) as response:
            if offset and response.status_code == _NOT_IN_RANGE:
                return
            self._require(response)
            skip = 0 if response.status_code == _PARTIAL else offset
            # Blocks as they arrive, so that a part keeps what came before a connection breaks.
            for block in response.iter_raw():
                if skip < len(block):
                    yield block[skip:]
                skip = max(0, skip - len(block))

    def move(self, path: str, target: str) -> None:  # noqa: ARG002 - the configuration refuses it
        """Not possible on a web server; the configuration refuses it."""
        raise InboundError(f"place {self._place.name}: files of a web server cannot be moved")

    def delete(self, path: str) -> None:  # noqa: ARG002 - the configuration refuses it
        """Not possible on a web server; the configuration refuses it."""
        raise InboundError(f"place {self._place.name}: files of a web server cannot be deleted")

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _dated(self) -> Iterator[tuple[str, str]]:
        """Addresses of the last days; a file without a date in its address is one address."""
        today = datetime.now(UTC).date()
        days: list[date] = [today - timedelta(days=number) for number in range(-1, self._place.days_back)]
        for url in self._place.urls:
            for day in days:
                address = dated(url, day)
                yield unquote(urlsplit(address).path.rpartition("/")[2]), address

    def _linked(self) -> Iterator[tuple[str, str]]:
        """Links of the index page to files below it."""
        parts = urlsplit(self._place.url)
        address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        base = urlsplit(address)
        folder = base.path[: base.path.rfind("/") + 1]
        page = self._page(address)
        for link in _links(page):
            target = urlsplit(urljoin(address, link))
            if (target.scheme, target.netloc) != (base.scheme, base.netloc) or not target.path.startswith(folder):
                continue
            path = unquote(target.path.removeprefix(folder))
            if path and not path.endswith("/"):
                yield path, target.geturl()

    def _page(self, address: str) -> str:
        with self._client.stream("GET", address) as response:
            self._require(response)
            content = b""
            for block in response.iter_bytes(BLOCK):
                content += block
                if len(content) > _LARGEST_PAGE:
                    raise InboundRefused(f"place {self._place.name}: the index page has more than 16 MB")
        return content.decode(response.encoding or "utf-8", errors="replace")

    def _require(self, response: httpx2.Response) -> None:
        """Raises InboundRefused or InboundUnavailable for a status other than success."""
        status = response.status_code
        name = self._place.name
        if status in _REFUSED:
            raise InboundRefused(
                f"place {name}: the web server refused the login (HTTP {status})",
                hint="correct user, password or token in inbound.toml",
            )
        if status in _GONE or response.is_redirect:
            raise InboundRefused(
                f"place {name}: the address does not exist or has moved (HTTP {status})",
                hint="correct url in inbound.toml; redirects are not followed",
            )
        if not response.is_success:
            raise InboundUnavailable(f"place {name}: the web server failed (HTTP {status})", hint="try again later")


class _LinkReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keeps the address of a link."""
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]


def _links(page: str) -> list[str]:
    reader = _LinkReader()
    reader.feed(page)
    return reader.links


def _moment(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
