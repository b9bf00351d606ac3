"""Payments as they are: found, listed and locked."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.payments.domain import NoPayment
from services.payments.models import Payable, Payment, Refund, Share
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


async def shares_of(
    session: AsyncSession, payments: Sequence[Payment]
) -> Mapping[UUID, list[tuple[Share, Payable]]]:
    """The shares by payment with their seats, by start; one query for all."""
    shares: dict[UUID, list[tuple[Share, Payable]]] = {each.id: [] for each in payments}
    query = (
        select(Share, Payable)
        .join(Payable, col(Payable.seat_id) == col(Share.seat_id))
        .where(col(Share.payment_id).in_(shares))
        .order_by(col(Payable.starts_at), col(Payable.seat_id))
    )
    for share, seat in await session.exec(query):
        shares[share.payment_id].append((share, seat))
    return shares


async def lock_seats(
    session: AsyncSession, seat_ids: Iterable[UUID]
) -> Sequence[Payable]:
    """Whoever changes what seats' money does goes through here, one at a time."""
    query = (
        select(Payable)
        .where(col(Payable.seat_id).in_(seat_ids))
        .order_by(col(Payable.seat_id))
        .with_for_update()
    )
    return (await session.exec(query)).all()


async def lock_payments(
    session: AsyncSession, seat_ids: Iterable[UUID]
) -> Sequence[Payment]:
    """All payments of locked seats, oldest first, as they are now."""
    theirs = select(Share.payment_id).where(col(Share.seat_id).in_(seat_ids))
    query = (
        select(Payment)
        .where(col(Payment.id).in_(theirs))
        .order_by(col(Payment.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return (await session.exec(query)).all()


async def lock(
    session: AsyncSession, payment_id: UUID
) -> tuple[Sequence[Payable], Payment] | None:
    """The payment and its seats, all locked; None if there is no such payment."""
    query = select(Share.seat_id).where(Share.payment_id == payment_id)
    seats = await lock_seats(session, (await session.exec(query)).all())
    if not seats:
        return None
    payments = await lock_payments(session, [seat.seat_id for seat in seats])
    return seats, next(each for each in payments if each.id == payment_id)


async def shares_by_seat(
    session: AsyncSession, payment: Payment
) -> Mapping[UUID, Share]:
    """The shares of a locked payment, as they are now."""
    query = select(Share).where(Share.payment_id == payment.id)
    fresh = query.execution_options(populate_existing=True)
    return {share.seat_id: share for share in await session.exec(fresh)}
