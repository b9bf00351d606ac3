"""A student waits for an hour that is taken, and has it when it opens."""

from local.demo.client import Json, fail, until
from local.demo.walk import GAME, Walk, call_list, local, show, step


async def an_offer_is_taken(walk: Walk) -> None:
    step("An hour that is taken opens: who waits for it is offered it, and takes it")
    slots = await until("slots", walk.slots)
    session = await walk.book(slots[0])
    show("taken", local(session["start"]))
    entry = await walk.rival.post(
        f"/v1/coaches/{walk.coach.id}/waitlist",
        {
            "from": session["start"],
            "to": session["end"],
            "duration_minutes": 60,
            "game": GAME,
        },
        expect=201,
    )
    show("waits", f"{walk.rival.email}, {entry['status']}")
    await walk.student.post(f"/v1/sessions/{session['id']}/cancel", {})
    show("cancelled", f"by {walk.student.email}")
    offered = await _entry(walk, entry, "offered")
    offer = await walk.rival.get(f"/v1/sessions/{offered['session_id']}")
    if (offer["status"], offer["offer"], offer["start"]) != (
        "held",
        True,
        session["start"],
    ):
        fail(f"the hour should be held as an offer: {offer}")
    show("offered", f"until {local(offer['hold_expires_at'])}")
    show("mail", await _told(walk))
    await walk.pay(offer, walk.rival)
    await walk.confirmed(offer, walk.rival)
    taken = await _entry(walk, entry, "taken")
    show("waitlist", taken["status"])


async def _entry(walk: Walk, entry: Json, status: str) -> Json:
    """The student's place in the line, once it has this status."""

    async def look() -> Json:
        entries = (await walk.rival.get("/v1/me/waitlist"))["items"]
        return next(each for each in entries if each["id"] == entry["id"])

    return dict(
        await until(
            f"an entry that is {status}", look, lambda seen: seen["status"] == status
        )
    )


async def _told(walk: Walk) -> str:
    """The subject of the mail that offers the hour."""

    async def look() -> list[str]:
        mails = await call_list(walk.mailbox, "/api/messages", to=walk.rival.email)
        return [mail["subject"] for mail in mails if "reserved for you" in mail["text"]]

    subjects: list[str] = await until("the mail with the offer", look)
    return subjects[0]
