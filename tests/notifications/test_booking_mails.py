import asyncio
from datetime import datetime, timedelta

import pytest

from shared.contracts import Event
from shared.ids import new_id
from shared.service import backlog
from tests.notifications.given import (
    ADA,
    KIM,
    START,
    World,
    a_changed_user,
    a_user,
    cancelled,
    confirmed,
    said_again,
    text_of,
)

STUDENT, COACH = "ada@mail.example", "kim@mail.example"


async def test_a_confirmation_reaches_both_sides_in_their_own_time(
    world: World,
) -> None:
    seat = confirmed(goals="Hold mid")
    await world.hear_of_both()

    await world.hear(seat)
    await world.work()

    [to_student], [to_coach] = world.mails(STUDENT), world.mails(COACH)
    for subtype in ("plain", "html"):
        student_reads, coach_reads = (
            text_of(mail, subtype).replace("\u202f", " ")
            for mail in (to_student, to_coach)
        )
        for expected in (
            "You are booked, Ada",
            "Friday, 19 June 2026 at 20:00 (UTC+02:00, Europe/Berlin)",
            "60 minutes",
            "Kim",
            "Rocket League",
            "Hold mid",
            f"https://play.example/sessions/{seat.session_id}",
        ):
            assert expected in student_reads
        assert "You have a booking, Kim" in coach_reads
        assert "Friday, June 19, 2026 at 11:30 PM (UTC+05:30, Asia/" in coach_reads
    assert to_student["Subject"] == (
        "Booked: Coaching with Kim, Friday, 19 June 2026 at 20:00"
    )


@pytest.mark.parametrize(
    ("by", "student_reads", "coach_reads"),
    [
        ("student", "You cancelled it", "Ada cancelled it"),
        ("coach", "Kim cancelled it", "You cancelled it"),
        ("admin", "Scrimline cancelled it", "Scrimline cancelled it"),
    ],
)
async def test_a_cancellation_tells_who_why_and_what_comes_back(
    world: World, by: str, student_reads: str, coach_reads: str
) -> None:
    await world.hear_of_both()

    await world.hear(cancelled(confirmed(), by=by, reason="a <b>flu</b>"))
    await world.work()

    [to_student], [to_coach] = world.mails(STUDENT), world.mails(COACH)
    assert student_reads in text_of(to_student)
    assert coach_reads in text_of(to_coach)
    assert "Reason: a <b>flu</b>" in text_of(to_student)
    assert "a &lt;b&gt;flu&lt;/b&gt;" in text_of(to_student, "html")
    assert "Refund: €25.00 (50%)" in text_of(to_student)
    assert "Refund: €25.00 to the student (50%)" in text_of(to_coach)
    assert "Credit" not in text_of(to_student)


@pytest.mark.parametrize(
    ("credit", "text"),
    [
        ("returned", "Credit: One session goes back to the package."),
        ("consumed", "Credit: One session is used up in the package."),
    ],
)
async def test_a_cancellation_tells_what_becomes_of_a_credit(
    world: World, credit: str, text: str
) -> None:
    await world.hear_of_both()

    await world.hear(cancelled(confirmed(), refund=None, credit=credit))
    await world.work()

    [mail] = world.mails(STUDENT)
    assert text in text_of(mail)
    assert "Refund" not in text_of(mail)


async def test_news_said_and_delivered_twice_are_mailed_once(world: World) -> None:
    seat = confirmed()
    gone = cancelled(seat)
    await world.hear_of_both()

    await world.hear(seat, seat, said_again(seat))
    await world.work()
    await world.hear(gone, gone, said_again(gone), said_again(seat))
    await world.work()

    for address in (STUDENT, COACH):
        assert [each.split(":")[0] for each in world.subjects(address)] == [
            "Booked",
            "Cancelled",
        ]


async def test_the_same_news_heard_at_once_are_mailed_once(world: World) -> None:
    seat = confirmed()
    await world.hear_of_both()

    await asyncio.gather(*(world.hear(said_again(seat)) for _ in range(8)))
    await world.work()

    assert len(world.mails()) == 2


async def test_a_confirmation_after_its_cancellation_is_not_sent(world: World) -> None:
    seat = confirmed()
    await world.hear_of_both()

    await world.hear(cancelled(seat), seat)
    await world.work()

    assert [each.split(":")[0] for each in world.subjects()] == ["Cancelled"] * 2
    assert await world.states() == ["sent", "sent", "skipped", "skipped"]


async def test_a_confirmation_overtaken_while_mails_are_down_is_not_sent(
    world: World,
) -> None:
    seat = confirmed()
    await world.hear_of_both()
    await world.sink.close()
    await world.hear(seat)
    await world.work()

    await world.hear(cancelled(seat))
    await world.restart_mailbox()
    await world.skip_delays()
    await world.work()

    assert [each.split(":")[0] for each in world.subjects()] == ["Cancelled"] * 2


async def test_another_seats_cancellation_stops_nothing(world: World) -> None:
    await world.hear_of_both()

    await world.hear(cancelled(confirmed()), confirmed())
    await world.work()

    assert await world.states() == ["sent"] * 4


