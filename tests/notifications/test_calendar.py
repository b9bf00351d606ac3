"""What calendar programs read."""

from datetime import timedelta

from icalendar import Event

from tests.given import NOW
from tests.notifications.given import (
    KIM,
    START,
    World,
    a_user,
    calendar_of,
    cancelled,
    confirmed,
    entry_of,
)

STUDENT, COACH = "ada@mail.example", "kim@mail.example"


def value(entry: Event, name: str) -> str:
    return str(entry[name])


async def test_a_mail_holds_text_html_and_the_entry_side_by_side(world: World) -> None:
    await world.hear_of_both()
    await world.hear(confirmed())
    await world.work()

    [mail] = world.mails(STUDENT)
    alternative, attached = mail.iter_parts()
    assert mail.get_content_type() == "multipart/mixed"
    assert alternative.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in alternative.iter_parts()] == [
        "text/plain",
        "text/html",
        "text/calendar",
    ]
    assert attached.get_content_type() == "application/ics"
    assert attached.get_filename() == "session.ics"


async def test_an_invitation_says_when_where_and_who(world: World) -> None:
    seat = confirmed()
    await world.hear_of_both()
    await world.hear(seat)
    await world.work()

    [mail] = world.mails(STUDENT)
    entry = entry_of(mail)
    assert calendar_of(mail)["METHOD"] == "REQUEST"
    assert value(entry, "UID") == f"{seat.seat_id}@scrimline"
    assert entry["SEQUENCE"] == 0
    assert value(entry, "STATUS") == "CONFIRMED"
    assert value(entry, "SUMMARY") == "Coaching with Kim"
    assert value(entry, "URL") == f"https://play.example/sessions/{seat.session_id}"
    assert entry.decoded("DTSTAMP") == NOW
    assert entry.decoded("DTSTART") == START
    assert entry.decoded("DTEND") == START + timedelta(hours=1)
    assert b"DTSTART:20260619T180000Z" in entry.to_ical()
    assert value(entry, "ORGANIZER") == "mailto:no-reply@scrimline.example"
    assert value(entry, "ATTENDEE") == "mailto:ada@mail.example"
    assert entry["ATTENDEE"].params["CN"] == "Ada"


async def test_a_cancellation_takes_the_same_entry_out(world: World) -> None:
    seat = confirmed()
    await world.hear_of_both()
    await world.hear(seat)
    await world.work()
    await world.hear(cancelled(seat, sequence=4))
    await world.work()

    for address in (STUDENT, COACH):
        invited, gone = world.mails(address)
        assert calendar_of(gone)["METHOD"] == "CANCEL"
        assert entry_of(gone)["SEQUENCE"] == 4
        assert value(entry_of(gone), "STATUS") == "CANCELLED"
        for name in ("UID", "SUMMARY", "ORGANIZER", "ATTENDEE"):
            assert entry_of(gone)[name] == entry_of(invited)[name]


async def test_no_side_sees_the_others_address(world: World) -> None:
    seat = confirmed()
    await world.hear_of_both()
    await world.hear(seat)
    await world.work()
    await world.hear(cancelled(seat))
    await world.work()

    for mine, other in ((STUDENT, COACH), (COACH, STUDENT)):
        for mail, kept in zip(
            world.mails(mine), world.store.messages(mine), strict=True
        ):
            assert kept.to == mine
            for part in mail.walk():
                if not part.is_multipart():
                    content = part.get_payload(decode=True)
                    assert isinstance(content, bytes)
                    assert other.encode() not in content
            assert other not in mail.as_string()


async def test_no_name_and_no_text_can_add_a_line_to_headers_or_entry(
    world: World,
) -> None:
    sly = 'Eve"\r\nBcc: x@evil.example\r\n\r\n<script>alert(1)</script>'
    seat = confirmed(goals=sly, game="a\r\nATTENDEE:mailto:x@evil.example")
    await world.hear(a_user(display_name=sly))
    await world.hear(a_user(seat.coach_id, display_name=sly))

    await world.hear(seat)
    await world.work()
    await world.hear(cancelled(seat, reason=sly))
    await world.work()

    for mail in world.mails():
        assert mail["Bcc"] is None
        assert len(mail["To"].addresses) == 1
        assert "<script>" not in mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
        entry = entry_of(mail)
        assert not isinstance(entry["ATTENDEE"], list)
        assert "evil" not in str(entry["ATTENDEE"])
        assert "BCC" not in entry
    assert {each.to for each in world.store.messages()} == {STUDENT, COACH}
    assert len(world.mails()) == 4


async def test_names_of_every_script_arrive(world: World) -> None:
    name = "Zoë 王芳 " + "長い" * 30
    await world.hear(a_user(display_name="Łukasz"))
    await world.hear(a_user(KIM, display_name=name))

    await world.hear(confirmed(goals="ace 🎯"))
    await world.work()

    [mail] = world.mails(STUDENT)
    assert mail["To"].addresses[0].display_name == "Łukasz"
    assert name in mail["Subject"]
    assert value(entry_of(mail), "SUMMARY") == f"Coaching with {name}"
    assert "ace 🎯" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    source = world.store.source(world.store.messages(STUDENT)[0].id)
    assert source is not None
    assert source.isascii()
    assert max(map(len, source.splitlines())) <= 998
