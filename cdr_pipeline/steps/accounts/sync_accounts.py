"""Learns the account tree from the switch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.sources.kazoo.client import KazooClient
from cdr_pipeline.sources.kazoo.dialects import SwitchDialect
from cdr_pipeline.steps.accounts.add_account import checked_account
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.ledger import Account, Ledger


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """What to learn.

    Attributes:
        root: the account whose tree is walked; the credentials' own when omitted.
        deactivate_missing: stop collecting accounts of the tree that the switch no longer has.
    """

    root: str | None = None
    deactivate_missing: bool = False


@dataclass(frozen=True, slots=True)
class SyncedAccounts:
    """What was found, by account ids.

    Attributes:
        root: the account whose tree was walked.
        added: known from now on, and active.
        changed: other name or parent than before; zone, country code and activity stay as they were set here.
        unchanged: as they were.
        missing: known here below the root, but no longer on the switch.
        refused: ids that cannot be used, and why.
    """

    root: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    missing: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]


def sync_accounts(request: SyncRequest, ctx: RunContext) -> SyncedAccounts:
    """Walks the tree below an account and makes every account in it known.

    A new account takes its time zone from the switch, or the operator's where the switch names none.

    Raises:
        ConfigurationError: no switch is configured, or nobody says whose tree.
        UpstreamError: the switch failed; nothing was changed.
    """
    with KazooClient.from_settings(ctx.settings) as client:
        root = request.root or client.own_account()
        configured = ctx.settings.api_dialect
        dialect = client.detect_dialect(root) if configured == "auto" else SwitchDialect(configured)
        listed = [client.account(root, version=dialect.version)]
        listed += client.descendants(root, version=dialect.version)
        with ctx.ledger() as ledger:
            known = {account.account_id: account for account in ledger.accounts.all()}
            return _Walk(root, known, client, dialect, ctx).record(listed, ledger, request)


@dataclass(frozen=True, slots=True)
class _Walk:
    """One walk of a tree, beside what was known before it."""

    root: str
    known: dict[str, Account]
    client: KazooClient
    dialect: SwitchDialect
    ctx: RunContext

    def record(self, listed: Sequence[dict[str, Any]], ledger: Ledger, request: SyncRequest) -> SyncedAccounts:
        """Writes down what is new or other than before."""
        found: list[Account] = []
        refused: list[tuple[str, str]] = []
        for number, row in enumerate(listed):
            account_id = str(row.get("id") or (self.root if number == 0 else ""))
            try:
                found.append(self._account(account_id, row))
            except ConfigurationError as error:
                refused.append((account_id, error.message))
            self.ctx.progress(f"{len(found)} accounts")
        added = [account for account in found if account.account_id not in self.known]
        changed = [account for account in found if self.known.get(account.account_id, account) != account]
        there = {account.account_id for account in found} | {account_id for account_id, _ in refused}
        missing = [item for item in self.known.values() if item.account_id not in there and self._below(item)]
        now = self.ctx.clock()
        for account in added:
            ledger.accounts.add(account, now=now)
        # The walk takes a while: what was set here meanwhile stays.
        for account in changed:
            ledger.accounts.place_in_tree(account.account_id, name=account.name, parent_id=account.parent_id)
        for account in missing if request.deactivate_missing else []:
            ledger.accounts.deactivate_account(account.account_id)
        touched = {account.account_id for account in added + changed}
        return SyncedAccounts(
            self.root,
            tuple(account.account_id for account in added),
            tuple(account.account_id for account in changed),
            tuple(account.account_id for account in found if account.account_id not in touched),
            tuple(account.account_id for account in missing),
            tuple(refused),
        )

    def _account(self, account_id: str, row: dict[str, Any]) -> Account:
        """The account of a row of the list: as it was set here, or new and in the switch's zone for it."""
        tree = row.get("tree")
        parent = str(tree[-1]) if isinstance(tree, list) and tree else self.root
        account = self.known.get(account_id) or self._new(account_id, row)
        return replace(
            account,
            name=str(row.get("name") or account.name),
            parent_id=account.parent_id if account_id == self.root else parent,
        )

    def _new(self, account_id: str, row: dict[str, Any]) -> Account:
        zone = self.ctx.settings.time_zone
        account = checked_account(
            account_id=account_id, name="", parent_id=None, time_zone=zone, country_code=None, active=True
        )
        document = row if "timezone" in row else self.client.account(account_id, version=self.dialect.version)
        try:
            return checked_account(
                account_id=account_id,
                name="",
                parent_id=None,
                time_zone=str(document.get("timezone") or zone),
                country_code=None,
                active=True,
            )
        except ConfigurationError:
            return account

    def _below(self, account: Account) -> bool:
        """Whether an account is under the root, by what was known before."""
        seen: set[str] = set()
        parent = account.parent_id
        while parent is not None and parent not in seen:
            if parent == self.root:
                return True
            seen.add(parent)
            parent = self.known[parent].parent_id if parent in self.known else None
        return False
