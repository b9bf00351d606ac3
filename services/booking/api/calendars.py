"""Calendars: out to people's programs, in from coaches' own."""

import hashlib
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Request, Response

from services.booking.actions import busy_calendars, feeds
from services.booking.domain.problems import TooManyCalendars, WrongStatus
from services.booking.schemas.calendars import (
    BusyCalendarBody,
    BusyCalendars,
    BusyCalendarView,
    CalendarAddress,
    CalendarName,
)
from shared import idempotency
from shared.auth import Coach, SignedIn
from shared.errors import (
    BadRequest,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorized,
)
from shared.web import InjectedClock, InjectedSessions, Transaction, problems

router = idempotency.make_router(tags=["calendars"])

ICS = "text/calendar; charset=utf-8"
FRESH = 300
"""Seconds for which a program need not ask again."""

AN_ICS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/calendar": {"schema": {"type": "string"}}}},
}
Token = Annotated[str, Path(max_length=100)]


async def _public_url(request: Request) -> str:
    url: str = request.app.state.public_url
    return url


PublicUrl = Annotated[str, Depends(_public_url)]


@router.get(
    "/v1/sessions/{session_id}/calendar.ics",
    response_class=Response,
    responses=AN_ICS | problems(Unauthorized, NotFound, WrongStatus, InvalidRequest),
)
async def session_calendar(
    session_id: UUID, caller: SignedIn, session: Transaction, public_url: PublicUrl
) -> Response:
    """The session as an entry for a calendar program, for its people.

    It bears the UID of the mails about it, so that it is the same entry.
    """
    source = await feeds.session_entries(session, session_id, caller.id, public_url)
    return Response(
        source,
        media_type=ICS,
        headers={
            "Cache-Control": "private, no-cache",
            "Content-Disposition": 'attachment; filename="session.ics"',
        },
    )


@router.post(
    "/v1/me/calendar-token",
    status_code=201,
    responses=problems(Unauthorized, InvalidRequest),
)
async def make_token(
    request: Request,
    response: Response,
    caller: SignedIn,
    sessions: InjectedSessions,
    clock: InjectedClock,
    public_url: PublicUrl,
) -> CalendarAddress:
    """An address at which calendar programs read the caller's sessions.

    It needs no sign-in, so who has it can read them. Asking again gives another one and
    ends the one before, also with the same `Idempotency-Key`: only a digest is kept.
    """
    # No answer is kept, for it is a secret.
    async with sessions.begin() as session:
        await idempotency.claim(session, request, caller)
        now = clock.now()
        token = await feeds.make_token(session, caller.id, now)
    url = f"{public_url}/v1/calendars/{token}.ics"
    response.headers["Location"] = url
    response.headers["Cache-Control"] = "no-store"
    return CalendarAddress(url=url, created_at=now)


@router.delete(
    "/v1/me/calendar-token",
    status_code=204,
    response_class=Response,
    responses=problems(Unauthorized),
)
async def revoke_token(caller: SignedIn, session: Transaction) -> None:
    """The address reads nothing from now on. May be repeated."""
    await feeds.revoke_token(session, caller.id)


@router.get(
    "/v1/calendars/{token}.ics",
    response_class=Response,
    responses=AN_ICS
    | {304: {"description": "Nothing has changed since that ETag."}}
    | problems(NotFound, InvalidRequest),
)
async def own_calendar(
    request: Request,
    token: Token,
    sessions: InjectedSessions,
    clock: InjectedClock,
    public_url: PublicUrl,
) -> Response:
    """The sessions of whoever made this address, from 30 days back.

    Cancelled ones stay in it as cancelled, so that programs take them out.
    """
    async with sessions() as session:
        source = await feeds.own_calendar(session, token, clock.now(), public_url)
    headers = {
        "ETag": f'"{hashlib.sha256(source).hexdigest()[:32]}"',
        "Cache-Control": f"private, max-age={FRESH}",
    }
    known = request.headers.get("If-None-Match", "")
    if headers["ETag"] in [each.strip() for each in known.split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(source, media_type=ICS, headers=headers)


BUSY = "/v1/coaches/{coach_id}/busy-calendars"


@router.get(BUSY, responses=problems(Unauthorized, Forbidden, NotFound, InvalidRequest))
async def list_busy_calendars(
    coach_id: UUID, caller: Coach, session: Transaction, clock: InjectedClock
) -> BusyCalendars:
    """The coach's own calendars and how reading them goes, by name."""
    _only_self(caller.id, coach_id)
    return await busy_calendars.list_calendars(session, coach_id, clock.now())


@router.put(
    BUSY + "/{name}",
    responses=problems(
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        TooManyCalendars,
        InvalidRequest,
    ),
)
async def put_busy_calendar(
    coach_id: UUID,
    name: CalendarName,
    body: BusyCalendarBody,
    caller: Coach,
    session: Transaction,
    clock: InjectedClock,
) -> BusyCalendarView:
    """Do not offer times at which this calendar has an entry; at most five calendars.

    It is read at once and then every 15 minutes: https at a public address only, 1 MB
    at most. Entries that are transparent or cancelled do not count; whole days and
    times without a zone are those of the schedule's zone. What is booked stays.
    """
    _only_self(caller.id, coach_id)
    return await busy_calendars.subscribe(
        session, coach_id, name, str(body.url), clock.now()
    )


@router.delete(
    BUSY + "/{name}",
    status_code=204,
    response_class=Response,
    responses=problems(Unauthorized, Forbidden, NotFound, InvalidRequest),
)
async def delete_busy_calendar(
    coach_id: UUID, name: CalendarName, caller: Coach, session: Transaction
) -> None:
    """Its entries do not count any more, at once."""
    _only_self(caller.id, coach_id)
    await busy_calendars.unsubscribe(session, coach_id, name)


def _only_self(caller_id: UUID, coach_id: UUID) -> None:
    if caller_id != coach_id:
        raise Forbidden("Only the coach sees and changes this.")
