"""Plain words for codes that pages show: errors, acts in the audit log, states, roles. Pages translate them."""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, urlencode

from cdr_pipeline.console.catalog import Language
from cdr_pipeline.core.records.reasons import EXPLANATIONS
from cdr_pipeline.exports.reconciliation_words import CAUSES, CLASSES
from cdr_pipeline.steps.operations.health import Subject

# By code of an error: what happened.
ERRORS: Final[Mapping[str, str]] = {
    "configuration": "A setting or a value is missing or wrong",
    "clock_disagrees": "Clocks differ too much",
    "folder_not_writable": "A folder is full or cannot be written",
    "warehouse": "The warehouse failed",
    "warehouse_unavailable": "The warehouse cannot be reached",
    "warehouse_contended": "The warehouse is busy; try again",
    "value_not_storable": "The warehouse cannot hold a value",
    "warehouse_login_refused": "The warehouse refuses the login",
    "warehouse_too_old": "The server of the warehouse is too old",
    "warehouse_pooled": "A pooler in front of the warehouse changes its sessions",
    "warehouse_right_missing": "A right in the warehouse is missing",
    "replica_unusable": "The replica cannot be used",
    "warehouse_read_only": "The warehouse can only be read",
    "upload_discarded": "The file was discarded before it was loaded",
    "changes_gone": "Older changes are not kept any more",
    "extract_not_found": "No extract has this id",
    "extract_gone": "The file of this extract is not kept any more",
    "extract_too_large": "The file of an extract would be too large",
    "extract_abandoned": "The servers that made an extract ended several times",
    "webhook_not_found": "No webhook has this id",
    "too_many_lines": "The file has more lines than an upload may have",
    "too_many_webhooks": "The account has as many webhooks as allowed",
    "webhook_not_delivered": "A webhook does not accept changes",
    "warehouse_timeout": "The warehouse takes too long: it is busy, or the search is too wide",
    "warehouse_newer_than_code": "The warehouse was migrated by a later version",
    "warehouse_not_migrated": "The warehouse must be migrated first",
    "warehouse_of_another_folder": "The warehouse belongs to another data folder",
    "warehouse_of_other_server": "The files of the warehouse are of another version of PostgreSQL",
    "newer_than_backup": "The warehouse has data that the backup lacks",
    "migration_edited": "An applied migration was edited",
    "reader_not_admitted": "The role that reads for one account is not admitted",
    "upstream": "The switch could not be asked",
    "upstream_transient": "The switch did not answer completely; a retry can help",
    "upstream_window_too_heavy": "The switch did not answer in time for this window",
    "upstream_window_outdated": "The switch was upgraded; windows must be read again",
    "upstream_reply_too_large": "The switch's answer is too large",
    "upstream_permanent": "The switch refuses the request",
    "upstream_auth": "The switch refuses the credentials",
    "upstream_account_not_found": "The switch does not know the account",
    "upstream_protocol": "The switch's answer is not valid",
    "upstream_dialect": "The switch speaks another version of the API than was set",
    "upstream_call_too_long": "A call over the month's end is longer than is searched for",
    "upload": "The file cannot be imported",
    "unknown_profile": "There is no profile of this name",
    "invalid_profile": "The profile is not valid",
    "invalid_rate_card": "The rate card of the profile is not valid",
    "invalid_invoice": "The invoice is not valid; nothing was stored",
    "inbound": "Files could not be fetched",
    "inbound_unavailable": "A place from which files are fetched cannot be reached",
    "inbound_refused": "A place from which files are fetched refuses this machine",
    "inbound_file_refused": "A fetched file was refused",
    "inbound_file_changed": "A file that was fetched before has other content now",
    "day_not_ended": "The day has not ended",
    "misplaced_file": "The file is outside the folders of accounts and profiles",
    "unreadable_upload": "The file does not have the format of its profile",
    "control_totals_differ": "The totals stated in the file differ from its records",
    "ambiguous_dates": "The dates can be read day first and month first",
    "rows_rejected": "Some lines were rejected; the others are stored",
    "upload_held": "The file repeats records of another file and waits for a decision",
    "upload_sealed": "A sealed day depends on the file, so it cannot be discarded",
    "account_not_found": "The account is not registered",
    "sign_in_refused": "Name, password or link is not valid",
    "claim_lost": "Another process took over the work; try again",
    "unbalanced_batch": "Not every line was accounted for; nothing was merged",
    "reconciliation": "The reconciliation failed",
    "invalid_side": "One side lacks values that the comparison needs",
    "break_not_found": "There is no such break any more",
    "invoice_not_found": "There is no such invoice",
    "invoice_exists": "An invoice of this number has other content",
    "decision_conflict": "Someone else decided it meanwhile; nothing was changed",
    "invalid_decision": "The decision or the rule lacks something",
    "unbalanced_reconciliation": "The sums of the reconciliation do not add up",
    "export": "A file could not be written completely",
    "day_not_sealable": "The day cannot be sealed or restated now",
    "sealed_file_damaged": "A sealed file is missing or has changed",
    "sealed_file_exists": "A sealed file that the ledger lacks is on disk",
    "delivery": "The target cannot be reached or failed",
    "delivery_refused": "The target refuses the file",
    "incomplete_night": "Some accounts failed; the others are done",
    "backup": "The backup could not be written or is damaged",
    "something_is_broken": "Problems need a person",
    "store": "The object store failed",
    "store_unavailable": "The object store cannot be reached",
    "store_refused": "The object store refuses the credentials or the bucket",
    "alert_not_sent": "No channel accepted the alert",
    "dagster_storage": "Dagster's storage cannot be used",
    "request_refused": "The request is not valid",
}

