"""Sign-in of invited users with the identity provider of ``CDR_OIDC_ISSUER``."""

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from cdr_pipeline.errors import ConfigurationError, SignInRefused
from cdr_pipeline.files.extras import require_extra
from cdr_pipeline.settings import Settings
from cdr_pipeline.sources.identity.identity import Identity, OidcClient, PendingSignIn
from cdr_pipeline.steps.accounts.users import start_session
from cdr_pipeline.steps.run_context import RunContext
from cdr_pipeline.warehouse.accounts.users import User
from cdr_pipeline.warehouse.ledger import Ledger


def begin_provider_sign_in(redirect_url: str, ctx: RunContext) -> PendingSignIn:
    """Address of the provider's sign-in page, and what its answer is checked with.

    Raises:
        ConfigurationError: no provider is set.
        SignInRefused: the provider cannot be reached.
    """
    pending: PendingSignIn = _oidc().begin_sign_in(_client(redirect_url, ctx.settings))
    return pending


def finish_provider_sign_in(
    pending: PendingSignIn, redirect_url: str, ctx: RunContext, *, state: str, code: str
) -> str:
    """Signs in the invited user of the provider's answer and returns the secret of a new session.

    The first sign-in binds the user to the provider's stable id of the person; later ones go by this id. Role and
    account are those of the invitation.

    Raises:
        SignInRefused: the answer is not valid, or the person is not invited.
    """
    now = ctx.clock()
    identity: Identity = _oidc().finish_sign_in(
        _client(redirect_url, ctx.settings), pending, state=state, code=code, now=now
    )
    with ctx.ledger() as ledger, ledger.transaction():
        user = _user_of(identity, ctx.settings.oidc_name_claim, ledger)
        return start_session(user.user_id, ledger, now)


def _oidc() -> ModuleType:
    """The client of providers, which needs an optional package."""
    require_extra("oidc", "CDR_OIDC_ISSUER")
    return importlib.import_module("cdr_pipeline.sources.identity.oidc")


def _user_of(identity: Identity, claim: str, ledger: Ledger) -> User:
    user = ledger.users.find_by_identity(identity.issuer, identity.subject)
    if user is None:
        name = _verified_name(identity.claims, claim)
        user = ledger.users.find(name=name) if name else None
        if user is None or not ledger.users.bind_identity(user.user_id, identity.issuer, identity.subject):
            raise SignInRefused("you are signed in at the provider, but not invited here", hint="ask an operator")
    if user.disabled_at is not None:
        raise SignInRefused("your access has ended", hint="ask an operator")
    return user


def _verified_name(claims: Mapping[str, Any], claim: str) -> str:
    """Name of the person for the first sign-in; empty if the provider does not vouch for it."""
    name = claims.get(claim)
    if claim == "email" and claims.get("email_verified") is not True:
        return ""
    return name.strip() if isinstance(name, str) else ""


def _client(redirect_url: str, settings: Settings) -> OidcClient:
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        raise ConfigurationError("no identity provider is set", hint="set CDR_OIDC_ISSUER and CDR_OIDC_CLIENT_ID")
    secret = settings.oidc_client_secret
    return OidcClient(
        settings.oidc_issuer,
        settings.oidc_client_id,
        secret.get_secret_value() if secret is not None else None,
        redirect_url,
    )
