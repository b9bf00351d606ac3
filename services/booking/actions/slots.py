"""Listing free times: the hot path, two queries and no object per slot."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic_core import to_json

from services.booking.actions.calendars import Offer, read_calendar, read_offer
from services.booking.domain.listing import Day, Slot, days, viewer_range, zulu
from services.booking.domain.policy import require_duration
from services.booking.domain.pricing import price, require_chargeable, step_of
from services.booking.domain.seats import (
    Kind,
    Wish,
    first_new_group,
    open_groups,
    seats_left,
)
from services.booking.domain.slots import Calendar, OpenGroup, seconds, slots
from shared.db import Sessions
from shared.statements import connected

NEVER = "a"
"""Sorts after the label of every instant."""


@dataclass(frozen=True)
class SlotQuery:
    """Both dates are included; `minutes` is the length of a session."""

    coach_id: UUID
    since: date
    until: date
    minutes: int
    timezone: str | None
    game: str | None


class Shown(NamedTuple):
    """What is listed beside the times, by their labels in UTC, as pieces of JSON.

    `alone` and from `opens` on `both` kinds at a free start; `running` at the start of
    a group that can be joined.
    """

    alone: tuple[str]
    both: tuple[str, ...]
    opens: str
    running: dict[str, tuple[str]]


async def list_slots(
    sessions: Sessions, wanted: SlotQuery, student_id: UUID | None, now: datetime
) -> bytes:
    """The JSON of a `SlotsView`.

    Raises NotFound for an unknown coach, InvalidRequest that names the field for a
    range, zone, length or game that cannot be listed.
    """
    async with connected(sessions) as connection:
        offer = await read_offer(connection, wanted.coach_id, student_id, now)
        require_duration(offer.policy, wanted.minutes)
        alone = _alike(offer, wanted, "individual", 1)
        zone = wanted.timezone or offer.schedule.timezone
        since, until = viewer_range(zone, wanted.since, wanted.until)
        calendar = await read_calendar(
            connection, wanted.coach_id, student_id, offer, since, until, now
        )
    starts = slots(calendar, wanted.minutes, since, until)
    shown = Shown((alone,), (alone,), NEVER, {})
    if offer.has_groups:
        wish = Wish(wanted.minutes, "group", wanted.game)
        groups = open_groups(calendar, wish, since, until)
        starts = sorted([*starts, *(seconds(group.start) for group in groups)])
        shown = _with_groups(shown, offer, wanted, calendar, groups)
    by_day = days(starts, wanted.minutes, zone, wanted.since, wanted.until)
    return _json(zone, by_day, shown)


def _with_groups(
    shown: Shown,
    offer: Offer,
    wanted: SlotQuery,
    calendar: Calendar,
    groups: Iterable[OpenGroup],
) -> Shown:
    new = _alike(offer, wanted, "group", offer.policy.group.capacity)
    running = {
        zulu(seconds(group.start)): (
            _alike(offer, wanted, "group", seats_left(calendar, group), group.game),
        )
        for group in groups
    }
    both = (*shown.alone, new)
    return Shown(shown.alone, both, zulu(first_new_group(calendar)), running)


def _alike(
    offer: Offer, wanted: SlotQuery, kind: Kind, left: int, game: str | None = None
) -> str:
    """The end of a slot's JSON, in which many slots are alike.

    Raises InvalidRequest for what costs more than can be charged.
    """
    rate = offer.rate(wanted.game, "query.game", kind)
    amount = price(rate, wanted.minutes, step_of(offer.currency))
    require_chargeable(amount)
    cost = {"amount": amount, "currency": offer.currency}
    alike: dict[str, Any] = {"price": cost, "kind": kind, "seats_left": left}
    if kind == "group":
        alike["game"] = game
    return to_json(alike).decode().removeprefix("{")


def _json(zone: str, by_day: list[Day], shown: Shown) -> bytes:
    """Written by hand: a listing may hold a thousand slots that differ in times."""
    listed = ",".join(
        f'{{"date":"{date}","slots":[{_slots(of_day, shown)}]}}'
        for date, of_day in by_day
    )
    return f'{{"timezone":{to_json(zone).decode()},"days":[{listed}]}}'.encode()


def _slots(of_day: list[Slot], shown: Shown) -> str:
    alone, both, opens, running = shown
    if opens == NEVER and not running:
        (rest,) = alone
        return f"{rest},".join(slot.json for slot in of_day) + (rest if of_day else "")
    return ",".join(
        slot.json + rest
        for slot in of_day
        for rest in running.get(slot.start) or (both if slot.start >= opens else alone)
    )
