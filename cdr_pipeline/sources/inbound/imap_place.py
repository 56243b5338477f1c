"""A mail folder by IMAP over TLS: the attachments of its mails. Mails stay unread."""

import email
import email.policy
import imaplib
import re
import time
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

from cdr_pipeline.core.uploads.inbound_files import RemoteFile
from cdr_pipeline.errors import InboundRefused
from cdr_pipeline.sources.inbound.connection import BLOCK, Counted, Wanted
from cdr_pipeline.sources.inbound.places import Place
from cdr_pipeline.sources.inbound.trust import tls_context

_ASKED: Final = "(UID INTERNALDATE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (FROM)])"
_TOKEN: Final = re.compile(rb'[()]|"(?:[^"\\]|\\.)*"|[^\s()"]+')
_STRUCTURE: Final = re.compile(rb"BODYSTRUCTURE\s*(?=\()")
_ENCODING, _OCTETS, _PARAMETERS, _MORE = 5, 6, 2, 7


@dataclass(frozen=True, slots=True)
class _Attachment:
    """An attachment: number of its mail, section in it, transfer encoding, and time of the mail."""

    mail: str
    section: str
    encoding: str
    octets: int
    received_at: datetime | None


class ImapConnection:
    """Attachments of mails, listed without reading them.

    The path of an attachment is the number of its mail and section, a slash, and its name. Numbers are valid together
    with the folder's validity number, which is part of the tag.
    """

    resumes = False

    def __init__(self, place: Place) -> None:
        self._place = place
        parts = urlsplit(place.url)
        self._found: dict[str, _Attachment] = {}
        # By mail, attachments that match a pattern and are still to be moved or deleted.
        self._uncleared = defaultdict[str, set[str]](set)
        self._client = imaplib.IMAP4_SSL(
            parts.hostname or "", parts.port or 993, ssl_context=tls_context(place), timeout=place.timeout_seconds
        )
        try:
            self._client.login(
                unquote(parts.username or ""), place.password.get_secret_value() if place.password else ""
            )
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            self._client.shutdown()
            raise InboundRefused(
                f"place {place.name}: user or password was refused", hint="correct them in inbound.toml"
            ) from None
        box = unquote(parts.path).strip("/") or "INBOX"
        if self._client.select(_quoted(box), readonly=place.after == "leave")[0] != "OK":
            raise InboundRefused(
                f"place {place.name}: the mail folder does not exist", hint="correct url in inbound.toml"
            )
        validity = self._client.response("UIDVALIDITY")[1]
        self._validity = cast("bytes", validity[0] or b"").decode() if validity else ""

    def files(self, wanted: Wanted) -> Iterator[RemoteFile]:
        """Yields the attachments of the mails of the last days, the oldest first."""
        counted = Counted(self._place.name, self._place.max_files)
        since = (datetime.now(UTC) - timedelta(days=self._place.days_back)).strftime("%d-%b-%Y")
        _, found = self._client.uid("SEARCH", "SINCE", since, "NOT", "DELETED")
        for number in cast("bytes", found[0] or b"").split() if found else ():
            for path, attachment in self._attachments(number.decode()):
                counted.add()
                self._found[path] = attachment
                if wanted(path):
                    self._uncleared[attachment.mail].add(path)
                yield self._remote(path, attachment)

    def look(self, path: str) -> RemoteFile | None:
        """The attachment, if its mail is still there. Mails never change."""
        attachment = self._found.get(path)
        if attachment is None or not dict(self._attachments(attachment.mail)).get(path):
            return None
        return self._remote(path, attachment)

    def read(self, file: RemoteFile, offset: int) -> Generator[bytes]:
        """Yields the bytes of an attachment, decoded."""
        attachment = self._found[file.path]
        if attachment.octets > 2 * self._place.max_bytes:
            # The first block beyond the limit ends the download.
            yield b"\0" * (self._place.max_bytes + 1)
            return
        _, answer = self._client.uid("FETCH", attachment.mail, f"(BODY.PEEK[{attachment.section}])")
        part = next((item for item in answer if isinstance(item, tuple)), None)
        if part is None:
            return
        text = b"Content-Transfer-Encoding: " + attachment.encoding.encode() + b"\r\n\r\n" + cast("bytes", part[1])
        content = cast("Any", email.message_from_bytes(text).get_payload(decode=True))
        for start in range(offset, len(content), BLOCK):
            yield content[start : start + BLOCK]

    def move(self, path: str, target: str) -> None:
        """Moves a mail to another mail folder once all of its attachments are fetched."""
        mail = self._found[path].mail
        if not self._is_last(mail, path):
            return
        with suppress(imaplib.IMAP4.error):
            self._client.create(_quoted(target))
        if self._client.uid("COPY", mail, _quoted(target))[0] != "OK":
            raise InboundRefused(
                f"place {self._place.name}: the mail cannot be moved", hint="correct move_to in inbound.toml"
            )
        self._delete_mail(mail)

    def delete(self, path: str) -> None:
        """Deletes a mail once all of its attachments are due."""
        mail = self._found[path].mail
        if self._is_last(mail, path):
            self._delete_mail(mail)

    def close(self) -> None:
        """Ends the session."""
        with suppress(OSError, imaplib.IMAP4.error):
            self._client.logout()

    def _is_last(self, mail: str, path: str) -> bool:
        self._uncleared[mail].discard(path)
        return not self._uncleared[mail]

    def _delete_mail(self, mail: str) -> None:
        """Marks a mail as deleted; a server that can remove it alone does so."""
        self._client.uid("STORE", mail, "+FLAGS.SILENT", r"(\Deleted)")
        if "UIDPLUS" in self._client.capabilities:
            self._client.uid("EXPUNGE", mail)

    def _remote(self, path: str, attachment: _Attachment) -> RemoteFile:
        return RemoteFile(path, None, attachment.received_at, f"{self._validity}.{attachment.octets}")

    def _attachments(self, number: str) -> Iterator[tuple[str, _Attachment]]:
        """Attachments of a mail by path, from its structure alone."""
        _, answer = self._client.uid("FETCH", number, _ASKED)
        about, sender = _joined(answer)
        start = _STRUCTURE.search(about)
        if start is None or not self._is_from_known(sender):
            return
        moment = imaplib.Internaldate2tuple(about)
        # The library returns local time.
        received = None if moment is None else datetime.fromtimestamp(time.mktime(moment), UTC)
        for section, part in _sections(_tree(about[start.end() :])):
            name = _file_name(part)
            octets = str(part[_OCTETS])
            if name:
                yield (
                    f"{number}.{section}/{name}",
                    _Attachment(
                        number, section, str(part[_ENCODING]), int(octets) if octets.isdecimal() else 0, received
                    ),
                )

    def _is_from_known(self, header: bytes) -> bool:
        if not self._place.senders:
            return True
        mail = email.message_from_bytes(header, policy=email.policy.default)
        address = parseaddr(str(mail["From"] or ""))[1].lower()
        return any(
            address == known.lower() or address.endswith(f"@{known.lower().removeprefix('@')}")
            for known in self._place.senders
        )


