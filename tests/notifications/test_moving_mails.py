"""Mails about moves and proposals, and the order in which they may come."""

from datetime import timedelta

import pytest

from shared.ids import new_id
from shared.service import backlog
from tests.notifications.given import (
    ADA,
    KIM,
    START,
    World,
    a_user,
    answered,
    calendar_of,
    cancelled,
    confirmed,
    entry_of,
    moved,
    proposed,
    said_again,
    text_of,
)

STUDENT, COACH = "ada@mail.example", "kim@mail.example"
DAY = timedelta(days=1)


def words(world: World, address: str) -> list[str]:
    return [each.split(":")[0] for each in world.subjects(address)]


async def test_a_move_tells_both_sides_the_old_and_the_new_time_where_they_are(
    world: World,
) -> None:
    seat = confirmed()
    await world.hear_of_both()

    await world.hear(moved(seat, reason="an <i>exam</i>"))
    await world.work()

    [to_student], [to_coach] = world.mails(STUDENT), world.mails(COACH)
    assert to_student["Subject"] == (
        "Moved: Coaching with Kim, Saturday, 20 June 2026 at 20:00"
    )
    for subtype in ("plain", "html"):
        student_reads = text_of(to_student, subtype)
        for expected in (
            "Saturday, 20 June 2026 at 20:00 (UTC+02:00, Europe/Berlin)",
            "Friday, 19 June 2026 at 20:00 (UTC+02:00, Europe/Berlin)",
            "You asked for it",
            f"https://play.example/sessions/{seat.session_id}",
        ):
            assert expected in student_reads
        coach_reads = text_of(to_coach, subtype).replace("\u202f", " ")
        assert "Ada asked for it" in coach_reads
        assert "Saturday, June 20, 2026 at 11:30 PM" in coach_reads
        assert "Friday, June 19, 2026 at 11:30 PM" in coach_reads
    assert "an &lt;i&gt;exam&lt;/i&gt;" in text_of(to_student, "html")


async def test_the_calendar_moves_the_same_entry_and_later_cancels_it(
    world: World,
) -> None:
    seat = confirmed()
    await world.hear_of_both()

    for event in (seat, moved(seat), cancelled(seat, sequence=2)):
        await world.hear(event)
        await world.work()

    booked, shifted, gone = (entry_of(mail) for mail in world.mails(STUDENT))
    assert {str(each["UID"]) for each in (booked, shifted, gone)} == {
        f"{seat.seat_id}@scrimline"
    }
    assert [each.decoded("sequence") for each in (booked, shifted, gone)] == [0, 1, 2]
    assert shifted.decoded("dtstart") == START + DAY
    assert shifted.decoded("dtend") == START + DAY + timedelta(hours=1)
    methods = [str(calendar_of(mail)["METHOD"]) for mail in world.mails(STUDENT)]
    assert methods == ["REQUEST", "REQUEST", "CANCEL"]


async def test_a_confirmation_after_its_move_shows_no_old_time(world: World) -> None:
    seat = confirmed()
    await world.hear_of_both()

    await world.hear(moved(seat), seat)
    await world.work()

    assert words(world, STUDENT) == words(world, COACH) == ["Moved"]
    assert sorted(await world.states()) == ["sent", "sent", "skipped", "skipped"]


async def test_a_confirmation_overtaken_while_mails_are_down_is_not_sent(
    world: World,
) -> None:
    seat = confirmed()
    await world.hear_of_both()
    await world.sink.close()
    await world.hear(seat)
    await world.work()

    await world.hear(moved(seat))
    await world.restart_mailbox()
    await world.skip_delays()
    await world.work()

    assert words(world, STUDENT) == words(world, COACH) == ["Moved"]


async def test_of_two_moves_in_the_wrong_order_the_newer_is_told(world: World) -> None:
    seat = confirmed()
    first = moved(seat)
    second = moved(seat, start_version=seat.start_version + 2, sequence=2)
    await world.hear_of_both()

    await world.hear(second, first, said_again(first), said_again(second))
    await world.work()

    [mail] = world.mails(STUDENT)
    assert entry_of(mail).decoded("sequence") == 2


async def test_a_seat_confirmed_after_a_move_of_its_session_is_told_of_it(
    world: World,
) -> None:
    """A group moved, then somebody joined: that seat has never been elsewhere."""
    earlier = confirmed(kind="group")
    late = confirmed(
        kind="group", session_id=earlier.session_id, start_version=2, sequence=1
    )
    await world.hear_of_both()

    await world.hear(moved(earlier), late)
    await world.work()

    assert sorted(words(world, STUDENT)) == ["Booked", "Moved"]
    sequences = [entry_of(mail).decoded("sequence") for mail in world.mails(STUDENT)]
    assert sequences == [1, 1]


