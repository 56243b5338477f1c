"""``cdr-pipeline tokens``: who may use the API."""

from typing import Annotated

import typer

tokens_app = typer.Typer(help="API tokens and their accounts.", no_args_is_help=True)


@tokens_app.callback()
def _group() -> None:
    """Tokens."""


@tokens_app.command("create")
def create(
    account: Annotated[str, typer.Argument(help="Account; the token is valid for it and all accounts below it.")],
    *,
    scope: Annotated[str, typer.Option(help="read, upload (includes read) or admin.")] = "read",
    label: Annotated[str, typer.Option(help="Owner or purpose, shown in the list.")] = "",
    days: Annotated[int, typer.Option(min=1, help="Days until it expires.")] = 365,
) -> None:
    """Create a token and show it once. It is also an API key: PUT /v2/api_auth exchanges it for a token of one hour."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.accounts.api_tokens import TokenRequest, create_token

    with run_context("making a token") as ctx:
        created = create_token(TokenRequest(account, scope, label, days), ctx)
    out.print(created.token, soft_wrap=True)
    out.print(f"id {created.token_id}, until {created.expires_at:%Y-%m-%d}; only its hash is kept, so note it now")


@tokens_app.command("list")
def list_all() -> None:
    """Show the tokens by id, account and scope; never the tokens themselves."""
    from cdr_pipeline.cli.terminal import out, run_context, table
    from cdr_pipeline.steps.accounts.api_tokens import list_tokens

    with run_context("reading") as ctx:
        tokens, now = list_tokens(ctx), ctx.clock()
    listing = table("Tokens", "id", "account", "scope", "label", "made", "until", "state")
    for token in tokens:
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
def revoke(token_id: Annotated[str, typer.Argument(help="Id of the token; see 'tokens list'.")]) -> None:
    """Revoke a token and the tokens that were requested with it, from the next request on."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.errors import ConfigurationError
    from cdr_pipeline.steps.accounts.api_tokens import revoke_token

    with run_context("revoking") as ctx:
        revoked = revoke_token(token_id, ctx)
    if not revoked:
        raise ConfigurationError("no token of that id is alive", hint="'cdr-pipeline tokens list' shows them")
    out.print("revoked")