def _joined(answer: Sequence[Any]) -> tuple[bytes, bytes]:
    """Text of an answer with its literals as quoted strings, and the header that it has as its last literal."""
    about, header = b"", b""
    for item in answer:
        if isinstance(item, tuple):
            head, literal = cast("tuple[bytes, bytes]", item)
            if b"HEADER.FIELDS" in head.rpartition(b" BODY[")[2] or b"HEADER.FIELDS" in head[-60:]:
                header = literal
            quoted = literal.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            about += re.sub(rb"\{\d+\}$", b"", head) + b'"' + quoted + b'"'
        elif isinstance(item, bytes):
            about += b" " + item
    return about, header


def _tree(text: bytes) -> list[Any]:
    """The first parenthesized list of a text as nested lists of texts."""
    stack: list[list[Any]] = [[]]
    for token in _TOKEN.findall(text):
        if token == b"(":
            stack.append([])
        elif token == b")":
            done = stack.pop()
            if len(stack) == 1:
                return done
            stack[-1].append(done)
        else:
            plain = token[1:-1].replace(b'\\"', b'"').replace(b"\\\\", b"\\") if token.startswith(b'"') else token
            stack[-1].append(plain.decode("utf-8", errors="replace"))
    return []


def _sections(part: list[Any], number: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Parts of a mail that are no containers, each with its section."""
    if part and isinstance(part[0], list):
        for index, child in enumerate((item for item in part if isinstance(item, list)), start=1):
            inner = cast("list[Any]", child)
            # Lists after the parts are parameters of the container.
            if inner and (isinstance(inner[0], list) or len(inner) > _MORE):
                yield from _sections(inner, f"{number}.{index}" if number else str(index))
    elif len(part) > _MORE:
        yield number or "1", part


def _file_name(part: list[Any]) -> str:
    """Name of an attachment, decoded; empty if the part has none."""
    lists = [part[_PARAMETERS]]
    for item in part[_MORE:]:
        if isinstance(item, list) and item and str(item[0]).lower() in ("attachment", "inline"):
            lists.insert(0, cast("list[Any]", item)[-1])
    for pairs in lists:
        if not isinstance(pairs, list):
            continue
        texts = [str(text) for text in cast("list[Any]", pairs)]
        parameters = "".join(
            f'; {key.replace("name", "filename") if key.lower().startswith("name") else key}="{value}"'
            for key, value in zip(texts[::2], texts[1::2], strict=False)
            if '"' not in value and "\n" not in value
        )
        header = f"Content-Disposition: attachment{parameters}\n\n"
        name = email.message_from_string(header, policy=email.policy.default).get_filename()
        if name:
            return str(name)
    return ""


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
