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
    ProposalAnsweredV1,
    ProposalMadeV1,
    SeatCancelledV1,
    SeatConfirmedV1,
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
