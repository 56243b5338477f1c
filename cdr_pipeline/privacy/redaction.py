"""Masks tokens, credentials in URLs, telephone numbers and SIP users in logs, errors and metadata.

One filter on the root logger covers the lines of this program and those of libraries. The HTTP client, for example,
logs complete URLs at INFO.
"""

import logging
import re
from collections.abc import Iterable
from typing import Final

MASK: Final = "***"
# Control characters are escaped, so that a name with a line break or a terminal code cannot forge log lines.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_RULES: Final = (
    # auth_token=..., "auth_token": "...", api_key=..., X-Auth-Token: ..., password=...
    (
        re.compile(
            r"(?i)(auth[_-]?token|api[_-]?key|credentials|password|secret|authorization)"
            r"(\"?'?\s*[:=]\s*\"?'?)(?:bearer\s+|basic\s+)?[^\s\"'&,;}]+"
        ),
        rf"\1\2{MASK}",
    ),
    # user:password@ in a URL
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^/\s:@]+:[^/\s@]+@"), rf"\1{MASK}@"),
    # sip:user@host, tel:number
    (re.compile(r"(?i)\b(sips?|tel):[^@\s;>,\"']+"), rf"\1:{MASK}"),
    # a JSON Web Token
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+"), MASK),
    # E.164 and other numbers of seven or more digits; dates, times and ids with letters stay readable
    (re.compile(r"(?<![\w.:/-])\+?\d{7,}(?![\w/-]|:\S)"), MASK),
)


# Secrets of this process that no pattern can recognise, such as the address of a webhook. The longest is masked first.
_HIDDEN: Final[list[str]] = []
_SHORTEST: Final = 6
_TOKEN: Final = 12


def hide(secret: str) -> None:
    """Masks a secret in everything that this process logs or prints from now on.

    Args:
        secret: password, or URL that is a secret as a whole. Of a URL, also its path and its tokens are masked alone.
    """
    _, separator, rest = secret.partition("://")
    _, _, path = rest.partition("/")
    tokens = [part for part in re.split(r"[/@:?&=]", rest) if len(part) >= _TOKEN and "." not in part]
    for part in (secret, *((f"/{path}", *tokens) if separator else ())):
        if len(part) >= _SHORTEST and part not in _HIDDEN:
            _HIDDEN.append(part)
    _HIDDEN.sort(key=len, reverse=True)


def redact(text: str) -> str:
    """``text`` with tokens, URL credentials, hidden secrets, SIP users and phone numbers masked."""
    for secret in _HIDDEN:
        text = text.replace(secret, MASK)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def _escaped(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode()


class RedactingFilter(logging.Filter):
    """Masks the message of each log record, including its arguments and exception text, and makes it one line.

    Args:
        private_fields: fields whose values are masked if a message contains them as ``name=value`` or in JSON.
    """

    def __init__(self, private_fields: Iterable[str] = ()) -> None:
        super().__init__()
        names = "|".join(re.escape(name) for name in private_fields)
        self._values = (
            re.compile(rf"(?i)\b({names})([\"']?\s*[:=]\s*)(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s\"',;}}&]+)")
            if names
            else None
        )

    def _redact(self, text: str) -> str:
        if self._values is not None:
            text = self._values.sub(rf"\1\2{MASK}", text)
        return redact(text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Redacts the record in place and always returns True."""
        record.msg = self._redact(record.getMessage())
        record.args = ()
        if record.exc_info and record.exc_info[0] is not None:
            record.msg += f" [{record.exc_info[0].__name__}: {self._redact(str(record.exc_info[1]))}]"
            record.exc_info = None
        record.exc_text = None
        record.msg = _CONTROL.sub(_escaped, str(record.msg))
        return True


def configure_logging(level: str, *, private_fields: Iterable[str]) -> None:
    """Logs one redacted line per record to standard error. The chatty libraries log at WARNING.

    Args:
        level: name of the lowest level that is logged.
        private_fields: fields whose values must not be logged: ``UNLOGGED`` of the field dictionary.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    handler.addFilter(RedactingFilter(private_fields))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("httpx2", "httpcore2", "alembic", "uvicorn.access", "stamina"):
        logging.getLogger(name).setLevel(logging.WARNING)