# By action in the audit log.
ACTIONS: Final[Mapping[str, str]] = {
    "breaks accepted": "accepted breaks",
    "breaks disputed": "disputed breaks",
    "breaks credited": "marked breaks as credited",
    "download": "downloaded a daily file",
    "download table": "downloaded a table",
    "download extract": "downloaded a file of calls",
    "request extract": "requested a file of calls",
    "delete extract": "deleted a file of calls",
    "download pack": "downloaded a pack",
    "seal": "sealed the day",
    "restate": "restated the day",
    "ask to seal": "asked to seal the day",
    "ask to restate": "asked to restate the day",
    "turn down": "turned down a request",
    "upload": "imported a file",
    "release upload": "released a held file",
    "discard upload": "discarded a held file",
    "correct rejects": "corrected rejected lines",
    "dismiss rejects": "dismissed rejected lines",
    "save profile": "saved a profile",
    "invoice": "stored an invoice",
    "invite": "invited a user",
    "change user": "changed a user",
    "add rule": "added a decision rule",
    "end rule": "ended a decision rule",
    "run a day": "ran a day",
}
ROLES: Final[Mapping[str, str]] = {
    "viewer": "viewer", "finance": "finance", "approver": "approver", "operator": "operator",
}  # fmt: skip
UPLOAD_STATES: Final[Mapping[str, str]] = {
    "landed": "waits for its import", "loaded": "loaded", "held": "held", "refused": "not readable",
    "discarded": "discarded",
}  # fmt: skip
ORIGINS: Final[Mapping[str, str]] = {"api": "switch", "imported": "imported", "api+imported": "switch and imported"}


REJECTS: Final[Mapping[str, str]] = {str(reason): text for reason, text in EXPLANATIONS.items()}
CLASS_NAMES: Final[Mapping[str, str]] = {code: name for code, (name, _) in CLASSES.items()}
CLASS_MEANINGS: Final[Mapping[str, str]] = {code: text for code, (_, text) in CLASSES.items()}


class Words:
    """Words for codes in one language; a code without words is shown as it is.

    Args:
        language: language of the reader.
    """

    def __init__(self, language: Language) -> None:
        self._language = language

    def error(self, code: str | None) -> str:
        """What an error means."""
        return self._of(ERRORS, code)

    def action(self, code: str) -> str:
        """What a user did."""
        return self._of(ACTIONS, code)

    def role(self, code: str) -> str:
        """Name of a role."""
        return self._of(ROLES, code)

    def upload_state(self, code: str) -> str:
        """State of an imported file."""
        return self._of(UPLOAD_STATES, code)

    def origin(self, code: str | None) -> str:
        """Name of an origin."""
        return self._of(ORIGINS, code)

    def reject(self, code: str) -> str:
        """Why a line was rejected."""
        return self._of(REJECTS, code)

    def class_name(self, code: str) -> str:
        """Name of a class of breaks."""
        return self._of(CLASS_NAMES, code)

    def class_meaning(self, code: str) -> str:
        """Meaning of a class of breaks."""
        return self._of(CLASS_MEANINGS, code)

    def cause(self, code: str | None) -> str:
        """Name of a cause of breaks."""
        return self._of(CAUSES, code)

    def _of(self, words: Mapping[str, str], code: str | None) -> str:
        return self._language.text(words.get(code or "", code or ""))


def screen_of(subject: Subject) -> str | None:
    """Path of the page that deals with a problem; None if it takes a shell."""
    address = _SCREENS.get(subject.kind)
    return address(subject) if address else None


def _page(path: str, subject: Subject, **query: object) -> str:
    """An address with the account and other values that are set."""
    values = {"account": subject.account_id, **query}
    text = urlencode({name: str(value) for name, value in values.items() if value})
    return f"{path}?{text}" if text else path


def _day(subject: Subject) -> str:
    return f"/days/{quote(subject.account_id, safe='')}/{subject.business_date}"


def _rejects(subject: Subject) -> str:
    if subject.name:
        return f"/uploads/{quote(subject.account_id, safe='')}/{quote(subject.name, safe='')}/rejects"
    return f"{_day(subject)}#rejects" if subject.business_date else _page("/uploads", subject)


_SCREENS: Final[Mapping[str, Callable[[Subject], str]]] = {
    "night": lambda subject: _page("/operations", subject, date=subject.business_date) + "#run",
    "day": _day,
    "rejects": _rejects,
    "upload": lambda subject: _page("/uploads", subject, state=subject.name),
    "drop": lambda subject: _page("/uploads", subject),
    "series": lambda subject: _page("/uploads", subject),
    "place": lambda subject: f"/inbound?{urlencode({'place': subject.name})}" if subject.name else "/inbound",
    "profile": lambda subject: _page("/profiles/edit" if subject.name else "/profiles", subject, name=subject.name),
    "breaks": lambda subject: _page(
        "/breaks", subject, first=subject.business_date, last=subject.business_date, state="open"
    ),
    "late_days": lambda subject: _page("/calendar", subject, month=f"{subject.business_date:%Y-%m}", action="1"),
    "delivery": lambda subject: _page("/deliveries", subject, state=subject.name),
}
