from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Request, Response

from services.accounts.actions import mailed_tokens, sign_in, throttle, users
from services.accounts.clients import Passwords, Signer
from services.accounts.domain import (
    FAILURES_PER_EMAIL,
    RESETS_PER_EMAIL,
    BadCredentials,
    BadRefreshToken,
    BadToken,
    EmailTaken,
    Purpose,
    Rotation,
    Suspended,
    TokenReused,
    TooManyAttempts,
)
from services.accounts.models import User
from services.accounts.schemas import (
    Changes,
    EmailOnly,
    Login,
    NewPassword,
    Refresh,
    Registration,
    TokenOnly,
    Tokens,
    UserView,
)
from shared.auth import SignedIn
from shared.errors import InvalidRequest, Unauthorized
from shared.idempotency import make_router
from shared.web import InjectedClock, InjectedSessions, Transaction, problems

router = make_router(tags=["accounts"])


async def _passwords(request: Request) -> Passwords:
    passwords: Passwords = request.app.state.passwords
    return passwords


async def _signer(request: Request) -> Signer:
    signer: Signer = request.app.state.signer
    return signer


async def _address(request: Request) -> str:
    """The client's address; the gateway tells exactly one."""
    told = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return told or (request.client.host if request.client else "unknown")


InjectedPasswords = Annotated[Passwords, Depends(_passwords)]
InjectedSigner = Annotated[Signer, Depends(_signer)]
Address = Annotated[str, Depends(_address)]


@router.post(
    "/v1/auth/register",
    status_code=201,
    response_model=UserView,
    responses=problems(EmailTaken, InvalidRequest, TooManyAttempts),
)
async def register(
    body: Registration,
    request: Request,
    response: Response,
    address: Address,
    session: Transaction,
    clock: InjectedClock,
    passwords: InjectedPasswords,
) -> User:
    """Join. A mail asks to verify the address; signing in does not wait for that."""
    limit = request.app.state.settings.registrations_per_address
    subject = throttle.subject("register", address)
    password_hash = await passwords.hash(body.password)
    real_now = datetime.now(UTC)
    await throttle.check(session, subject, limit, real_now)
    await throttle.note(session, subject, real_now)
    response.headers["Location"] = "/v1/me"
    return await users.register(
        session,
        **body.model_dump(exclude={"password"}),
        password_hash=password_hash,
        now=clock.now(),
    )


@router.post(
    "/v1/auth/login",
    responses=problems(BadCredentials, Suspended, TooManyAttempts, InvalidRequest),
)
async def login(
    body: Login,
    request: Request,
    address: Address,
    sessions: InjectedSessions,
    passwords: InjectedPasswords,
    signer: InjectedSigner,
) -> Tokens:
    """Sign in. An unknown address and a wrong password are answered alike.

    After five failures for one address of mail, or many from one place, wait a quarter
    of an hour.
    """
    per_address = request.app.state.settings.failures_per_address
    by_email = throttle.subject("login", body.email)
    by_address = throttle.subject("login from", address)
    now = datetime.now(UTC)
    async with sessions.begin() as session:
        await throttle.check(session, by_email, FAILURES_PER_EMAIL, now)
        await throttle.note(session, by_email, now)
        user = await users.find(session, body.email)
    async with sessions.begin() as session:
        await throttle.check(session, by_address, per_address, now)
    stored = user.password_hash if user else None
    if not await passwords.verify(body.password, stored) or user is None:
        async with sessions.begin() as session:
            await throttle.note(session, by_address, now)
        raise BadCredentials("Check both and try again.")
    if user.suspended:
        raise Suspended("Write to support.")
    async with sessions.begin() as session:
        await throttle.forgive(session, by_email)
        return await sign_in.issue_tokens(session, signer, user, datetime.now(UTC))


