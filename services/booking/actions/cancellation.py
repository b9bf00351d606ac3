"""Giving a seat up. The quote and the execution ask one rule."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.booking.actions import history, outcomes, refunds, strikes
from services.booking.actions.locks import lock_people
from services.booking.actions.seats import lock_seats
from services.booking.actions.sessions import shown_status
from services.booking.domain import cancellation
from services.booking.domain.cancellation import Party, Terms
from services.booking.domain.groups import Fate
from services.booking.domain.lifecycle import LIVE, Status
from services.booking.domain.policy import Tier
from services.booking.domain.pricing import step_of
from services.booking.domain.timeline import Stage
from services.booking.domain.timeline import timeline as stages_of
from services.booking.models import Seat, Session
from services.booking.schemas.moves import StageView, Timeline
from services.booking.schemas.sessions import Quote, SeatQuote
from shared import outbox
from shared.auth import Caller
from shared.contracts.booking import RefundTerms, SeatCancelledV1
from shared.errors import InvalidRequest, NotFound
from shared.inputs import Money

Row = tuple[Seat, Session]


async def quote(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    now: datetime,
    seat_id: UUID | None = None,
) -> Quote:
    """What `cancel` would do for the same caller at the same instant.

    Raises NotFound for others than its people and admins, WrongStatus if the seat
    cannot be cancelled any more.
    """
    rows, _, by = await _lock(session, session_id, caller, seat_id, now)
    seats = [seat for seat, booked in rows if booked.id == session_id]
    quotes = [_seat_quote(seat, decide(seat, by, now)) for seat in seats]
    refund = sum(each.refund.amount for each in quotes)
    return Quote(
        percent=quotes[0].percent,
        refund=Money(amount=refund, currency=seats[0].currency),
        tier=quotes[0].tier,
        free_until=quotes[0].free_until if len(quotes) == 1 else None,
        quoted_at=now,
        seats=None if by == "student" else quotes,
    )


def _seat_quote(seat: Seat, found: cancellation.Quote) -> SeatQuote:
    return SeatQuote(
        seat_id=seat.id,
        percent=found.percent,
        refund=Money(amount=found.refund, currency=seat.currency),
        tier=name_of(found),
        free_until=found.free_until,
    )


async def timeline(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    now: datetime,
    seat_id: UUID | None = None,
) -> Timeline:
    """What cancelling by the student would give from now to the start.

    Raises NotFound for others than its people and admins, InvalidRequest unless one of
    several seats is named, WrongStatus if its student cannot cancel it any more.
    """
    rows, booked, _ = await _lock(session, session_id, caller, seat_id, now)
    seats = [seat for seat, row in rows if row.id == booked.id]
    if len(seats) > 1:
        message = "say which seat of the group"
        raise InvalidRequest(
            "Seats differ.", errors=[{"field": "query.seat_id", "message": message}]
        )
    [seat] = seats
    terms = terms_of(seat, now)
    held = terms.status is Status.HELD and seat.hold_expires_at
    stages = stages_of(terms, now, held or seat.starts_at)
    return Timeline(
        steps=[_stage(stage, seat.currency) for stage in stages],
        free_until=stages[0].quote.free_until,
        quoted_at=now,
    )


def _stage(stage: Stage, currency: str) -> StageView:
    return StageView(
        since=stage.since,
        until=stage.until,
        percent=stage.quote.percent,
        refund=Money(amount=stage.quote.refund, currency=currency),
        rule=name_of(stage.quote),
    )


async def cancel(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    reason: str | None,
    now: datetime,
    seat_id: UUID | None = None,
) -> None:
    """Free the seat, or the whole session, at once and say what students are owed.

    A student gives up its own seat. Coach and admin cancel all seats that are live, or
    the one they name. A series that is not paid yet goes as a whole: it can only be
    paid so. Raises InvalidRequest when they give no reason, NotFound for others than
    its people and admins, WrongStatus if nothing can be cancelled (any more).
    """
    rows, booked, by = await _lock(session, session_id, caller, seat_id, now)
    reason = require_reason(reason, by)
    if booked.kind == "group" and by != "student" and seat_id is None:
        await call_off(session, rows, by, reason, now)
    else:
        await give_up(session, rows, by, reason, now)


def require_reason(reason: str | None, by: Party) -> str | None:
    """The reason without blanks; InvalidRequest if coach or admin give none."""
    reason = (reason or "").strip() or None
    if reason is None and by != "student":
        message = "say why, for the student"
        raise InvalidRequest(
            "A reason is needed.", errors=[{"field": "body.reason", "message": message}]
        )
    return reason


async def call_off(
    session: AsyncSession,
    rows: Sequence[Row],
    by: Party,
    reason: str | None,
    now: datetime,
) -> None:
    """Give up all these locked live seats of a group; no late payment revives it."""
    await give_up(session, rows, by, reason, now)
    rows[0][1].fate = Fate.CALLED_OFF


async def give_up(
    session: AsyncSession,
    rows: Sequence[Row],
    by: Party,
    reason: str | None,
    now: datetime,
    *,
    struck: bool = True,
) -> None:
    """Cancel these locked seats, each by its own rule, and say so.

    What has begun its coach ends so as a no-show of its own; a coach who cancels what
    was sold and is near is `struck`. Raises WrongStatus, and changes nothing, if one of
    them cannot be given up.
    """
    sold = [booked for seat, booked in rows if seat.status is Status.CONFIRMED]
    found = {seat.id: decide(seat, by, now) for seat, _ in rows}
    ended = [row for row in rows if _ends_missed(row[0], by, now)]
    if ended:
        await outcomes.admit(session, ended, reason, now)
    if left := [row for row in rows if row not in ended]:
        await _cancel(session, left, found, by, reason, now)
    if by == "coach" and struck:
        await strikes.count_late_cancels(session, sold, now)


async def _cancel(
    session: AsyncSession,
    rows: Sequence[Row],
    found: Mapping[UUID, cancellation.Quote],
    by: Party,
    reason: str | None,
    now: datetime,
) -> None:
    for booked in {booked.id: booked for _, booked in rows}.values():
        booked.sequence += 1
    said, steps = [], []
    for seat, booked in rows:
        seat.cancelled_by, terms = by, found[seat.id]
        if refunds.paid(seat):
            refunds.owe(seat, terms.refund, terms.percent)
        said.append(_cancelled(seat, booked, seat.status, terms, reason, now))
        steps.append(history.Step(seat, booked, Status.CANCELLED, now, by, reason))
    await history.move_seats(session, steps)
    await outbox.publish(session, *said)


def _cancelled(
    seat: Seat,
    booked: Session,
    was: Status,
    found: cancellation.Quote,
    reason: str | None,
    now: datetime,
) -> SeatCancelledV1:
    refund = RefundTerms(
        amount=found.refund,
        currency=seat.currency,
        percent=found.percent,
        rule=name_of(found),
    )
    return SeatCancelledV1(
        occurred_at=now,
        seat_id=seat.id,
        session_id=booked.id,
        coach_id=booked.coach_id,
        student_id=seat.student_id,
        start=booked.starts_at,
        end=booked.ends_at,
        game=booked.game,
        kind=booked.kind,
        was="held" if was is Status.HELD else "confirmed",
        by=seat.cancelled_by,
        reason=reason,
        refund=refund if refunds.paid(seat) else None,
        credit="none",
        sequence=booked.sequence,
    )


async def _lock(
    session: AsyncSession,
    session_id: UUID,
    caller: Caller,
    seat_id: UUID | None,
    now: datetime,
) -> tuple[Sequence[Row], Session, Party]:
    """The seats that the caller gives up, with their sessions, and as whom.

    With a seat that is held those that can only be paid with it.
    """
    booked = await session.get(Session, session_id)
    if booked is not None:
        if booked.kind == "group":  # nobody may join meanwhile
            await lock_people(session, [booked.coach_id], [])
        rows = await lock_rows(session, await _together(session, session_id), now)
        seats = [seat for seat, of in rows if of.id == session_id]
        by = party_of(caller, booked, seats)
        chosen = _chosen(seats, caller, by, seat_id) if by else []
        if by and chosen:
            unpaid = _unpaid_with(rows, chosen)
            return [row for row in rows if row[0] in [*chosen, *unpaid]], booked, by
    raise NotFound(f"There is no session {session_id}.")


async def _together(session: AsyncSession, session_id: UUID) -> list[UUID]:
    """The session and the others of the series it was booked in."""
    its = select(Seat.series_id).where(Seat.session_id == session_id)
    series = select(Seat.session_id).where(col(Seat.series_id).in_(its))
    return [session_id, *(await session.exec(series))]


async def lock_rows(
    session: AsyncSession, session_ids: Sequence[UUID], now: datetime
) -> list[Row]:
    """All seats of these sessions by id, with their sessions, as they are now."""
    seats = await lock_seats(session, session_ids, now)
    query = (
        select(Session)
        .where(col(Session.id).in_(session_ids))
        .order_by(col(Session.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    booked = {each.id: each for each in await session.exec(query)}
    return [(seat, booked[seat.session_id]) for seat in seats]


def _unpaid_with(rows: Sequence[Row], chosen: Sequence[Seat]) -> list[Seat]:
    """The held seats of the series that one of the chosen is held with."""
    series = {seat.series_id for seat in chosen if seat.status is Status.HELD}
    return [
        seat
        for seat, _ in rows
        if seat.status is Status.HELD and seat.series_id in series - {None}
    ]


def party_of(caller: Caller, booked: Session, seats: Sequence[Seat]) -> Party | None:
    """As whom the caller may cancel; None for others than the session's people."""
    if any(seat.student_id == caller.id for seat in seats):
        return "student"
    if caller.id == booked.coach_id:
        return "coach"
    return "admin" if "admin" in caller.roles else None


