"""``cdr-pipeline tokens``: who may use the API."""

from typing import Annotated, Final

import typer

from cdr_pipeline.cli.account_options import argument
from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import reports, show

tokens_app = typer.Typer(help="API tokens and their accounts.", no_args_is_help=True)
_TOKENS: Final = listing(
    "tokens", "Tokens", "id", "account", "scope", "label", "created_at", "expires_at", "last_used_at", "state",
    titles={"created_at": "made", "expires_at": "until", "last_used_at": "used"},
)  # fmt: skip


@tokens_app.callback()
def _group() -> None:
    """Tokens."""


@tokens_app.command("create")
def create(
    account: Annotated[str, argument("Account, by name or id; the token is valid for it and all accounts below it.")],
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
@reports(_TOKENS)
def list_all() -> None:
    """Show the tokens by id, account and scope; never the tokens themselves."""
    from cdr_pipeline.cli.terminal import run_context
    from cdr_pipeline.steps.accounts.api_tokens import list_tokens

    with run_context("reading") as ctx:
        tokens, now = list_tokens(ctx), ctx.clock()
    show(
        _TOKENS,
        (
            (
                token.token_id,
                token.account_id,
                token.scope,
                token.label,
                Cell(token.created_at, f"{token.created_at:%Y-%m-%d}"),
                Cell(token.expires_at, f"{token.expires_at:%Y-%m-%d}"),
                Cell(token.last_used_at, f"{token.last_used_at:%Y-%m-%d}" if token.last_used_at else ""),
                "alive" if token.alive(now) else "revoked" if token.revoked_at else "expired",
            )
            for token in tokens
        ),
        ctx,
    )


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
