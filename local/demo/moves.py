"""A session that is moved over the night in which the clocks are put back."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from local.demo.client import attached_calendar, fail, until
from local.demo.walk import BERLIN, NEW_YORK, Walk, calendar_lines, local, show, step


async def a_move_across_the_change_of_clocks(walk: Walk) -> None:
    step("A session moves across the night in which the clocks are put back")
    now = await walk.advance(timedelta(0))
    night = min(clocks_put_back(zone, now) for zone in (BERLIN, NEW_YORK))
    show("that night", f"{night:%A, %d %B %Y}")
    slots = await until("slots", lambda: walk.slots_from(night - timedelta(days=1)))
    before = slots[0]
    after = next(each for each in slots if _days(each, before) == 2)
    session = await walk.book(before)
    show("booked", local(session["start"]))
    path = f"/v1/sessions/{session['id']}"
    moved = await walk.student.post(f"{path}/reschedule", {"start": after["start"]})
    show("moved to", local(moved["start"]))
    kept = all(moved[what] == session[what] for what in ("seat_id", "payment_id"))
    if not kept or moved["start_version"] != session["start_version"] + 1:
        fail(f"seat and payment should stay: {moved}")
    show("kept", "seat, payment, price and length")
    mail = await until(
        "the mail with the new time",
        lambda: walk.mail_to(walk.coach, session, "REQUEST"),
        lambda found: "SEQUENCE:1" in attached_calendar(found),
    )
    show("coach's mail", mail["subject"])
    show("  calendar", ", ".join(calendar_lines(attached_calendar(mail))))


def clocks_put_back(zone: ZoneInfo, now: datetime) -> date:
    """The next date, three days ahead at least, on which local clocks go back."""
    noon = datetime.combine(now.date() + timedelta(days=3), datetime.min.time(), UTC)
    noon += timedelta(hours=12)
    while _offset(zone, noon) >= _offset(zone, noon - timedelta(days=1)):
        noon += timedelta(days=1)
    return noon.date()


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _days(slot: dict[str, str], other: dict[str, str]) -> int:
    dates = [
        datetime.fromisoformat(each["local_start"]).date() for each in (slot, other)
    ]
    return (dates[0] - dates[1]).days