def _chosen(
    seats: Sequence[Seat], caller: Caller, by: Party, seat_id: UUID | None
) -> Sequence[Seat]:
    """The named seat, a student's latest, or all that are live (else the latest)."""
    own = [s for s in seats if by != "student" or s.student_id == caller.id]
    if seat_id is not None:
        return [seat for seat in own if seat.id == seat_id]
    live = [seat for seat in own if seat.status in LIVE]
    return live or own[-1:]


def decide(seat: Seat, by: Party, now: datetime) -> cancellation.Quote:
    """What cancelling the seat gives back now; WrongStatus if it cannot be."""
    return cancellation.quote(terms_of(seat, now), by, now)


def _ends_missed(seat: Seat, by: Party, now: datetime) -> bool:
    return cancellation.becomes(terms_of(seat, now), by, now) is Status.NO_SHOW


def terms_of(seat: Seat, now: datetime) -> Terms:
    """What the rules have to know of a seat; the clock says whether a hold ran out."""
    return Terms(
        status=shown_status(seat, now),
        start=seat.starts_at,
        confirmed_at=seat.confirmed_at,
        tiers=[Tier(*tier) for tier in seat.tiers],
        paid=refunds.paid(seat),
        refunded=refunds.refunded(seat),
        marks=seat.marks,
        moved_by_coach=seat.moved_by_coach,
        step=step_of(seat.currency),
    )


def name_of(found: cancellation.Quote) -> str:
    """The rule, for a tier with the hours that were met: "tier 24h"."""
    return f"tier {found.tier.hours}h" if found.tier else found.rule
