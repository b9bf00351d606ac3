"""Sending what is promised: each mail by one sender, handed over once."""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlmodel import col, update

from services.notifications import domain
from services.notifications.actions import letters
from services.notifications.actions.claims import Item, claim
from services.notifications.actions.deliveries import real_now
from services.notifications.clients import (
    Connection,
    NotNow,
    Postman,
    Refused,
    Unanswered,
)
from services.notifications.domain import OPEN, House, State
from services.notifications.models import Delivery
from shared.clock import Clock
from shared.db import Sessions
from shared.errors import Outage
from shared.outages import is_outage

log = structlog.get_logger()

ANSWER = timedelta(minutes=15)
"""Longer than a sender waits for the answer; then nobody waits for it any more."""

PAUSE = 1.0
"""Seconds until an outcome that could not be written down is written again."""


async def send_due(
    sessions: Sessions, postman: Postman, house: House, clock: Clock
) -> int:
    """A worker's step: send some mails that are due over one connection.

    Returns how many were looked after; 0 when the server is down, so that the worker
    pauses. Any number of these may run at once.
    """
    claimed = await claim(sessions)
    items = deque(await _set_aside(sessions, claimed, clock.now()))
    try:
        async with postman.connection() as connection:
            while items:
                await _send(sessions, connection, house, items[0])
                items.popleft()
    except Outage as outage:
        log.warning("mails.outage", error=str(outage), postponed=len(items))
        for item in items:
            await _postpone(sessions, item.delivery, str(outage))
        return 0
    return len(claimed)


async def give_up_unanswered(sessions: Sessions) -> int:
    """A worker's step: nobody waits for these answers any more. Returns how many."""
    statement = (
        update(Delivery)
        .where(
            col(Delivery.state) == State.HANDED_OVER,
            col(Delivery.due_at) <= real_now(),
        )
        .values(_ended(State.UNKNOWN, "its sender was gone before the answer came"))
        .returning(col(Delivery.id))
    )
    async with sessions.begin() as session:
        given_up: Sequence[UUID] = (await session.exec(statement)).scalars().all()
    for delivery_id in given_up:
        log.error("mail.unknown", delivery=str(delivery_id))
    return len(given_up)


async def _set_aside(
    sessions: Sessions, claimed: Sequence[Item], now: datetime
) -> list[Item]:
    """Skip what has lost its sense; what is left is to be sent."""
    left = []
    for item in claimed:
        if (reason := item.why_not(now)) is None:
            left.append(item)
        else:
            await _end(sessions, item.delivery, State.SKIPPED, reason)
    return left


async def _send(
    sessions: Sessions, connection: Connection, house: House, item: Item
) -> None:
    """Send one mail. Raises Outage if that failed before the server had it."""
    delivery = item.delivery
    try:
        recipient, source = letters.write(delivery, item.reader(), item.name(), house)
    except Exception as error:
        # a mail that cannot be written must not hold up those behind it
        log.exception("mail.unwritable", delivery=str(delivery.id))
        await _postpone(sessions, delivery, f"cannot be written: {error!r}")
        return
    try:
        await connection.offer(house.address, recipient)
        if not await _note_handed_over(sessions, delivery):
            connection.abandon()  # we were too slow: it is another sender's now
            return
        answer = await connection.hand_over(source)
    except NotNow as refusal:
        await _postpone(sessions, delivery, str(refusal))
    except Refused as refusal:
        await _end(sessions, delivery, State.REJECTED, str(refusal))
    except Unanswered as silence:
        await _end(sessions, delivery, State.UNKNOWN, f"no answer: {silence}")
    else:
        await _end(sessions, delivery, State.SENT, answer)


async def _note_handed_over(sessions: Sessions, delivery: Delivery) -> bool:
    """Commit that from here on the mail may have arrived; False if it is not ours."""
    return await _note(
        sessions, delivery, {"state": State.HANDED_OVER, "due_at": real_now() + ANSWER}
    )


async def _postpone(sessions: Sessions, delivery: Delivery, answer: str) -> None:
    due_at = real_now() + domain.pause_after(delivery.attempt)
    news = {"state": State.DUE, "due_at": due_at, "answer": answer}
    await _note_surely(sessions, delivery, news)


async def _end(
    sessions: Sessions, delivery: Delivery, state: State, answer: str
) -> None:
    if await _note_surely(sessions, delivery, _ended(state, answer)):
        level = log.error if state is State.UNKNOWN else log.info
        level(f"mail.{state}", delivery=str(delivery.id), kind=delivery.kind)


def _ended(state: State, answer: str) -> dict[str, Any]:
    """The token goes with the last try."""
    return {
        "state": state,
        "answer": answer,
        "token": None,
        "finished_at": real_now(),
    }


async def _note_surely(
    sessions: Sessions, delivery: Delivery, news: dict[str, Any]
) -> bool:
    """Write, also if the database is down for a while.

    What the mail server said is known to nobody else: forgotten, a mail that it put
    off would pass for one that may have arrived, and never be sent.
    """
    deadline = real_now() + ANSWER
    while True:
        try:
            return await _note(sessions, delivery, news)
        except Exception as error:
            if real_now() >= deadline or not is_outage(error):
                raise
            log.warning("mail.outcome_unwritten", delivery=str(delivery.id))
        await asyncio.sleep(PAUSE)


async def _note(sessions: Sessions, delivery: Delivery, news: dict[str, Any]) -> bool:
    """Write, unless it was claimed anew or ended meanwhile; False then."""
    statement = (
        update(Delivery)
        .where(
            col(Delivery.id) == delivery.id,
            col(Delivery.attempt) == delivery.attempt,
            col(Delivery.state).in_(OPEN),
        )
        .values(news)
        .returning(col(Delivery.id))
    )
    async with sessions.begin() as session:
        return (await session.exec(statement)).first() is not None
