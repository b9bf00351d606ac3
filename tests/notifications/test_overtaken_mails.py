"""Mails that what has happened since makes untrue: late or not, nobody reads them."""

from collections.abc import Sequence

import pytest

from shared.contracts import Event
from shared.contracts.booking import (
    AttendanceMissingV1,
    CoachResumedV1,
    ProblemDecidedV1,
    ProblemReportedV1,
    SeatCompletedV1,
)
from tests.given import NOW
from tests.notifications.given import (
    KIM,
    World,
    confirmed,
    missed,
    of,
    offered,
    paused,
)

STUDENT, COACH = "ada@mail.example", "kim@mail.example"
SEAT = confirmed()
NO_SHOW = missed(SEAT)
CONTESTED = of(
    SEAT, SeatCompletedV1, version=2, was="no_show", missed="coach", by="coach"
)
FINAL = missed(SEAT, final=True, version=2)
NOT_SEEN = of(SEAT, AttendanceMissingV1, party="coach")
REPORTED = of(SEAT, ProblemReportedV1, by="student")
DECIDED = of(
    SEAT,
    ProblemDecidedV1,
    by="admin",
    decision="none",
    reason="it took place",
    refund=None,
)
RESUMED = CoachResumedV1(occurred_at=NOW, coach_id=KIM, version=2)


async def topics(world: World, *events: Event) -> tuple[Sequence[str], Sequence[str]]:
    """What the student and the coach are told of, all events heard before any mail."""
    await world.hear_of_both()
    await world.hear(*events)
    await world.work()
    student, coach = (
        [subject.split(":")[0] for subject in world.subjects(to)]
        for to in (STUDENT, COACH)
    )
    return student, coach


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(
    ("older", "newer", "student", "coach"),
    [
        pytest.param(NO_SHOW, CONTESTED, ["Completed"], [], id="contested"),
        pytest.param(NO_SHOW, FINAL, ["Refunded"], [], id="final"),
        pytest.param(NOT_SEEN, NO_SHOW, ["Missed"], ["Missed"], id="missed"),
        pytest.param(NOT_SEEN, FINAL, ["Refunded"], [], id="admitted"),
        pytest.param(REPORTED, DECIDED, ["Decided"], ["Decided"], id="decided"),
        pytest.param(offered(SEAT), SEAT, ["Booked"], ["Booked"], id="paid"),
        pytest.param(paused(), RESUMED, [], [], id="resumed"),
        pytest.param(RESUMED, paused(3), [], ["Your listing is paused"], id="again"),
        pytest.param(paused(), paused(3), [], ["Your listing is paused"], id="anew"),
    ],
)
async def test_nobody_is_told_what_is_no_longer_so(
    world: World,
    older: Event,
    newer: Event,
    student: list[str],
    coach: list[str],
    newest_first: bool,
) -> None:
    events = (newer, older) if newest_first else (older, newer)

    assert await topics(world, *events) == (student, coach)
