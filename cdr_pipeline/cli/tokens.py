"""``cdr-pipeline tokens``: who may use the API."""

from typing import Annotated

import typer

tokens_app = typer.Typer(help="Tokens of the API: who may read or upload which accounts.", no_args_is_help=True)


@tokens_app.callback()
def _group() -> None:
    """Tokens."""


@tokens_app.command("create")
def create(
    account: Annotated[str, typer.Argument(help="Top of the subtree of accounts that it opens.")],
    *,
    scope: Annotated[str, typer.Option(help="read, upload (reads too) or admin.")] = "read",
    label: Annotated[str, typer.Option(help="Whose it is, for the list.")] = "",
    days: Annotated[int, typer.Option(min=1, help="How long it lives.")] = 365,
) -> None:
    """Make a token and show it this once. It is also an API key: PUT /v2/api_auth exchanges it for an hour's token."""
    from cdr_pipeline.cli.console import out, workplace
    from cdr_pipeline.steps.api_tokens import TokenRequest, create_token

    with workplace("making a token") as at:
        made = create_token(TokenRequest(account, scope, label, days), at)
    out.print(made.token, soft_wrap=True)
    out.print(f"id {made.token_id}, until {made.expires_at:%Y-%m-%d}; only its hash is kept, so note it now")


@tokens_app.command("list")
def list_all() -> None:
    """Show the tokens by id, account and scope; never the tokens themselves."""
    from cdr_pipeline.cli.console import out, table, workplace
    from cdr_pipeline.steps.api_tokens import list_tokens

    with workplace("reading") as at:
        found, now = list_tokens(at), at.clock()
    listing = table("Tokens", "id", "account", "scope", "label", "made", "until", "state")
    for token in found:
        state = "alive" if token.alive(now) else "revoked" if token.revoked_at else "expired"
        listing.add_row(
            token.token_id,
            token.account_id,
            token.scope,
            token.label,
            f"{token.created_at:%Y-%m-%d}",
            f"{token.expires_at:%Y-%m-%d}",
            state,
        )
    out.print(listing)


@tokens_app.command("revoke")
def revoke(token_id: Annotated[str, typer.Argument(help="Its id, as 'tokens list' shows it.")]) -> None:
    """End a token, and those bought with it, from the next request on."""
    from cdr_pipeline.cli.console import out, workplace
    from cdr_pipeline.errors import ConfigurationError
    from cdr_pipeline.steps.api_tokens import revoke_token

    with workplace("revoking") as at:
        done = revoke_token(token_id, at)
    if not done:
        raise ConfigurationError("no token of that id is alive", hint="'cdr-pipeline tokens list' shows them")
    out.print("revoked")
