from datetime import UTC, date, datetime, timedelta

import pytest

from services.booking.domain.schedule import (
    MOST_OVERRIDES,
    MOST_RULES,
    MOST_TIME_OFF,
    MOST_WINDOWS_A_DATE,
    Override,
    Schedule,
    Span,
    TimeOff,
    Window,
    clock,
    minutes,
    schedule_errors,
)

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
DAY = date(2026, 6, 15)


def faulty(schedule: Schedule) -> list[str]:
    return [each["field"] for each in schedule_errors(schedule)]


def weekly(*rules: Window) -> Schedule:
    return Schedule("Europe/Berlin", rules)


def special(*spans: Span) -> Schedule:
    return Schedule("Europe/Berlin", overrides=(Override(DAY, spans),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("00:00", 0), ("09:05", 545), ("23:59", 1439), ("24:00", 1440)],
)
def test_a_time_of_day_is_read_and_written_alike(text: str, expected: int) -> None:
    assert minutes(text) == expected
    assert clock(expected) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9:00",
        "24:01",
        "25:00",
        "12:60",
        "12:00:00",
        "12:00 ",
        "\uff11\uff12:00",
        "-1:00",
    ],
)
def test_what_is_not_a_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HH:MM"):
        minutes(text)


@pytest.mark.parametrize(
    "zone", ["", "Mars/Olympus", "europe/berlin", "../etc/passwd", "+02:00"]
)
def test_a_zone_that_is_not_in_the_database_is_refused(zone: str) -> None:
    assert faulty(Schedule(zone)) == ["body.timezone"]


def test_a_window_may_be_a_whole_day_and_touch_its_neighbours() -> None:
    assert faulty(weekly(*(Window(day, 0, 1440) for day in range(7)))) == []


@pytest.mark.parametrize("at", [0, 540, 1439])
def test_a_window_of_no_length_is_refused(at: int) -> None:
    assert faulty(weekly(Window(0, at, at))) == ["body.rules.0.end"]
    assert faulty(special(Span(at, at))) == ["body.overrides.0.windows.0.end"]


def test_midnight_is_an_end_as_24_00_and_never_a_start_as_that() -> None:
    assert faulty(weekly(Window(0, 1440, 60))) == ["body.rules.0.start"]


def test_numbers_that_are_no_weekday_or_time_are_refused() -> None:
    schedule = weekly(Window(7, 0, 60), Window(0, -1, 60), Window(1, 0, 1441))

    assert faulty(schedule) == [
        "body.rules.0.weekday",
        "body.rules.1.start",
        "body.rules.2.end",
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Window(0, 540, 720), Window(0, 719, 780)),
        (Window(0, 540, 720), Window(0, 540, 720)),
        (Window(0, 1320, 120), Window(1, 119, 300)),
        (Window(6, 1320, 120), Window(0, 0, 60)),
        (Window(0, 540, 540), Window(1, 0, 60)),
    ],
)
def test_windows_that_overlap_are_refused_whichever_comes_first(
    one: Window, other: Window
) -> None:
    assert len(faulty(weekly(one, other))) == 1
    assert len(faulty(weekly(other, one))) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Window(0, 540, 720), Window(0, 720, 780)),
        (Window(0, 1320, 120), Window(1, 120, 300)),
        (Window(6, 1320, 120), Window(0, 120, 180)),
        (Window(0, 540, 720), Window(0, 600, 660, active=False)),
    ],
)
def test_windows_that_touch_or_sleep_are_fine(one: Window, other: Window) -> None:
    assert faulty(weekly(one, other)) == []


def test_the_windows_of_an_override_may_not_overlap() -> None:
    assert faulty(special(Span(540, 720), Span(600, 660))) == [
        "body.overrides.0.windows.1.start"
    ]
    assert faulty(special(Span(540, 720), Span(720, 60))) == []
    assert faulty(special(Span(1440, 60))) == ["body.overrides.0.windows.0.start"]


def test_a_date_has_one_override() -> None:
    overrides = (Override(DAY), Override(DAY, (Span(0, 60),)))

    assert faulty(Schedule("UTC", overrides=overrides)) == ["body.overrides.1.date"]


@pytest.mark.parametrize("length", [timedelta(0), timedelta(seconds=-1)])
def test_time_off_ends_after_it_begins(length: timedelta) -> None:
    off = TimeOff(NOON, NOON + length)

    assert faulty(Schedule("UTC", time_off=(off,))) == ["body.time_off.0.end"]


def test_a_note_has_an_end() -> None:
    off = TimeOff(NOON, NOON + timedelta(hours=1), "x" * 501)

    assert faulty(Schedule("UTC", time_off=(off,))) == ["body.time_off.0.note"]


def test_there_may_be_many_of_everything_and_not_one_more() -> None:
    hour = timedelta(hours=1)
    rules = tuple(
        Window(n % 7, n // 7 * 60, n // 7 * 60 + 60) for n in range(MOST_RULES)
    )
    days = tuple(Override(DAY + timedelta(days=n)) for n in range(MOST_OVERRIDES))
    off = tuple(TimeOff(NOON, NOON + hour) for _ in range(MOST_TIME_OFF))
    spans = tuple(Span(n * 60, n * 60 + 60) for n in range(MOST_WINDOWS_A_DATE))
    more = Override(DAY + timedelta(days=9999))

    assert faulty(Schedule("UTC", rules, days, off)) == []
    assert faulty(special(*spans)) == []
    assert faulty(Schedule("UTC", (*rules, Window(6, 1400, 1410)))) == ["body.rules"]
    assert faulty(Schedule("UTC", overrides=(*days, more))) == ["body.overrides"]
    assert faulty(Schedule("UTC", time_off=(*off, off[0]))) == ["body.time_off"]
    assert faulty(special(*spans, Span(0, 60))) == ["body.overrides.0.windows"]
