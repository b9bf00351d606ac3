"""A paid session moves twice and is cancelled: what both calendars are told."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from local.demo.client import Json, Person, attached_calendar
from services.payments.models import Payable
from tests.flows.market import HouseMarket

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(300)]

ENTRY = re.compile(r"^(METHOD|UID|SEQUENCE|DTSTART)[:;]", re.MULTILINE)


def entry(mail: Json) -> dict[str, str]:
    """What identifies and orders a calendar entry, and when it is."""
    lines = attached_calendar(mail).splitlines()
    return dict(line.split(":", 1) for line in lines if ENTRY.match(line))


async def entries(market: HouseMarket[Any], person: Person) -> list[dict[str, str]]:
    """The calendar entries a person was sent, by SEQUENCE."""
    found = [entry(mail) for mail in await market.calendar_mails(person, "METHOD:")]
    return sorted(found, key=lambda each: int(each["SEQUENCE"]))


async def test_a_move_a_proposal_and_a_cancellation_follow_each_other_in_calendars(
    any_market: HouseMarket[Any],
) -> None:
    market = any_market
    walk, slots = await market.open_shop()
    session = await walk.hold(slots[0])
    await walk.pay(session)
    await walk.confirmed(session)
    await market.idle()
    path = f"/v1/sessions/{session['id']}"

    moved = await walk.student.post(f"{path}/reschedule", {"start": slots[4]["start"]})
    await market.idle()
    made = await walk.coach.post(f"{path}/proposals", {"start": slots[8]["start"]})
    await market.idle()
    await walk.student.post(f"{path}/proposals/{made['id']}/accept", {})
    await market.idle()
    cancelled = await walk.student.post(f"{path}/cancel", {"reason": "cannot come"})
    await market.idle()

    assert moved["start"] == slots[4]["start"]
    assert cancelled["refund"]["percent"] == 100
    assert [each["by"] for each in cancelled["moves"]] == ["student", "coach"]
    at = [re.sub(r"[-:]", "", slots[n]["start"]) for n in (0, 4, 8, 8)]
    for person in (walk.student, walk.coach):
        told = await entries(market, person)
        assert [each["SEQUENCE"] for each in told] == ["0", "1", "2", "3"]
        assert [each["METHOD"] for each in told] == ["REQUEST"] * 3 + ["CANCEL"]
        assert [each["DTSTART"] for each in told] == at
        assert len({each["UID"] for each in told}) == 1
    async with market.house.apps["payments"].state.sessions() as database:
        kept = (await database.exec(select(Payable))).all()
    [payable] = [each for each in kept if str(each.session_id) == session["id"]]
    assert f"{payable.starts_at:%Y%m%dT%H%M%SZ}" == at[2]
    assert payable.ends_at - payable.starts_at == timedelta(hours=1)


async def test_the_other_side_is_asked_and_the_answer_is_told(
    any_market: HouseMarket[Any],
) -> None:
    market = any_market
    walk, slots = await market.open_shop()
    session = await walk.hold(slots[0])
    await walk.pay(session)
    await walk.confirmed(session)
    path = f"/v1/sessions/{session['id']}/proposals"

    made = await walk.coach.post(path, {"start": slots[4]["start"]})
    await market.idle()
    await walk.student.post(f"{path}/{made['id']}/decline", {})
    await market.idle()

    for person, subject in ((walk.student, "Another time?"), (walk.coach, "Declined")):
        mails = await market.mailbox.get("/api/messages", params={"to": person.email})
        subjects = [mail["subject"] for mail in mails.json()]
        assert [each for each in subjects if each.startswith(subject)]