async def test_a_move_after_the_cancellation_is_not_told(world: World) -> None:
    seat = confirmed()
    await world.hear_of_both()

    await world.hear(cancelled(seat, sequence=2), moved(seat))
    await world.work()

    assert words(world, STUDENT) == ["Cancelled"]


async def test_every_seat_of_a_group_is_told_of_its_own_entry(world: World) -> None:
    bob, seat = new_id(), confirmed(kind="group")
    other = new_id()
    await world.hear_of_both()
    await world.hear(a_user(bob, email="bob@mail.example", display_name="Bob"))

    await world.hear(
        moved(
            seat,
            seat_ids=(seat.seat_id, other),
            student_ids=(seat.student_id, bob),
            by="coach",
        )
    )
    await world.work()

    [mine], [his] = world.mails(STUDENT), world.mails("bob@mail.example")
    assert str(entry_of(mine)["UID"]) == f"{seat.seat_id}@scrimline"
    assert str(entry_of(his)["UID"]) == f"{other}@scrimline"
    assert "Kim asked for it" in text_of(mine)
    assert "Bob" not in mine.as_string()
    assert len(world.mails(COACH)) == 2


@pytest.mark.parametrize(
    ("by", "asked", "reads"),
    [
        ("coach", STUDENT, "Kim would like to move a session"),
        ("student", COACH, "Ada would like to move a session"),
    ],
)
async def test_a_proposal_is_told_to_the_other_side_without_a_calendar(
    world: World, by: str, asked: str, reads: str
) -> None:
    made = proposed(confirmed(), by=by, reason="a tournament")
    await world.hear_of_both()

    await world.hear(made, said_again(made))
    await world.work()

    [mail] = world.mails()
    assert asked in mail["To"]
    assert mail["Subject"].startswith("Another time? Coaching with ")
    for subtype in ("plain", "html"):
        assert reads in text_of(mail, subtype)
        assert "a tournament" in text_of(mail, subtype)
        assert f"/sessions/{made.session_id}" in text_of(mail, subtype)
    assert not [p for p in mail.walk() if p.get_content_type() == "text/calendar"]
    if asked == STUDENT:
        reads = text_of(mail)
        assert "Proposed: Saturday, 20 June 2026 at 20:00" in reads
        assert "Is: Friday, 19 June 2026 at 20:00" in reads
        assert "Answer until: Tuesday, 16 June 2026 at 14:00" in reads


@pytest.mark.parametrize(
    ("status", "subject", "reads"),
    [
        ("accepted", "Accepted", "takes place at the new time"),
        ("declined", "Declined", "It was declined"),
        ("expired", "Not agreed", "Nobody agreed in time"),
    ],
)
async def test_the_answer_is_told_to_who_proposed(
    world: World, status: str, subject: str, reads: str
) -> None:
    await world.hear_of_both()

    await world.hear(answered(proposed(confirmed()), status=status))
    await world.work()

    [mail] = world.mails()
    assert COACH in mail["To"]
    assert mail["Subject"].startswith(f"{subject}: Coaching with Ada")
    for subtype in ("plain", "html"):
        assert reads in text_of(mail, subtype)


@pytest.mark.parametrize("by", ["coach", "student"])
@pytest.mark.parametrize("end_first", [False, True])
async def test_nobody_is_asked_or_answered_what_was_overtaken(
    world: World, by: str, end_first: bool
) -> None:
    """Given up meanwhile, a session may have no seat left to name a student."""
    made = proposed(confirmed(), by=by)
    overtaken = answered(made, status="expired", overtaken=True, student_ids=())
    await world.hear_of_both()

    await world.hear(*((overtaken, made) if end_first else (made, overtaken)))
    await world.work()

    assert not world.mails()
    assert await world.states() == ["skipped", "skipped"]
    assert (await backlog(world.app.state.parts))["mails"] == 0


async def test_a_proposal_of_a_group_asks_every_student(world: World) -> None:
    bob, seat = new_id(), confirmed(kind="group")
    await world.hear_of_both()
    await world.hear(a_user(bob, email="bob@mail.example", display_name="Bob"))
    made = proposed(seat, student_ids=(ADA, bob))

    await world.hear(made)
    await world.work()
    await world.hear(answered(made))
    await world.work()

    assert world.mails("bob@mail.example")
    assert "Bob" not in world.mails(STUDENT)[0].as_string()
    [mail] = world.mails(COACH)
    assert mail["Subject"].startswith("Accepted: Group coaching, Saturday")


@pytest.mark.parametrize("why", ["answered", "expired", "suspended"])
async def test_a_question_that_has_lost_its_sense_is_not_asked(
    world: World, why: str
) -> None:
    made = proposed(confirmed())
    await world.hear(a_user(ADA, suspended=why == "suspended"), a_user(KIM))
    await world.hear(made)
    if why == "answered":
        await world.hear(answered(made))
    if why == "expired":
        world.clock.advance(days=1)

    await world.work()

    assert not world.mails(STUDENT)
