"""Who does not come: the student, the coach, both. And what it costs whom."""

from datetime import datetime, timedelta

from local.demo.client import Json, Person, fail, until
from local.demo.walk import Walk, local, price, show, step

AN_HOUR = timedelta(hours=1)
"""Nobody holds more than five seats with a coach within an hour."""

QUARTER = timedelta(minutes=15)
DECIDED = timedelta(hours=3)
"""After the start of an hour's session: then also what nobody came to is decided."""

CONTESTABLE = timedelta(hours=24, minutes=1)
"""A day, and on to the tick after it."""


async def a_no_show_of_each_kind(walk: Walk) -> None:
    step("Somebody does not come: first the student, then the coach, then both")
    await walk.advance(AN_HOUR)
    slots = await until("slots", walk.slots)
    sessions = [await walk.book(each) for each in _apart(slots)]
    for session, missing in zip(sessions, ("student", "coach", "both"), strict=True):
        await _let_be_missed(walk, session, missing)
    now = await walk.advance(CONTESTABLE)
    show("a day later", f"{now:%Y-%m-%d %H:%M} UTC: nobody has contested it")
    for session, back in zip(sessions, (0, 100, 100), strict=True):
        await _money_is_back(walk, session, back)


def _apart(slots: list[Json]) -> list[Json]:
    """Three slots of one day that do not touch."""
    day = slots[0]["local_start"][:10]
    return [each for each in slots if each["local_start"][:10] == day][:12:4][:3]


async def _let_be_missed(walk: Walk, session: Json, missing: str) -> None:
    show("start", local(session["start"]))
    await _advance_to(walk, session["start"])
    came: dict[str, list[Person]] = {
        "student": [walk.coach],
        "coach": [walk.student],
        "both": [],
    }
    for person in came[missing]:
        await person.post(f"/v1/sessions/{session['id']}/check-in", {})
        show("is there", person.email)
    await walk.advance(DECIDED if missing == "both" else QUARTER)
    seen = await walk.seen(session, "no_show")
    if seen["no_show"] != missing:
        fail(f"{missing} should be missing: {seen['no_show']}")
    show("no-show", f"{missing}; may be contested until {seen['provisional_until']}")


async def _advance_to(walk: Walk, instant: str) -> None:
    now = await walk.advance(timedelta(0))
    await walk.advance(datetime.fromisoformat(instant) - now)


async def _money_is_back(walk: Walk, session: Json, percent: int) -> None:
    seen = await until(
        "the refund",
        lambda: walk.student.get(f"/v1/sessions/{session['id']}"),
        lambda seen: not percent or _succeeded(seen),
    )
    refund = seen["refund"]
    if (refund["percent"] if refund else 0) != percent:
        fail(f"{percent} % should be refunded: {refund}")
    what = price(refund["amount"]) if refund else "charged"
    show(f"{seen['no_show']}", f"{percent} %, {what}")


def _succeeded(seen: Json) -> bool:
    return bool(seen["refund"]) and seen["refund"]["status"] == "succeeded"
