"""Listing free times: the hot path, two queries and no object per slot."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_json

from services.booking.actions.calendars import read_busy, read_offer
from services.booking.domain.listing import Day, days, viewer_range
from services.booking.domain.policy import require_duration
from services.booking.domain.pricing import price, require_chargeable, step_of
from services.booking.domain.slots import slots
from shared.db import Sessions
from shared.statements import reading


@dataclass(frozen=True)
class SlotQuery:
    """Both dates are included; `minutes` is the length of a session."""

    coach_id: UUID
    since: date
    until: date
    minutes: int
    timezone: str | None
    game: str | None


async def list_slots(
    sessions: Sessions, wanted: SlotQuery, student_id: UUID | None, now: datetime
) -> bytes:
    """The JSON of a `SlotsView`.

    Raises NotFound for an unknown coach, InvalidRequest that names the field for a
    range, zone, length or game that cannot be listed.
    """
    async with reading(sessions) as connection:
        offer = await read_offer(connection, wanted.coach_id, student_id, now)
        require_duration(offer.policy, wanted.minutes)
        rate, step = offer.rate(wanted.game, "query.game"), step_of(offer.currency)
        amount = price(rate, wanted.minutes, step)
        require_chargeable(amount)
        zone = wanted.timezone or offer.schedule.timezone
        since, until = viewer_range(zone, wanted.since, wanted.until)
        busy = await read_busy(connection, wanted.coach_id, offer, since, until, now)
    starts = slots(offer.calendar(busy, now), wanted.minutes, since, until)
    cost = {"amount": amount, "currency": offer.currency}
    shown = days(starts, wanted.minutes, zone, wanted.since, wanted.until)
    return _json(zone, shown, cost)


def _json(zone: str, shown: list[Day], cost: dict[str, Any]) -> bytes:
    """Written by hand, since a listing may hold a thousand slots that differ in times.

    The labels are made of digits and signs, they need no escaping.
    """
    alike = to_json({"price": cost, "kind": "individual", "seats_left": 1}).decode()
    rest = alike.removeprefix("{")
    listed = ",".join(
        f'{{"date":"{date}","slots":['
        + ",".join(
            f'{{"start":"{start}","end":"{end}","local_start":"{local}",{rest}'
            for start, end, local in of_day
        )
        + "]}"
        for date, of_day in shown
    )
    return f'{{"timezone":{to_json(zone).decode()},"days":[{listed}]}}'.encode()
