"""Who came and who did not: who is told, what, and only once."""

from datetime import timedelta
from typing import Any

import pytest

from shared.contracts import Event
from shared.contracts.booking import (
    AttendanceMissingV1,
    ProblemDecidedV1,
    ProblemReportedV1,
    SeatCompletedV1,
)
from tests.notifications.given import (
    START,
    World,
    confirmed,
    missed,
    of,
    paused,
    said_again,
    text_of,
)

STUDENT, COACH = "ada@mail.example", "kim@mail.example"
CONTESTED_UNTIL = "Saturday, 20 June 2026 at 21:00 (UTC+02:00, Europe/Berlin)"


def not_seen(party: str, **changes: Any) -> AttendanceMissingV1:
    return of(confirmed(), AttendanceMissingV1, party=party, **changes)


def took_place(by: str, who: str) -> SeatCompletedV1:
    changes = {"version": 2, "was": "no_show", "missed": who, "by": by}
    return of(confirmed(), SeatCompletedV1, **changes, reason="we played")


def decided(decision: str, percent: int) -> ProblemDecidedV1:
    refund = {"amount": 4999 * percent // 100, "currency": "EUR", "rule": "problem"}
    return of(
        confirmed(),
        ProblemDecidedV1,
        by="admin",
        decision=decision,
        reason="the coach left",
        refund=refund | {"percent": percent},
    )


async def read(world: World, *events: Event) -> dict[str, list[str]]:
    """The text of the mails to each side, after hearing all of it twice."""
    await world.hear_of_both()
    for event in events:
        await world.hear(event, said_again(event))
    await world.work()
    for mail in world.mails():
        html = text_of(mail, "html")
        assert "https://play.example" in html
        assert "Scrimline" in html
    return {
        side: [text_of(mail).replace("\u202f", " ") for mail in world.mails(to)]
        for side, to in (("student", STUDENT), ("coach", COACH))
    }


@pytest.mark.parametrize(
    ("party", "other"), [("student", "coach"), ("coach", "student")]
)
async def test_only_who_is_missing_is_reminded(
    world: World, party: str, other: str
) -> None:
    mails = await read(world, not_seen(party))

    [reminder] = mails[party]
    assert mails[other] == []
    assert "We have not seen you there yet" in reminder
    assert "say on its page that you are here" in reminder
    name = "Kim" if party == "student" else "Ada"
    assert f"{other.title()}: {name}" in reminder
    assert "https://play.example/sessions/" in reminder


async def test_a_coach_of_a_group_is_reminded_without_a_students_name(
    world: World,
) -> None:
    reminder = not_seen("coach", seat_id=None, student_id=None, kind="group")

    [text] = (await read(world, reminder))["coach"]

    assert "Ada" not in text
    assert "those who came" in text


async def test_nobody_is_reminded_of_a_session_that_is_over(world: World) -> None:
    await world.clock.until(START + timedelta(hours=1))

    assert await read(world, not_seen("student")) == {"student": [], "coach": []}
    assert await world.states() == ["skipped"]


@pytest.mark.parametrize(
    ("outcome", "student_reads", "coach_reads"),
    [
        (
            "student",
            ["You missed a session, Ada", "the session is charged", "contest this"],
            ["Ada did not come, Kim", "you are paid for it", "take it back"],
        ),
        (
            "coach",
            ["Kim did not come, Ada", "you get your money back", "Kim can contest"],
            [
                "You missed a session, Kim",
                "student gets the money back",
                "contest this",
            ],
        ),
        (
            "both",
            ["Nobody was seen", "you get your money back", "contest this"],
            ["Nobody was seen", "student gets the money back", "contest this"],
        ),
    ],
)
async def test_both_sides_hear_of_a_no_show_and_how_to_contest_it(
    world: World, outcome: str, student_reads: list[str], coach_reads: list[str]
) -> None:
    mails = await read(world, missed(confirmed(), outcome))

    [to_student], [to_coach] = mails["student"], mails["coach"]
    for expected in (*student_reads, CONTESTED_UNTIL):
        assert expected in to_student
    for expected in (*coach_reads, "Sunday, June 21, 2026 at 12:30 AM (UTC+05:30"):
        assert expected in to_coach


async def test_the_student_hears_when_money_comes_back(world: World) -> None:
    final = missed(confirmed(), final=True, version=2, by="coach", reason="was ill")

    mails = await read(world, final)

    [text] = mails["student"]
    assert mails["coach"] == []
    assert "You get your money back, Ada" in text
    assert "Kim has ended it without having come." in text
    assert "Reason: was ill" in text
    assert "Refund: €49.99 (100%)" in text


@pytest.mark.parametrize("changes", [{"outcome": "student"}, {"refund": None}])
async def test_where_no_money_comes_back_the_end_of_it_is_no_news(
    world: World, changes: dict[str, Any]
) -> None:
    final = missed(confirmed(), final=True, version=2, **changes)

    assert await read(world, final) == {"student": [], "coach": []}


async def test_the_other_side_hears_that_a_no_show_is_contested(world: World) -> None:
    mails = await read(
        world, took_place("coach", "coach"), took_place("student", "both")
    )

    [to_student], [to_coach] = mails["student"], mails["coach"]
    assert "Kim says that it took place." in to_student
    assert "Reason: we played" in to_student
    assert "report a problem on the session's page until Monday, 22 June" in to_student
    assert "Ada says that it took place." in to_coach
    assert "report a problem" not in to_coach


async def test_a_student_hears_that_a_no_show_is_waived(world: World) -> None:
    mails = await read(world, took_place("coach", "student"))

    assert "Kim no longer says that you missed it." in mails["student"][0]
    assert mails["coach"] == []


async def test_what_took_place_as_it_should_is_no_news(world: World) -> None:
    changes = {"version": 1, "was": "in_progress", "missed": None, "by": "coach"}

    mails = await read(world, of(confirmed(), SeatCompletedV1, **changes))

    assert mails == {"student": [], "coach": []}


async def test_a_coach_hears_of_a_problem_and_both_of_the_decision(
    world: World,
) -> None:
    reported = of(confirmed(), ProblemReportedV1, by="student", reason="<b>left</b>")

    mails = await read(world, reported, decided("partial", 50))

    [to_student], [first, second] = mails["student"], mails["coach"]
    assert "Ada reports a problem, Kim" in first
    assert "Reason: <b>left</b>" in first
    assert "&lt;b&gt;left" in text_of(world.mails(COACH)[0], "html")
    assert "the problem that you reported" in to_student
    assert "a part of the price goes back." in to_student
    assert "Refund: €24.99 (50%)" in to_student
    assert "goes back to the student" in second
    assert "Reason: the coach left" in second


async def test_a_coach_hears_that_its_listing_is_paused(world: World) -> None:
    [text] = (await read(world, paused()))["coach"]

    assert "Your listing is paused, Kim" in text
    assert "missed or cancelled 3 sessions" in text
    assert "Until Sunday, September 13, 2026" in text
    assert world.subjects(COACH) == ["Your listing is paused"]
    assert world.mails(STUDENT) == []
