"""Finds the accounts that a person names."""

from collections.abc import Iterable

from cdr_pipeline.errors import ConfigurationError
from cdr_pipeline.warehouse.ledger import Account

# A shorter text is not taken for the beginning of an id.
_LEAST_BEGINNING = 6


def account_named(text: str, accounts: Iterable[Account]) -> str:
    """The id of the account that a text names, or the text itself if it names none.

    Args:
        text: an id, a name in upper or lower case, or the beginning of an id.
        accounts: registered accounts.

    Raises:
        ConfigurationError: several accounts have this name, or ids that begin like this.
    """
    listed = list(accounts)
    if any(account.account_id == text for account in listed):
        return text
    wanted = text.strip().casefold()
    matches = [account for account in listed if account.name.strip().casefold() == wanted]
    if not matches and len(text) >= _LEAST_BEGINNING:
        matches = [account for account in listed if account.account_id.startswith(text)]
    if len(matches) > 1:
        ids = ", ".join(account.account_id for account in matches)
        raise ConfigurationError(f"several accounts are named like this: {ids}", hint="give the id of one of them")
    return matches[0].account_id if matches else text
