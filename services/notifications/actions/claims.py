"""Who is at which mail: claims that run out, and what a sender needs to know."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.notifications import domain
from services.notifications.actions.deliveries import can_be_written, real_now
from services.notifications.domain import Kind, Promise, Reader, State
from services.notifications.models import Contact, Delivery
from shared.db import Sessions

BATCH = 10

CLAIM = timedelta(minutes=2)
"""Real time in which a claimed mail is handed over, or it is anybody's again."""


@dataclass(frozen=True)
class Item:
    """A claimed delivery and those it is about.

    `told` is what else is promised about the same thing: the newest version by kind.
    """

    delivery: Delivery
    recipient: Contact
    other: Contact | None
    told: Mapping[Kind, int]

    def reader(self) -> Reader:
        contact = self.recipient
        return Reader(
            self.delivery.address or contact.email,
            domain.one_line(contact.display_name),
            contact.timezone,
            contact.locale,
        )

    def name(self) -> str:
        """Of the other side of a session."""
        return domain.one_line(self.other.display_name) if self.other else ""

    def why_not(self, now: datetime) -> str | None:
        """Why the mail has lost its sense; None if it has not."""
        delivery = self.delivery
        if delivery.expires_at is not None:
            return domain.why_not_token(delivery.expires_at, real_now())
        rule = domain.WHY_NOT.get(delivery.kind)
        suspended = self.recipient.suspended
        mail = Promise(delivery.version, delivery.facts, self.told, suspended, now)
        return rule(mail) if rule else None


async def claim(sessions: Sessions) -> list[Item]:
    """Mails that are due and nobody else is at, oldest first, now ours for a while."""
    query = (
        select(Delivery)
        .where(
            col(Delivery.state) == State.DUE,
            col(Delivery.due_at) <= real_now(),
            can_be_written(),
        )
        .order_by(col(Delivery.due_at))
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    async with sessions.begin() as session:
        due = (await session.exec(query)).all()
        for each in due:
            each.attempt += 1
            each.due_at = real_now() + CLAIM
        return await _look_up(session, due) if due else []


async def _look_up(session: AsyncSession, due: Sequence[Delivery]) -> list[Item]:
    people = {each.recipient_id for each in due} | {each.other_id for each in due}
    found = await session.exec(select(Contact).where(col(Contact.user_id).in_(people)))
    contacts = {contact.user_id: contact for contact in found}
    told = await _told(session, {each.subject_id for each in due})
    return [
        Item(
            each,
            contacts[each.recipient_id],
            contacts.get(each.other_id) if each.other_id else None,
            told[each.subject_id],
        )
        for each in due
    ]


async def _told(
    session: AsyncSession, subjects: Collection[UUID]
) -> dict[UUID, dict[Kind, int]]:
    """By subject, what is promised about it."""
    query = (
        select(Delivery.subject_id, Delivery.kind, func.max(Delivery.version))
        .where(col(Delivery.subject_id).in_(subjects))
        .group_by(col(Delivery.subject_id), col(Delivery.kind))
    )
    told: dict[UUID, dict[Kind, int]] = defaultdict(dict)
    for subject_id, kind, version in await session.exec(query):
        told[subject_id][Kind(kind)] = version
    return told
