"""Errors of extracts."""

from cdr_pipeline.errors.base import CdrError


class ExtractNotFound(CdrError):
    """The account has no extract of this id that this token may see."""

    code = "extract_not_found"
    exit_code = 2
    http_status = 404


class ExtractGone(CdrError):
    """The file of an extract has expired, or was withdrawn because its records changed for privacy."""

    code = "extract_gone"
    exit_code = 2
    http_status = 410


class ExtractTooLarge(CdrError):
    """The file of an extract would be larger than allowed."""

    code = "extract_too_large"
    exit_code = 8
    http_status = 413


class ExtractAbandoned(CdrError):
    """The processes that made the file ended several times before it was complete."""

    code = "extract_abandoned"
    exit_code = 8
