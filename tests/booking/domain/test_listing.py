from datetime import UTC, date, datetime, timedelta

import pytest

from services.booking.domain.listing import Slot, days, nearest, viewer_range
from services.booking.domain.policy import Policy
from services.booking.domain.problems import DurationNotOffered
from services.booking.domain.reasons import covers, reasons
from services.booking.domain.schedule import Override, Schedule, TimeOff, Window
from services.booking.domain.slots import Busy, Calendar, relevant, slots
from shared.errors import InvalidRequest

MONDAY = date(2026, 6, 15)
NINE = datetime(2026, 6, 15, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
WORKDAY = Schedule("Europe/Berlin", (Window(0, 540, 720),))


def starts(*instants: str) -> list[int]:
    return [int(datetime.fromisoformat(each).timestamp()) for each in instants]


def test_every_date_of_the_viewer_is_there_also_without_slots() -> None:
    offered = starts("2026-06-15T07:00Z")

    shown = days(offered, 60, "Europe/Berlin", date(2026, 6, 14), date(2026, 6, 16))

    assert [(day.date, len(day.slots)) for day in shown] == [
        ("2026-06-14", 0),
        ("2026-06-15", 1),
        ("2026-06-16", 0),
    ]


def test_a_slot_is_shown_in_utc_and_with_the_viewers_offset() -> None:
    [day] = days(
        starts("2026-06-15T18:00Z"),
        90,
        "Asia/Kathmandu",
        date(2026, 6, 15),
        date(2026, 6, 15),
    )

    start, end = "2026-06-15T18:00:00Z", "2026-06-15T19:30:00Z"
    local = "2026-06-15T23:45:00+05:45"
    json = f'{{"start":"{start}","end":"{end}","local_start":"{local}",'
    assert day.slots == [Slot(start, end, local, json)]


def test_a_slot_is_on_the_viewers_date_not_on_the_coachs() -> None:
    shown = days(
        starts("2026-06-15T18:30Z"),
        60,
        "Asia/Kathmandu",
        MONDAY,
        MONDAY + timedelta(days=1),
    )

    assert [len(day.slots) for day in shown] == [0, 1]


def test_an_hour_that_comes_twice_is_told_apart_by_its_offset() -> None:
    autumn = date(2026, 10, 25)
    offered = starts("2026-10-25T00:00Z", "2026-10-25T01:00Z", "2026-10-25T02:00Z")

    [day] = days(offered, 60, "Europe/Berlin", autumn, autumn)

    assert [slot.local_start for slot in day.slots] == [
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T03:00:00+01:00",
    ]


def test_west_of_greenwich_the_offset_is_negative_to_the_minute() -> None:
    [day] = days(starts("2026-06-15T12:00Z"), 60, "America/St_Johns", MONDAY, MONDAY)

    assert day.slots[0].local_start == "2026-06-15T09:30:00-02:30"


def test_a_date_that_never_was_is_empty() -> None:
    gone = date(2011, 12, 30)
    offered = starts("2011-12-30T09:30Z", "2011-12-30T10:30Z")

    shown = days(
        offered, 60, "Pacific/Apia", gone - timedelta(days=1), gone + timedelta(days=1)
    )

    assert [len(day.slots) for day in shown] == [1, 0, 1]


def test_the_viewers_dates_are_instants_in_its_zone() -> None:
    assert viewer_range("Europe/Berlin", MONDAY, MONDAY) == (
        datetime(2026, 6, 14, 22, tzinfo=UTC),
        datetime(2026, 6, 15, 22, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("zone", "first", "last", "field"),
    [
        ("Mars/Olympus", MONDAY, MONDAY, "query.timezone"),
        ("UTC", MONDAY, MONDAY - timedelta(days=1), "query.to"),
        ("UTC", MONDAY, MONDAY + timedelta(days=62), "query.to"),
        ("UTC", date.min, date.min, "query.from"),
        ("UTC", date.max, date.max, "query.from"),
    ],
)
def test_dates_that_cannot_be_listed_are_refused(
    zone: str, first: date, last: date, field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        viewer_range(zone, first, last)

    assert [each["field"] for each in refused.value.extra["errors"]] == [field]


def test_sixty_two_days_can_be_listed() -> None:
    since, until = viewer_range("UTC", MONDAY, MONDAY + timedelta(days=61))

    assert until - since == timedelta(days=62)


def test_the_alternatives_are_the_nearest_but_never_the_lost_one() -> None:
    hours = [f"2026-06-15T{hour:02}:00Z" for hour in range(8, 20)]
    offered = starts(*hours, "2026-06-20T12:00Z")

    found = nearest(offered, datetime(2026, 6, 15, 12, tzinfo=UTC))

    assert [at.hour for at in found] == [9, 10, 11, 13, 14]


@pytest.mark.parametrize("wanted_hour", [0, 23])
def test_there_are_alternatives_at_the_ends_of_a_listing(wanted_hour: int) -> None:
    offered = starts("2026-06-15T10:00Z", "2026-06-15T11:00Z")

    found = nearest(offered, datetime(2026, 6, 15, wanted_hour, tzinfo=UTC))

    assert [at.hour for at in found] == [10, 11]


def test_a_length_that_is_not_offered_is_refused_by_listing_and_booking_alike() -> None:
    calendar = Calendar(WORKDAY, Policy(durations=(60,)), [], NINE)

    with pytest.raises(DurationNotOffered):
        slots(calendar, 45, NINE, NINE + HOUR)
    with pytest.raises(DurationNotOffered):
        reasons(calendar, 45, NINE)


@pytest.mark.parametrize(("monday", "sunday"), [(15, 21)])
def test_what_decides_about_a_day_is_its_whole_week_and_a_margin(
    monday: int, sunday: int
) -> None:
    since, until = relevant(WORKDAY, NINE, NINE + HOUR)

    assert since <= datetime(2026, 6, monday, tzinfo=UTC) - timedelta(hours=2 + 20)
    assert until >= datetime(2026, 6, sunday, 22, tzinfo=UTC) + timedelta(hours=20)


def test_busy_times_beyond_the_relevant_ones_change_nothing() -> None:
    since, until = NINE, NINE + timedelta(days=1)
    low, high = relevant(WORKDAY, since, until)
    policy = Policy(
        durations=(60,),
        max_sessions_per_day=1,
        max_sessions_per_week=1,
        notice_minutes=0,
    )
    far = [Busy(low - HOUR, low, 240, 240), Busy(high, high + HOUR, 240, 240)]
    now = NINE - timedelta(days=1)

    assert slots(Calendar(WORKDAY, policy, far, now), 60, since, until) == slots(
        Calendar(WORKDAY, policy, [], now), 60, since, until
    )


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (WORKDAY, True),
        (Schedule("Europe/Berlin", (Window(0, 555, 720),)), False),
        (Schedule("Europe/Berlin", WORKDAY.rules, (Override(MONDAY),)), False),
        (
            Schedule(
                "Europe/Berlin",
                WORKDAY.rules,
                (),
                (TimeOff(NINE + HOUR / 2, NINE + HOUR),),
            ),
            False,
        ),
        (
            Schedule(
                "Europe/Berlin",
                WORKDAY.rules,
                (),
                (TimeOff(NINE + HOUR, NINE + 2 * HOUR),),
            ),
            True,
        ),
    ],
)
def test_a_sold_session_is_covered_or_it_is_a_conflict(
    schedule: Schedule, expected: bool
) -> None:
    assert covers(schedule, NINE, NINE + HOUR) is expected
