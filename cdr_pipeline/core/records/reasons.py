"""Reason codes of rejected and filtered rows. The codes are stable, because scripts and runbooks use them."""

from enum import StrEnum


class Reject(StrEnum):
    """Why a row is rejected. The value is the code in files, tables and API responses."""

    RAGGED_ROW = "ragged_row"
    BROKEN_QUOTE = "broken_quote"
    NUL_CHARACTER = "nul_character"
    INVALID_TEXT = "invalid_text"
    INVALID_JSON = "invalid_json"
    NOT_A_RECORD = "not_a_record"
    MISSING_VALUE = "missing_value"
    NOT_A_NUMBER = "not_a_number"
    NOT_A_TIME = "not_a_time"
    TIME_EPOCH = "time_epoch"
    TIME_GAP = "time_gap"
    TIME_IN_FUTURE = "time_in_future"
    OUT_OF_RANGE = "out_of_range"
    NOT_ALLOWED = "not_allowed"
    BILLING_EXCEEDS_DURATION = "billing_exceeds_duration"
    SCIENTIFIC_NOTATION = "scientific_notation"
    OTHER_ACCOUNT = "other_account"
    UNKNOWN_ZONE = "unknown_zone"
    BROKEN_CALL = "broken_call"
    MONTH_REMOVED = "month_removed"
    TOO_LONG = "too_long"
    TOO_PRECISE = "too_precise"
    NOT_STORABLE = "not_storable"
    CONFLICTING_ROW = "conflicting_row"


class Filtered(StrEnum):
    """Why a line of a file is not a record. Filtered lines are counted, but not rejected."""

    HEADER = "header"
    TYPE_ROW = "type_row"
    BLANK = "blank"
    FOOTER = "footer"
    PREAMBLE = "preamble"
    RECORD_TYPE = "record_type"
    SEGMENT = "segment"


EXPLANATIONS: dict[Reject, str] = {
    Reject.RAGGED_ROW: "the row has more or fewer fields than the file's layout",
    Reject.BROKEN_QUOTE: "a quote is opened and never closed, or occurs in the middle of a field",
    Reject.NUL_CHARACTER: "the row contains a NUL character, which no text column can hold",
    Reject.INVALID_TEXT: "the row contains bytes or surrogates that are not valid Unicode",
    Reject.INVALID_JSON: "the text is not valid JSON",
    Reject.NOT_A_RECORD: "valid JSON, but not a call record or a list of them",
    Reject.MISSING_VALUE: "a required field is empty",
    Reject.NOT_A_NUMBER: "the value cannot be read as a number",
    Reject.NOT_A_TIME: "the value cannot be read as a time in the profile's format",
    Reject.TIME_EPOCH: "the time is not in a known epoch (zero, Unix read as Gregorian, or the reverse)",
    Reject.TIME_GAP: "local time that does not exist when clocks change, or exists twice in a file of one record",
    Reject.TIME_IN_FUTURE: "the call starts in the future",
    Reject.OUT_OF_RANGE: "the value is outside the range of the field",
    Reject.NOT_ALLOWED: "the value is not allowed in this field",
    Reject.BILLING_EXCEEDS_DURATION: "more seconds are billed than the call lasted",
    Reject.SCIENTIFIC_NOTATION: "an identifier such as 1.23E+15: a spreadsheet has damaged the file",
    Reject.UNKNOWN_ZONE: "the row's time zone is not an IANA name, an offset, or an abbreviation in the profile",
    Reject.BROKEN_CALL: (
        "one of several rows of a call whose other rows are not in the file; another file of the profile that has them"
        " completes the call and closes the reject"
    ),
    Reject.MONTH_REMOVED: "the account's retention policy removed the month of its leg; only the record's id is kept",
    Reject.TOO_LONG: "the text has more bytes than the field may hold; 'cdr-pipeline fields' lists the limits",
    Reject.TOO_PRECISE: "an amount of more than 8 decimals, which cannot be kept without a loss",
    Reject.NOT_STORABLE: "a number above 10^4999 or below 10^-4999, or values nested more than 200 deep",
    Reject.CONFLICTING_ROW: (
        "a later row of the file has the same id and another length, status, cause or amount; the later one is loaded"
    ),
    Reject.OTHER_ACCOUNT: "the record belongs to a different account",
}
