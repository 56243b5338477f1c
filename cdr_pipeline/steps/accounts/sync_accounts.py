"""Registers the account tree of the switch."""

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
    """Which tree to register.

    Attributes:
        root: top account of the tree; the account of the credentials when omitted.
        deactivate_missing: whether to stop collecting accounts that are no longer on the switch.
    """

    root: str | None = None
    deactivate_missing: bool = False


@dataclass(frozen=True, slots=True)
class SyncedAccounts:
    """Result of a synchronisation, as account ids.

    Attributes:
        root: top account of the tree.
        added: newly registered accounts, all active.
        changed: accounts with a new name or parent; time zone, country code and activity keep their values.
        unchanged: accounts without a change.
        missing: accounts registered below the root that are no longer on the switch.
        refused: invalid ids, each with the reason.
    """

    root: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]
    missing: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]


def sync_accounts(request: SyncRequest, ctx: RunContext) -> SyncedAccounts:
    """Reads the tree below an account from the switch and registers every account in it.

    A new account gets its time zone from the switch, or from the settings where the switch has none.

    Raises:
        ConfigurationError: no switch is configured, or the credentials name no account and ``root`` is omitted.
        UpstreamError: the request to the switch failed; nothing was changed.
    """
    with KazooClient.from_settings(ctx.settings) as client:
        root = request.root or client.own_account()
        configured = ctx.settings.api_dialect
        dialect = client.detect_dialect(root) if configured == "auto" else SwitchDialect(configured)
        listed = [client.account(root, version=dialect.version)]
        listed += client.descendants(root, version=dialect.version)
        with ctx.ledger() as ledger:
            registered = {account.account_id: account for account in ledger.accounts.all()}
            return _Walk(root, registered, client, dialect, ctx).record(listed, ledger, request)


@dataclass(frozen=True, slots=True)
class _Walk:
    """One pass over the tree, with the accounts that were registered before it."""

    root: str
    registered: dict[str, Account]
    client: KazooClient
    dialect: SwitchDialect
    ctx: RunContext

    def record(self, listed: Sequence[dict[str, Any]], ledger: Ledger, request: SyncRequest) -> SyncedAccounts:
        """Registers new accounts and updates changed ones."""
        accounts: list[Account] = []
        refused: list[tuple[str, str]] = []
        for number, row in enumerate(listed):
            account_id = str(row.get("id") or (self.root if number == 0 else ""))
            try:
                accounts.append(self._account(account_id, row))
            except ConfigurationError as error:
                refused.append((account_id, error.message))
            self.ctx.progress(f"{len(accounts)} accounts")
        added = [account for account in accounts if account.account_id not in self.registered]
        changed = [account for account in accounts if self.registered.get(account.account_id, account) != account]
        present = {account.account_id for account in accounts} | {account_id for account_id, _ in refused}
        missing = [item for item in self.registered.values() if item.account_id not in present and self._below(item)]
        now = self.ctx.clock()
        for account in added:
            ledger.accounts.add(account, now=now)
        # Reading the tree takes a while. Only name and parent are written, so that other changes are kept.
        for account in changed:
            ledger.accounts.set_name_and_parent(account.account_id, name=account.name, parent_id=account.parent_id)
        for account in missing if request.deactivate_missing else []:
            ledger.accounts.deactivate_account(account.account_id)
        touched = {account.account_id for account in added + changed}
        return SyncedAccounts(
            self.root,
            tuple(account.account_id for account in added),
            tuple(account.account_id for account in changed),
            tuple(account.account_id for account in accounts if account.account_id not in touched),
            tuple(account.account_id for account in missing),
            tuple(refused),
        )

    def _account(self, account_id: str, row: dict[str, Any]) -> Account:
        """The account of a listed row: the registered one, or a new one in the time zone of the switch."""
        tree = row.get("tree")
        parent = str(tree[-1]) if isinstance(tree, list) and tree else self.root
        account = self.registered.get(account_id) or self._new(account_id, row)
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
        """Whether a registered account is below the root, by the tree before this pass."""
        seen: set[str] = set()
        parent = account.parent_id
        while parent is not None and parent not in seen:
            if parent == self.root:
                return True
            seen.add(parent)
            parent = self.registered[parent].parent_id if parent in self.registered else None
        return False
