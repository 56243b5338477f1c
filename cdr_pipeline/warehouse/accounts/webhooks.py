"""Webhooks: addresses that changes of accounts are sent to, their positions, and what could not be sent."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from cdr_pipeline.warehouse.statement_runner import LedgerTables


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that the changes of an account are sent to.

    Attributes:
        account_id: account that is followed.
        webhook_id: public id.
        url: address; may contain a secret of the receiver.
        kinds: kinds of changes that are sent; empty for all.
        label: display name.
        secret: key of the signatures.
        former_secret, former_until: key before the last rotation, which signs too until a time.
        created_at: time of registration.
        position: number of the last change that was accepted or passed over.
        attempts: failed attempts of the change after ``position``.
        buried: changes in a row that became dead letters.
        next_attempt_at: time of the next attempt.
        delivered_at: time of the last accepted change.
        error: why the last attempt failed; None after a success.
        stopped_at: when sending was stopped because too many changes in a row failed.
        dead_letters: number of changes that could not be sent.
        replays: whether some of them are to be sent again.
    """

    account_id: str
    webhook_id: str
    url: str
    kinds: list[str]
    label: str
    secret: str
    former_secret: str | None
    former_until: datetime | None
    created_at: datetime
    position: int
    attempts: int
    buried: int
    next_attempt_at: datetime
    delivered_at: datetime | None
    error: str | None
    stopped_at: datetime | None
    dead_letters: int
    replays: bool


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A change that could not be sent.

    Attributes:
        change_no: number of the change.
        body: its body.
        attempts: failed attempts.
        error: why the last one failed.
        failed_at: time of the last one.
        replay: whether it is to be sent again.
    """

    change_no: int
    body: dict[str, Any]
    attempts: int
    error: str
    failed_at: datetime
    replay: bool


class WebhookTable(LedgerTables):
    """Webhooks and their dead letters."""

    def add(
        self,
        account_id: str,
        webhook_id: str,
        url: str,
        *,
        kinds: Collection[str],
        label: str,
        secret: str,
        position: int,
        now: datetime,
    ) -> None:
        """Registers an address for the changes of an account after a position."""
        self.statements.execute(
            "accounts/add_webhook",
            account_id=account_id,
            webhook_id=webhook_id,
            url=url,
            kinds=sorted(kinds),
            label=label,
            secret=secret,
            position=position,
            now=now,
        )

    def webhooks(self, accounts: Collection[str] | None = None, *, webhook_id: str | None = None) -> list[Webhook]:
        """Webhooks of accounts, or of all, by account and age; only that of an id if one is given."""
        named = None if accounts is None else sorted(accounts)
        return self.statements.records(Webhook, "accounts/webhooks", accounts=named, webhook_id=webhook_id)

    def newest_changes(self, positions: Mapping[str, int]) -> dict[str, int]:
        """Number of the newest change by account, for accounts that have one after their position."""
        rows = self.statements.tuples(
            "accounts/newest_changes", accounts=list(positions), positions=list(positions.values())
        )
        return dict(rows)

    def claim(self, webhook_id: str, claim: str, *, now: datetime, until: datetime) -> bool:
        """Claims a webhook for a sender, or extends its claim. False while another sender has it."""
        return bool(
            self.statements.execute(
                "accounts/claim_webhook", webhook_id=webhook_id, claim=claim, now=now, claimed_until=until
            )
        )

    def release(self, webhook_id: str, claim: str) -> None:
        """Ends the claim of a sender."""
        self.statements.execute("accounts/release_webhook", webhook_id=webhook_id, claim=claim)

    def advance(
        self, webhook_id: str, claim: str, *, before: int, position: int, delivered_at: datetime | None
    ) -> bool:
        """Moves the position after changes that were accepted, or are not for this webhook.

        Args:
            webhook_id: the webhook.
            claim: claim of the sender.
            before: position that the sender knows.
            position: number of the last one of these changes.
            delivered_at: when it was accepted; None if nothing was sent.

        Returns:
            False if the sender has lost its claim, or a replay has moved the position.
        """
        return bool(
            self.statements.execute(
                "accounts/advance_webhook",
                webhook_id=webhook_id,
                claim=claim,
                before=before,
                position=position,
                delivered_at=delivered_at,
            )
        )

    def postpone(self, webhook_id: str, claim: str, *, next_attempt_at: datetime, error: str) -> None:
        """Records a failed attempt."""
        self.statements.execute(
            "accounts/postpone_webhook",
            webhook_id=webhook_id,
            claim=claim,
            next_attempt_at=next_attempt_at,
            error=error,
        )

    def bury(
        self,
        hook: Webhook,
        claim: str,
        *,
        change_no: int,
        body: bytes,
        next_attempt_at: datetime,
        error: str,
        stop: bool,
        now: datetime,
    ) -> bool:
        """Makes a change a dead letter and passes over it, in one transaction.

        Args:
            hook: the webhook with the position and attempts that the sender knows.
            claim: claim of the sender.
            change_no: number of the change.
            body: its body.
            next_attempt_at: when the next change is sent.
            error: why the last attempt failed.
            stop: whether to send nothing more until a replay.
            now: time of the last attempt.

        Returns:
            False if the sender has lost its claim, or a replay has moved the position.
        """
        with self.connection.transaction():
            moved = self.statements.execute(
                "accounts/bury_change",
                webhook_id=hook.webhook_id,
                claim=claim,
                before=hook.position,
                position=change_no,
                next_attempt_at=next_attempt_at,
                error=error,
                stop=stop,
                now=now,
            )
            if moved:
                self.keep_dead(hook.webhook_id, change_no, body, attempts=hook.attempts + 1, error=error, now=now)
        return bool(moved)

    def keep_dead(
        self, webhook_id: str, change_no: int, body: bytes, *, attempts: int, error: str, now: datetime
    ) -> None:
        """Keeps a change that could not be sent, or adds to the attempts of one that is kept."""
        self.statements.execute(
            "accounts/add_dead_letter",
            webhook_id=webhook_id,
            change_no=change_no,
            body=body.decode(),
            attempts=attempts,
            error=error,
            now=now,
        )

    def dead_letters(self, webhook_id: str, *, replay: bool | None = None, most: int) -> list[DeadLetter]:
        """Changes that could not be sent, oldest first; only those to be sent again if ``replay`` is true."""
        return self.statements.records(
            DeadLetter, "accounts/dead_letters", webhook_id=webhook_id, replay=replay, most=most
        )

    def remove_dead(self, webhook_id: str, change_no: int) -> None:
        """Forgets a change that was sent after all."""
        self.statements.execute("accounts/remove_dead_letter", webhook_id=webhook_id, change_no=change_no)

    def replay(self, webhook_id: str, *, position: int | None, now: datetime) -> None:
        """Sends the dead letters again; with a position, all changes after it too. Resumes a stopped webhook."""
        with self.connection.transaction():
            self.statements.execute("accounts/replay_dead_letters", webhook_id=webhook_id)
            self.statements.execute("accounts/resume_webhook", webhook_id=webhook_id, position=position, now=now)

    def rotate(self, webhook_id: str, secret: str, *, former_until: datetime) -> None:
        """Gives a webhook a new secret; the former one signs too until a time."""
        self.statements.execute(
            "accounts/rotate_webhook", webhook_id=webhook_id, secret=secret, former_until=former_until
        )

    def remove(self, webhook_id: str) -> bool:
        """Removes a webhook with its dead letters. Returns whether there was one."""
        return bool(self.statements.execute("accounts/remove_webhook", webhook_id=webhook_id))


def body_of(values: Mapping[str, Any]) -> bytes:
    """JSON of a change with its keys in one order, so that a repetition has the same bytes."""
    return orjson.dumps(dict(values), option=orjson.OPT_SORT_KEYS)


def names_of(kinds: Sequence[str]) -> str:
    """Kinds of changes as text; ``all`` for none."""
    return ", ".join(kinds) or "all"
