"""Payments as they are: found, listed and locked."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.payments.domain import NoPayment
from services.payments.models import Payable, Payment, Refund
from shared.auth import Caller
from shared.pages import Keyset


async def find(session: AsyncSession, payment_id: UUID, caller: Caller) -> Payment:
    """Raises NoPayment also for somebody else's, unless an admin asks."""
    payment = await session.get(Payment, payment_id)
    if payment is None or not (
        payment.student_id == caller.id or "admin" in caller.roles
    ):
        raise NoPayment(f"You have no payment {payment_id}.")
    return payment


async def newest_first(
    session: AsyncSession, caller: Caller, page: Keyset
) -> Sequence[Payment]:
    """`page.limit + 1` payments of the caller, or of everybody for an admin."""
    query = select(Payment).order_by(col(Payment.id).desc()).limit(page.limit + 1)
    if "admin" not in caller.roles:
        query = query.where(Payment.student_id == caller.id)
    if after := page.after(UUID):
        query = query.where(col(Payment.id) < after[0])
    return (await session.exec(query)).all()


async def refunds_of(
    session: AsyncSession, payments: Sequence[Payment]
) -> Mapping[UUID, list[Refund]]:
    """The refunds by payment, oldest first; one query for all."""
    refunds: dict[UUID, list[Refund]] = {payment.id: [] for payment in payments}
    query = (
        select(Refund)
        .where(col(Refund.payment_id).in_(refunds))
        .order_by(col(Refund.id))
    )
    for refund in await session.exec(query):
        refunds[refund.payment_id].append(refund)
    return refunds


async def lock_seat(session: AsyncSession, seat_id: UUID) -> Payable | None:
    """Whoever changes what a seat's money does goes through here, one at a time."""
    query = select(Payable).where(Payable.seat_id == seat_id).with_for_update()
    return (await session.exec(query)).one_or_none()


async def lock_payments(session: AsyncSession, seat_id: UUID) -> Sequence[Payment]:
    """All payments of a locked seat, oldest first, as they are now."""
    query = (
        select(Payment)
        .where(Payment.seat_id == seat_id)
        .order_by(col(Payment.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.exec(query)).all()


async def lock(
    session: AsyncSession, payment_id: UUID
) -> tuple[Payable, Payment] | None:
    """The payment and its seat, both locked; None if there is no such payment."""
    query = select(Payment.seat_id).where(Payment.id == payment_id)
    seat_id = (await session.exec(query)).one_or_none()
    seat = await lock_seat(session, seat_id) if seat_id else None
    if seat is None:
        return None
    payments = await lock_payments(session, seat.seat_id)
    return seat, next(each for each in payments if each.id == payment_id)
