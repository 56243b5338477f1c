"""``cdr-pipeline users``: who may use the console."""

from typing import Annotated, Final

import typer

from cdr_pipeline.cli.account_options import several
from cdr_pipeline.cli.listings import Cell, listing
from cdr_pipeline.cli.reports import reports, show

users_app = typer.Typer(help="Users of the console and what they may do.", no_args_is_help=True)
_ROLES = "viewer, finance, approver or operator; each includes the ones before it."
_ACCOUNT = "Account, by name or id; the user sees it and all accounts below it. All accounts when omitted."
_USERS: Final = listing(
    "users", "Users", "name", "role", "account", "signed_in_at", "state", titles={"signed_in_at": "last sign-in (UTC)"}
)


@users_app.callback()
def _group() -> None:
    """Users."""


@users_app.command("invite")
def invite(
    name: Annotated[str, typer.Argument(help="Name to sign in with; recorded as the actor of decisions.")],
    *,
    role: Annotated[str, typer.Option(help=_ROLES)] = "viewer",
    account: Annotated[str | None, several(_ACCOUNT)] = None,
    url: Annotated[str, typer.Option(help="Address at which the user opens the console.")] = "http://127.0.0.1:8000",
) -> None:
    """Invite a user: print a one-time link with which the user chooses a password.

    Repeat it for a user who has lost the link or forgotten the password.
    """
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.accounts.users import UserRequest, invite_user

    with run_context("inviting") as ctx:
        invitation = invite_user(UserRequest(name, role, account), ctx)
    out.print(f"{url.rstrip('/')}/invitation/{invitation.secret}", soft_wrap=True)
    out.print(f"works once, until {invitation.expires_at:%Y-%m-%d %H:%M} UTC; send it to {name} in private")


@users_app.command("link")
def link(
    name: Annotated[str, typer.Argument(help="Name of the user.")],
    *,
    url: Annotated[str, typer.Option(help="Address at which the user opens the console.")] = "http://127.0.0.1:8000",
) -> None:
    """Print a link that signs a user in once, within 15 minutes, without a password."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.accounts.users import sign_in_link

    with run_context("creating a link") as ctx:
        created = sign_in_link(name, ctx)
    out.print(f"{url.rstrip('/')}/link/{created.secret}", soft_wrap=True)


@users_app.command("list")
@reports(_USERS)
def list_all() -> None:
    """List the users with role, account and last sign-in."""
    from cdr_pipeline.cli.terminal import run_context
    from cdr_pipeline.steps.accounts.users import list_users

    with run_context("reading") as ctx:
        users = list_users(ctx)
    show(
        _USERS,
        (
            (
                user.name,
                user.role,
                user.account_id or Cell(None, "all"),
                Cell(user.signed_in_at, None if user.signed_in_at else "never"),
                "ended" if user.disabled_at else "active" if user.has_password or user.signed_in_at else "invited",
            )
            for user in users
        ),
        ctx,
    )


@users_app.command("change")
def change(
    name: Annotated[str, typer.Argument(help="Name of the user.")],
    *,
    role: Annotated[str | None, typer.Option(help=_ROLES)] = None,
    account: Annotated[
        str | None, several("New account whose subtree the user sees, by name or id; all: every account.")
    ] = None,
    disable: Annotated[
        bool | None, typer.Option("--disable/--enable", help="End the access, or allow it again.")
    ] = None,
) -> None:
    """Change role, account or access of a user. The user is signed out everywhere."""
    from cdr_pipeline.cli.terminal import out, run_context
    from cdr_pipeline.steps.accounts.users import change_user

    with run_context("changing") as ctx:
        user = change_user(name, ctx, role=role, account_id="" if account == "all" else account, disabled=disable)
    access = "ended" if user.disabled_at else "active"
    out.print(f"{user.name}: {user.role}, {user.account_id or 'all accounts'}, access {access}")
