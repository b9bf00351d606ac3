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
    place,
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
from shared.errors import BadRequest, InvalidRequest, NotFound, Unauthorized
from shared.idempotency import make_router
from shared.web import (
    InjectedClock,
    InjectedSessions,
    PublicTransaction,
    Transaction,
    problems,
)

router = make_router(tags=["accounts"])


async def _passwords(request: Request) -> Passwords:
    passwords: Passwords = request.app.state.passwords
    return passwords


async def _signer(request: Request) -> Signer:
    signer: Signer = request.app.state.signer
    return signer


async def _address(request: Request) -> str:
    """Where the client is; the gateway tells exactly one address."""
    told = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return place(told or (request.client.host if request.client else "unknown"))


InjectedPasswords = Annotated[Passwords, Depends(_passwords)]
InjectedSigner = Annotated[Signer, Depends(_signer)]
Address = Annotated[str, Depends(_address)]


# A hash waits for its turn: made here, it is ready before a route's transaction begins.
async def _first_hash(
    body: Registration,
    request: Request,
    address: Address,
    sessions: InjectedSessions,
    passwords: InjectedPasswords,
) -> str:
    """Counts the attempt first, also one that will find its address taken."""
    limit = request.app.state.settings.registrations_per_address
    subject = throttle.subject("register", address)
    now = datetime.now(UTC)
    async with sessions.begin() as session:
        await throttle.check(session, subject, limit, now)
        await throttle.note(session, subject, now)
    return await passwords.hash(body.password)


async def _new_hash(
    body: NewPassword, sessions: InjectedSessions, passwords: InjectedPasswords
) -> str:
    """A token that is made up is refused before it costs a hash."""
    async with sessions() as session:
        purpose = Purpose.RESET_PASSWORD
        await mailed_tokens.require_known(session, body.token, purpose)
    return await passwords.hash(body.password)


FirstHash = Annotated[str, Depends(_first_hash)]
NewHash = Annotated[str, Depends(_new_hash)]


@router.post(
    "/v1/auth/register",
    status_code=201,
    response_model=UserView,
    responses=problems(BadRequest, EmailTaken, InvalidRequest, TooManyAttempts),
)
async def register(
    body: Registration,
    password_hash: FirstHash,
    response: Response,
    session: PublicTransaction,
    clock: InjectedClock,
) -> User:
    """Join. A mail asks to verify the address; signing in does not wait for that."""
    response.headers["Location"] = "/v1/me"
    return await users.register(
        session,
        **body.model_dump(exclude={"password"}),
        password_hash=password_hash,
        now=clock.now(),
    )


@router.post(
    "/v1/auth/login",
    responses=problems(
        BadRequest, BadCredentials, Suspended, TooManyAttempts, InvalidRequest
    ),
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
        await throttle.check(session, by_address, per_address, now)
        await throttle.note(session, by_email, now)
        attempt = await throttle.note(session, by_address, now)
        user = await users.find(session, body.email)
    stored = user.password_hash if user else None
    if not await passwords.verify(body.password, stored) or user is None:
        raise BadCredentials("Check both and try again.")
    async with sessions.begin() as session:
        user = await users.lock(session, user.id)
        if user.password_hash != stored:
            raise BadCredentials("The password was changed just now.")
        if user.suspended:
            raise Suspended("Write to support.")
        await throttle.forgive(session, by_email)
        await throttle.take_back(session, attempt)
        return await sign_in.issue_tokens(session, signer, user, datetime.now(UTC))


@router.post(
    "/v1/auth/refresh",
    responses=problems(
        BadRequest, BadRefreshToken, TokenReused, Suspended, InvalidRequest
    ),
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
    responses=problems(BadRequest, InvalidRequest),
)
async def logout(body: Refresh, session: PublicTransaction) -> None:
    """Sign out: this token and all that came of the same sign-in are spent."""
    await sign_in.sign_out(session, body.refresh_token, datetime.now(UTC))


@router.post(
    "/v1/auth/password-reset",
    status_code=202,
    response_class=Response,
    responses=problems(BadRequest, TooManyAttempts, InvalidRequest),
)
async def ask_for_password_reset(
    body: EmailOnly, session: PublicTransaction, clock: InjectedClock
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
    responses=problems(BadRequest, BadToken, InvalidRequest),
)
async def reset_password(
    body: NewPassword, password_hash: NewHash, session: PublicTransaction
) -> None:
    """Set a new password with the mailed token, once; all sessions are closed."""
    now = datetime.now(UTC)
    user = await mailed_tokens.use(session, body.token, Purpose.RESET_PASSWORD, now)
    user.password_hash = password_hash
    await sign_in.revoke_all(session, user.id, now)
    await throttle.forgive(session, throttle.subject("login", user.email))


@router.post(
    "/v1/auth/verify-email",
    status_code=204,
    response_class=Response,
    responses=problems(BadRequest, BadToken, InvalidRequest),
)
async def verify_email(
    body: TokenOnly, session: PublicTransaction, clock: InjectedClock
) -> None:
    """Prove with the mailed token that the address is one's own."""
    user = await mailed_tokens.use(
        session, body.token, Purpose.VERIFY_EMAIL, datetime.now(UTC)
    )
    if not user.email_verified:
        user.email_verified = True
        await users.tell(session, user, clock.now())


@router.get(
    "/v1/me", response_model=UserView, responses=problems(Unauthorized, NotFound)
)
async def me(caller: SignedIn, session: Transaction) -> User:
    """Who is signed in."""
    return await users.get(session, caller.id)


@router.patch(
    "/v1/me",
    response_model=UserView,
    responses=problems(BadRequest, Unauthorized, NotFound, InvalidRequest),
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