@router.post(
    "/v1/auth/refresh",
    responses=problems(BadRefreshToken, TokenReused, Suspended, InvalidRequest),
)
async def refresh(
    body: Refresh, sessions: InjectedSessions, signer: InjectedSigner
) -> Tokens:
    """New tokens for an old one, which is then spent.

    Within ten seconds the old one still works (parallel tabs); after that, its use
    closes the whole session, because somebody else may have it.
    """
    now = datetime.now(UTC)
    async with sessions.begin() as session:
        verdict, token = await sign_in.present(session, body.refresh_token, now)
        if verdict is Rotation.ROTATE and token is not None:
            user = await users.get(session, token.user_id)
            if user.suspended:
                raise Suspended("Write to support.")
            return await sign_in.issue_tokens(session, signer, user, now, token.family)
    if verdict is Rotation.REUSED:
        raise TokenReused("Sign in again.")
    raise BadRefreshToken("The token is unknown or has run out.")


@router.post(
    "/v1/auth/logout",
    status_code=204,
    response_class=Response,
    responses=problems(InvalidRequest),
)
async def logout(body: Refresh, session: Transaction) -> None:
    """Sign out: this token and all that came of the same sign-in are spent."""
    await sign_in.sign_out(session, body.refresh_token, datetime.now(UTC))


@router.post(
    "/v1/auth/password-reset",
    status_code=202,
    response_class=Response,
    responses=problems(TooManyAttempts, InvalidRequest),
)
async def ask_for_password_reset(
    body: EmailOnly, session: Transaction, clock: InjectedClock
) -> None:
    """Ask for a mail to set a new password. Says not whether there is such a user."""
    now = datetime.now(UTC)
    subject = throttle.subject("reset", body.email)
    await throttle.check(session, subject, RESETS_PER_EMAIL, now)
    await throttle.note(session, subject, now)
    user = await users.find(session, body.email)
    if user is not None:
        await mailed_tokens.send(
            session, user, Purpose.RESET_PASSWORD, now, clock.now()
        )


@router.post(
    "/v1/auth/password-reset/confirm",
    status_code=204,
    response_class=Response,
    responses=problems(BadToken, InvalidRequest),
)
async def reset_password(
    body: NewPassword, session: Transaction, passwords: InjectedPasswords
) -> None:
    """Set a new password with the mailed token, once; all sessions are closed."""
    password_hash = await passwords.hash(body.password)
    now = datetime.now(UTC)
    user = await mailed_tokens.use(session, body.token, Purpose.RESET_PASSWORD, now)
    user.password_hash = password_hash
    await sign_in.revoke_all(session, user.id, now)
    await throttle.forgive(session, throttle.subject("login", user.email))


@router.post(
    "/v1/auth/verify-email",
    status_code=204,
    response_class=Response,
    responses=problems(BadToken, InvalidRequest),
)
async def verify_email(
    body: TokenOnly, session: Transaction, clock: InjectedClock
) -> None:
    """Prove with the mailed token that the address is one's own."""
    user = await mailed_tokens.use(
        session, body.token, Purpose.VERIFY_EMAIL, datetime.now(UTC)
    )
    if not user.email_verified:
        user.email_verified = True
        await users.tell(session, user, clock.now())


@router.get("/v1/me", response_model=UserView, responses=problems(Unauthorized))
async def me(caller: SignedIn, session: Transaction) -> User:
    """Who is signed in."""
    return await users.get(session, caller.id)


@router.patch(
    "/v1/me",
    response_model=UserView,
    responses=problems(Unauthorized, InvalidRequest),
)
async def change_me(
    body: Changes, caller: SignedIn, session: Transaction, clock: InjectedClock
) -> User:
    """Change what is sent; what is left out, or null, stays."""
    changes = body.model_dump(exclude_none=True)
    return await users.change(session, caller.id, changes, clock.now())


@router.get("/.well-known/jwks.json")
async def jwks(signer: InjectedSigner, response: Response) -> dict[str, Any]:
    """The public keys that access tokens are verified with (RFC 7517)."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return signer.jwks()
