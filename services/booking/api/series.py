"""Weekly sessions, booked, paid and given up together."""

from uuid import UUID

from fastapi import Response

from services.booking.actions import series, series_cancellation
from services.booking.api.sessions import InjectedTerms
from services.booking.domain.problems import (
    OwnSlot,
    PriceChanged,
    SeriesNotOffered,
    SeriesTaken,
    TooManyHolds,
    WrongStatus,
)
from services.booking.schemas.series import (
    SeriesBooking,
    SeriesCancelRequest,
    SeriesPreview,
    SeriesQuote,
    SeriesRequest,
    SeriesView,
)
from shared.auth import SignedIn, Student
from shared.errors import (
    BadRequest,
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorized,
)
from shared.idempotency import make_router
from shared.web import InjectedClock, Transaction, problems

router = make_router(prefix="/v1/series", tags=["series"])

CANCELLING = problems(Unauthorized, NotFound, WrongStatus, InvalidRequest)


@router.post(
    "/preview",
    responses=problems(
        BadRequest, Unauthorized, Forbidden, NotFound, InvalidRequest, OwnSlot
    ),
)
async def preview(
    body: SeriesRequest, caller: Student, session: Transaction, clock: InjectedClock
) -> SeriesPreview:
    """Which of the weeks can be booked now, and why the others cannot.

    Weekly at the same wall clock in the coach's zone: a time that the clocks skip is
    read with the offset before, one they show twice is the first. Each week counts for
    the caps of those after it. Nothing is reserved.
    """
    return await series.preview(session, caller.id, body, clock.now())


@router.post(
    "",
    status_code=201,
    responses=problems(
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        SeriesTaken,
        PriceChanged,
        InvalidRequest,
        SeriesNotOffered,
        OwnSlot,
        TooManyHolds,
    ),
)
async def book(
    body: SeriesBooking,
    caller: Student,
    session: Transaction,
    clock: InjectedClock,
    terms: InjectedTerms,
    response: Response,
) -> SeriesView:
    """Hold all `starts` until they are paid for together, or hold none of them.

    Pay with `POST /v1/payments {series_id}`. It counts as one hold. What cannot be
    booked is told by week in `occurrences`, as the preview would tell it.
    """
    now = clock.now()
    series_id = await series.book(session, caller.id, body, terms, now)
    response.headers["Location"] = f"/v1/series/{series_id}"
    return await series.get_series(session, series_id, caller, now)


@router.get("/{series_id}", responses=problems(Unauthorized, NotFound, InvalidRequest))
async def get_series(
    series_id: UUID, caller: SignedIn, session: Transaction, clock: InjectedClock
) -> SeriesView:
    """One series with its sessions, for its people and admins."""
    return await series.get_series(session, series_id, caller, clock.now())


@router.post(
    "/{series_id}/cancel",
    responses=problems(BadRequest, Unauthorized, NotFound, WrongStatus, InvalidRequest),
)
async def cancel(
    series_id: UUID,
    body: SeriesCancelRequest,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
) -> SeriesView:
    """Give up all from one session on, or all that lie ahead, each by its own rule.

    A series that is not paid yet is given up as a whole, whatever `from_session_id`
    says. One session alone is cancelled as any other. A coach and an admin give a
    reason.
    """
    now = clock.now()
    await series_cancellation.cancel(session, series_id, caller, body, now)
    return await series.get_series(session, series_id, caller, now)


@router.get("/{series_id}/cancel/quote", responses=CANCELLING)
async def quote(
    series_id: UUID,
    caller: SignedIn,
    session: Transaction,
    clock: InjectedClock,
    from_session_id: UUID | None = None,
) -> SeriesQuote:
    """What cancelling at this moment would give back, in all and seat by seat."""
    return await series_cancellation.quote(
        session, series_id, caller, from_session_id, clock.now()
    )
