from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from services.notifications.actions import contacts, deliveries
from services.notifications.domain import Kind, Side
from shared.broker import Handlers
from shared.contracts.accounts import (
    EmailVerificationRequestedV1,
    PasswordResetRequestedV1,
    UserChangedV1,
    UserRegisteredV1,
)
from shared.contracts.booking import (
    AttendanceMissingV1,
    CoachPausedV1,
    CoachResumedV1,
    OfferMadeV1,
    ProblemDecidedV1,
    ProblemReportedV1,
    ProposalAnsweredV1,
    ProposalMadeV1,
    SeatCancelledV1,
    SeatCompletedV1,
    SeatConfirmedV1,
    SeatMissedV1,
    SeatResoldV1,
    SessionMovedV1,
)

handlers = Handlers("notifications")


@handlers.on(UserRegisteredV1)
async def on_user_registered(
    event: UserRegisteredV1, session: AsyncSession, _: datetime
) -> None:
    await contacts.know(session, event)


@handlers.on(UserChangedV1)
async def on_user_changed(
    event: UserChangedV1, session: AsyncSession, _: datetime
) -> None:
    await contacts.know(session, event)


@handlers.on(SeatConfirmedV1)
async def on_seat_confirmed(
    event: SeatConfirmedV1, session: AsyncSession, _: datetime
) -> None:
    await deliveries.tell_both_sides(
        session, Kind.BOOKING_CONFIRMED, event, event.start_version
    )


@handlers.on(SeatCancelledV1)
async def on_seat_cancelled(
    event: SeatCancelledV1, session: AsyncSession, _: datetime
) -> None:
    if event.was == "confirmed":
        await deliveries.tell_both_sides(
            session, Kind.BOOKING_CANCELLED, event, event.sequence
        )


@handlers.on(SessionMovedV1)
async def on_session_moved(
    event: SessionMovedV1, session: AsyncSession, _: datetime
) -> None:
    await deliveries.tell_of_move(session, event)


@handlers.on(ProposalMadeV1)
async def on_proposal_made(
    event: ProposalMadeV1, session: AsyncSession, _: datetime
) -> None:
    asked: Side = "student" if event.by == "coach" else "coach"
    await deliveries.tell_of_proposal(session, Kind.PROPOSAL_MADE, event, asked)


@handlers.on(ProposalAnsweredV1)
async def on_proposal_answered(
    event: ProposalAnsweredV1, session: AsyncSession, _: datetime
) -> None:
    if not event.overtaken:
        await deliveries.tell_of_proposal(
            session, Kind.PROPOSAL_ANSWERED, event, event.by
        )
        return
    # no mail, but what keeps the question from being asked late; the coach is the one
    # person whom every proposal names
    await deliveries.tell(
        session,
        Kind.PROPOSAL_ANSWERED,
        event,
        event.proposal_id,
        0,
        event.coach_id,
    )


@handlers.on(AttendanceMissingV1)
async def on_attendance_missing(
    event: AttendanceMissingV1, session: AsyncSession, _: datetime
) -> None:
    """Whoever is missing is told while it can still come."""
    about = event.seat_id or event.session_id
    sides = {
        "student": (event.student_id, event.coach_id),
        "coach": (event.coach_id, event.student_id),
    }
    recipient, other = sides[event.party]
    if recipient is not None:
        await deliveries.tell(
            session,
            Kind.NOT_SEEN,
            event,
            about,
            event.start_version,
            recipient,
            other,
        )


@handlers.on(SeatMissedV1)
async def on_seat_missed(
    event: SeatMissedV1, session: AsyncSession, _: datetime
) -> None:
    """Both sides hear of it while it can be contested, the student of its money."""
    if not event.final:
        await deliveries.tell_both_sides(
            session, Kind.SESSION_MISSED, event, event.version
        )
    elif event.refund and event.refund.amount:
        await deliveries.tell(
            session,
            Kind.MONEY_BACK,
            event,
            event.seat_id,
            event.version,
            event.student_id,
            event.coach_id,
        )


@handlers.on(SeatCompletedV1)
async def on_seat_completed(
    event: SeatCompletedV1, session: AsyncSession, _: datetime
) -> None:
    """Only a no-show that was taken back is news, for the side that did not do it."""
    if event.was != "no_show":
        return
    sides = (event.student_id, event.coach_id)
    recipient, other = sides if event.by == "coach" else reversed(sides)
    await deliveries.tell(
        session,
        Kind.TOOK_PLACE,
        event,
        event.seat_id,
        event.version,
        recipient,
        other,
    )


@handlers.on(ProblemReportedV1)
async def on_problem_reported(
    event: ProblemReportedV1, session: AsyncSession, _: datetime
) -> None:
    await deliveries.tell(
        session,
        Kind.PROBLEM_REPORTED,
        event,
        event.seat_id,
        1,
        event.coach_id,
        event.student_id,
    )


@handlers.on(ProblemDecidedV1)
async def on_problem_decided(
    event: ProblemDecidedV1, session: AsyncSession, _: datetime
) -> None:
    await deliveries.tell_both_sides(session, Kind.PROBLEM_DECIDED, event, 1)


@handlers.on(CoachPausedV1)
async def on_coach_paused(
    event: CoachPausedV1, session: AsyncSession, _: datetime
) -> None:
    await _tell_of_listing(event, session)


@handlers.on(CoachResumedV1)
async def on_coach_resumed(
    event: CoachResumedV1, session: AsyncSession, _: datetime
) -> None:
    """No mail, but what keeps an older pause from being told late."""
    await _tell_of_listing(event, session)


@handlers.on(EmailVerificationRequestedV1)
async def on_email_verification_requested(
    event: EmailVerificationRequestedV1, session: AsyncSession, _: datetime
) -> None:
    await deliveries.mail_token(session, Kind.VERIFY_EMAIL, event)


@handlers.on(PasswordResetRequestedV1)
async def on_password_reset_requested(
    event: PasswordResetRequestedV1, session: AsyncSession, _: datetime
) -> None:
    await deliveries.mail_token(session, Kind.PASSWORD_RESET, event)


@handlers.on(OfferMadeV1)
async def on_offer_made(event: OfferMadeV1, session: AsyncSession, _: datetime) -> None:
    await deliveries.tell_student(session, Kind.OFFER_MADE, event)


@handlers.on(SeatResoldV1)
async def on_seat_resold(
    event: SeatResoldV1, session: AsyncSession, _: datetime
) -> None:
    await deliveries.tell_student(session, Kind.SEAT_RESOLD, event)


async def _tell_of_listing(
    event: CoachPausedV1 | CoachResumedV1, session: AsyncSession
) -> None:
    coach_id, version = event.coach_id, event.version
    await deliveries.tell(
        session, Kind.LISTING_PAUSED, event, coach_id, version, coach_id
    )