async def test_a_hold_that_is_cancelled_is_not_mailed(world: World) -> None:
    await world.hear_of_both()

    await world.hear(cancelled(confirmed(), was="held", refund=None))
    await world.work()

    assert not await world.deliveries()


async def test_a_session_that_has_begun_is_not_confirmed(world: World) -> None:
    """By product time, at the moment of sending."""
    await world.hear_of_both()
    await world.hear(confirmed())
    world.clock.advance(days=4, hours=6)
    assert world.clock.now() == START

    await world.work()

    assert not world.mails()
    assert await world.states() == ["skipped", "skipped"]


async def test_a_cancellation_is_mailed_however_late(world: World) -> None:
    await world.hear_of_both()
    world.clock.advance(days=30)

    await world.hear(cancelled(confirmed(), by="admin"))
    await world.work()

    assert len(world.mails()) == 2


async def test_a_suspended_person_hears_of_cancellations_only(world: World) -> None:
    seat = confirmed()
    await world.hear(a_user(ADA), a_user(KIM, suspended=True))

    await world.hear(seat)
    await world.work()
    await world.hear(cancelled(seat))
    await world.work()

    assert [each.split(":")[0] for each in world.subjects(COACH)] == ["Cancelled"]
    assert len(world.mails(STUDENT)) == 2


@pytest.mark.parametrize("missing", [ADA, KIM])
async def test_a_mail_waits_until_both_sides_are_known(
    world: World, missing: object
) -> None:
    known, late = (a_user(KIM), a_user(ADA))
    if missing == KIM:
        known, late = late, known
    await world.hear(known, confirmed())
    await world.work()
    assert not world.mails()
    assert (await backlog(world.app.state.parts))["mails"] == 0

    await world.hear(late)
    assert (await backlog(world.app.state.parts))["mails"] == 2
    await world.work()

    assert len(world.mails()) == 2
    assert (await backlog(world.app.state.parts))["mails"] == 0


async def test_a_mail_goes_to_the_newest_address(world: World) -> None:
    await world.hear_of_both()
    await world.hear(confirmed(), a_changed_user(email="new@mail.example"))

    await world.work()

    assert len(world.mails("new@mail.example")) == 1
    assert not world.mails(STUDENT)


async def test_every_seat_of_a_group_is_told_of_itself_only(world: World) -> None:
    bob = new_id()
    mine = confirmed(kind="group")
    other = confirmed(kind="group", session_id=mine.session_id, student_id=bob)
    await world.hear_of_both()
    await world.hear(a_user(bob, email="bob@mail.example", display_name="Bob"))

    await world.hear(mine, other)
    await world.work()

    [mail] = world.mails(STUDENT)
    assert "Group coaching with Kim" in mail["Subject"]
    for address in ("bob@", "Bob", "kim@"):
        assert address not in mail.as_string()
    assert len(world.mails(COACH)) == 2


async def test_a_seat_of_a_group_that_is_cancelled_is_told_to_its_two_people_only(
    world: World,
) -> None:
    bob = new_id()
    mine = confirmed(kind="group")
    other = confirmed(kind="group", session_id=mine.session_id, student_id=bob)
    called_off = {"by": "system", "reason": "Not enough participants."}
    await world.hear_of_both()
    await world.hear(a_user(bob, email="bob@mail.example", display_name="Bob"))

    await world.hear(cancelled(mine, **called_off), cancelled(other, **called_off))
    await world.work()

    [to_ada], [to_bob] = world.mails(STUDENT), world.mails("bob@mail.example")
    to_kim = world.mails(COACH)
    for subtype in ("plain", "html"):
        assert "A seat in a group is cancelled" in text_of(to_ada, subtype)
        assert "Scrimline cancelled it" in text_of(to_ada, subtype)
        assert "Not enough participants." in text_of(to_ada, subtype)
    assert "Bob" not in to_ada.as_string()
    assert "Ada" not in to_bob.as_string()
    named = [
        {name for name in ("Ada", "Bob") if name in text_of(mail)} for mail in to_kim
    ]
    assert sorted(map(sorted, named)) == [["Ada"], ["Bob"]]


@pytest.mark.parametrize("instant", ["2027-03-28T00:59:00Z", "2027-03-28T01:00:00Z"])
async def test_the_night_of_the_gap_reads_right(world: World, instant: str) -> None:
    start = datetime.fromisoformat(instant)
    await world.hear_of_both()

    await world.hear(confirmed(start=start, end=start + timedelta(hours=1)))
    await world.work()

    [mail] = world.mails(STUDENT)
    wall = "01:59 (UTC+01:00" if start.minute else "03:00 (UTC+02:00"
    assert f"Sunday, 28 March 2027 at {wall}, Europe/Berlin)" in text_of(mail)


async def test_unread_fields_of_tomorrow_do_no_harm(world: World) -> None:
    seat: Event = confirmed().model_copy(update={"colour": "red"})
    await world.hear_of_both()

    await world.hear(seat)
    await world.work()

    assert await world.states() == ["sent", "sent"]
